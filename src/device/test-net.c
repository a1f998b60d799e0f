/* SPDX-License-Identifier: MPL-2.0 */
/* Two guests on a switch, every format of ring and every kind of receive buffer. Spec: VIRTIO 1.4, 5.1. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "backend/port.h"
#include "backend/switch.h"
#include "base/log.h"
#include "base/macros.h"
#include "device/net.h"
#include "device/test-net-guest.h"
#include "virtio/features.h"

#define BASIC (FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS))
#define MERGE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define SENDS (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4))
#define TAKES (FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4))
#define CONTROL                                                                                            \
        (FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
         FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |                       \
         FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))
#define PACKED FEATURE(VIRTIO_FEATURE_RING_PACKED)
#define EVENT FEATURE(VIRTIO_FEATURE_EVENT_IDX)
#define ORDER FEATURE(VIRTIO_FEATURE_IN_ORDER)
#define INDIRECT FEATURE(VIRTIO_FEATURE_INDIRECT_DESC)

static const uint8_t mac_a[6] = { 0x52, 0x54, 0, 0, 0, 1 }, mac_b[6] = { 0x52, 0x54, 0, 0, 0, 2 };
static const struct frame_header no_header;

struct pair_of_guests {
        struct loop *loop;
        struct switch_fabric *fabric;
        struct net_guest a, b;
        uint8_t buf[70000], frame[70000];
};

static struct port *new_port(struct switch_fabric *fabric, const uint8_t *mac)
{
        const struct switch_port_options po = { .name = "guest", .mac = mac };
        struct port *port;

        assert_int_equal(switch_add_port(fabric, &po, &port), 0);
        return port;
}

static int set_up(void **state)
{
        const struct net_guest_options *config = *state;
        const struct switch_options so = { 0 };
        struct pair_of_guests *x = calloc(1, sizeof(*x));
        struct net_guest_options oa = *config, ob = *config;

        log_set_level(LOG_LEVEL_ERROR);
        oa.mac = mac_a;
        ob.mac = mac_b;
        assert_int_equal(loop_new(&x->loop), 0);
        assert_int_equal(switch_new(&so, &x->fabric), 0);
        net_guest_init(&x->a, x->loop, new_port(x->fabric, mac_a), &oa);
        net_guest_init(&x->b, x->loop, new_port(x->fabric, mac_b), &ob);
        memcpy(x->frame, mac_b, 6);
        memcpy(x->frame + 6, mac_a, 6);
        x->frame[12] = 0x88;
        x->frame[13] = 0xb5;
        for (size_t i = 14; i < sizeof(x->frame); i++)
                x->frame[i] = (uint8_t) (i * 31 + i / 256);
        *state = x;
        return 0;
}

static int tear_down(void **state)
{
        struct pair_of_guests *x = *state;

        net_guest_deinit(&x->a);
        net_guest_deinit(&x->b);
        switch_free(x->fabric);
        loop_free(x->loop);
        free(x);
        return 0;
}

static bool merges(const struct pair_of_guests *x) { return x->a.options.features & MERGE; }

static void frames_of_all_sizes_and_shapes_arrive_intact(void **state)
{
        static const uint32_t sizes[] = { 14, 15, 60, 64, 127, 128, 129, 140, 1514, 2036, 2037, 4000, 9000, 20000 };
        static const uint32_t pieces[] = { 0, 12, 64, 1000, 26 };
        struct pair_of_guests *x = *state;
        struct frame_header h;

        net_guest_post(&x->b, 0, 20, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        for (size_t p = 0; p < ARRAY_SIZE(pieces); p++)
                for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                        uint32_t n = sizes[i];
                        bool fits = n + 12 <= NET_GUEST_SLOT_BYTES;

                        if (pieces[p] > 0 && (n + 12) / pieces[p] > x->a.options.size / 2)
                                continue;
                        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, n, pieces[p]));
                        if (!fits && !merges(x)) {
                                assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 0);
                                continue;
                        }
                        assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), n);
                        assert_memory_equal(x->buf, x->frame, n);
                        assert_int_equal(h.num_buffers, (n + 12 + NET_GUEST_SLOT_BYTES - 1) / NET_GUEST_SLOT_BYTES);
                        assert_int_equal(h.flags, 0);
                        (void) driver_queue_kick(&x->b.queues[0]);
                }
        assert_int_equal(x->a.n_needs_reset + x->b.n_needs_reset, 0);
}

static void bursts_keep_order_and_wrap_the_rings(void **state)
{
        struct pair_of_guests *x = *state;
        struct frame_header h;
        uint32_t next = 0, sent = 0;

        net_guest_post(&x->b, 0, x->b.options.size, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        while (next < 2000) {
                int n;

                memcpy(x->frame + 20, &sent, sizeof(sent));
                assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60 + sent % 100, 0));
                sent++;
                if (sent % 7 != 0)
                        continue;
                while ((n = net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf))) > 0) {
                        uint32_t got;

                        memcpy(&got, x->buf + 20, sizeof(got));
                        assert_int_equal(got, next);
                        assert_int_equal(n, 60 + next % 100);
                        next++;
                }
                assert_int_equal(n, 0);
                (void) driver_queue_kick(&x->b.queues[0]);
        }
        assert_int_equal(next, sent);
}

static void frames_wait_until_the_receiver_has_buffers(void **state)
{
        struct pair_of_guests *x = *state;
        struct frame_header h;

        for (unsigned i = 0; i < 40; i++) {
                x->frame[30] = (uint8_t) i;
                assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 500, 0));
        }
        net_guest_post(&x->b, 0, 8, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        net_guest_run(x->loop);
        for (unsigned i = 0; i < 40; i++) {
                assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 500);
                assert_int_equal(x->buf[30], i);
                (void) driver_queue_kick(&x->b.queues[0]);
                net_guest_run(x->loop);
        }
}

/* A wake-up ends before all of a batch is sent, and the ring was found empty: nobody kicks for the rest. */
static void expensive_burst_is_sent_to_its_end(void **state)
{
        struct pair_of_guests *x = *state;
        struct driver_queue *dq = &x->a.queues[1];
        unsigned n = 0, n_done = 0;
        uint32_t len;
        void *cookie;

        while (n < 24 && net_guest_add_tx(&x->a, 0, &no_header, x->frame, 65000, 0) == 0)
                n++;
        (void) driver_queue_kick(dq);
        net_guest_run(x->loop);
        while (driver_queue_get(dq, &cookie, &len) == 1)
                n_done++;
        assert_int_equal(n_done, n);
}

static void work_left_undone_is_done_or_passed_on(void **state)
{
        struct pair_of_guests *x = *state;
        const struct frame_header tso = { .flags = FRAME_NEEDS_CHECKSUM, .gso_type = FRAME_GSO_TCPV4, .hdr_len = 54,
                                          .gso_size = 1000, .csum_start = 34, .csum_offset = 16 };
        static const uint8_t headers[42] = { 0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                             [34] = 0x50 };
        struct frame_header h;
        uint32_t n_payload = 0;
        int n;

        memcpy(x->frame + 12, headers, sizeof(headers));
        net_guest_post(&x->b, 0, 10, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        assert_true(net_guest_send(&x->a, 0, &tso, x->frame, 54 + 3500, 100));
        if (!(x->a.options.features & FEATURE(VIRTIO_NET_F_HOST_TSO4))) {
                assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 0);
                assert_int_equal(net_get_counters(x->a.dev)->n_tx_bad, 1);
                return;
        }
        if (x->b.options.features & FEATURE(VIRTIO_NET_F_GUEST_TSO4)) {
                assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 54 + 3500);
                assert_memory_equal(x->buf, x->frame, 54 + 3500);
                assert_int_equal(h.gso_size, 1000);
                assert_int_equal(h.csum_start, 34);
                return;
        }
        while ((n = net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf))) > 0) {
                assert_memory_equal(x->buf + 54, x->frame + 54 + n_payload, (size_t) n - 54);
                assert_int_equal(h.flags, 0);
                n_payload += (uint32_t) n - 54;
        }
        assert_int_equal(n, 0);
        assert_int_equal(n_payload, 3500);
}

static void guest_comes_back_after_a_reset(void **state)
{
        struct pair_of_guests *x = *state;
        struct frame_header h;

        net_guest_post(&x->b, 0, 5, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        net_guest_restart(&x->b);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 100, 0));
        net_guest_restart(&x->a);
        net_guest_restart(&x->b); /* what waited is gone */
        net_guest_post(&x->b, 0, 5, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        net_guest_run(x->loop);
        assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 100, 0));
        assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 100);
}

/* bad-input 10: mergeable buffers that never suffice. */
static void buffers_that_never_suffice_cost_only_the_frame(void **state)
{
        struct pair_of_guests *x = *state;
        unsigned size = x->b.options.size;
        struct frame_header h;

        net_guest_post(&x->b, 0, size, 64);
        (void) driver_queue_kick(&x->b.queues[0]);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 64 * size, 1000));
        assert_int_equal(net_get_counters(x->b.dev)->n_rx_too_long, 1);
        /* Buffers were put back whole: a frame that fits takes the first. */
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 52, 0));
        assert_int_equal(net_guest_receive(&x->b, 0, &h, x->buf, sizeof(x->buf)), 52);
        assert_int_equal(h.num_buffers, 1);
        assert_int_equal(x->b.n_needs_reset, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest cases[] = {
        CASE(frames_of_all_sizes_and_shapes_arrive_intact),
        CASE(bursts_keep_order_and_wrap_the_rings),
        CASE(frames_wait_until_the_receiver_has_buffers),
        CASE(expensive_burst_is_sent_to_its_end),
        CASE(work_left_undone_is_done_or_passed_on),
        CASE(guest_comes_back_after_a_reset),
        CASE(buffers_that_never_suffice_cost_only_the_frame),
};

static const struct net_guest_options configs[] = {
        { .features = BASIC, .size = 64, .n_pairs = 1 },
        { .features = BASIC | MERGE | SENDS | TAKES | EVENT, .size = 64, .n_pairs = 1 },
        { .features = BASIC | MERGE | SENDS | EVENT | INDIRECT, .size = 256, .n_pairs = 1, .indirect_max = 32 },
        { .features = BASIC | SENDS | PACKED, .size = 64, .n_pairs = 1 },
        { .features = BASIC | MERGE | SENDS | TAKES | PACKED | EVENT, .size = 57, .n_pairs = 1 },
        { .features = BASIC | MERGE | SENDS | TAKES | PACKED | EVENT | ORDER | INDIRECT, .size = 128, .n_pairs = 1,
          .indirect_max = 16 },
        { .features = BASIC | MERGE | TAKES | SENDS | ORDER, .size = 128, .n_pairs = 2 },
};

int main(void)
{
        static struct CMUnitTest all[ARRAY_SIZE(cases) * ARRAY_SIZE(configs)];
        static char names[ARRAY_SIZE(all)][128];

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                const struct net_guest_options *c = &configs[i / ARRAY_SIZE(cases)];

                all[i] = cases[i % ARRAY_SIZE(cases)];
                (void) snprintf(names[i], sizeof(names[i]), "%s (%s %u%s%s%s%s%s)", all[i].name,
                                c->features & PACKED ? "packed" : "split", c->size,
                                c->features & MERGE ? " mergeable" : "", c->features & SENDS ? " sends" : "",
                                c->features & FEATURE(VIRTIO_NET_F_GUEST_TSO4) ? " takes" : "",
                                c->features & INDIRECT ? " indirect" : "", c->features & ORDER ? " in_order" : "");
                all[i].name = names[i];
                all[i].initial_state = (void *) c;
        }
        return _cmocka_run_group_tests("net", all, ARRAY_SIZE(all), NULL, NULL);
}
