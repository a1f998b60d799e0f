/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a driver can do wrong (bad-input 3 and 10), and the control queue. Whatever it is, the neighbour on the switch
 * goes on, and a reset revives the device. Spec: VIRTIO 1.4, 5.1.6.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

#define ALL                                                                                                \
        (FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
         FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |                       \
         FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |                \
         FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
         FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_STATUS))

static const uint8_t mac_a[6] = { 0x52, 0x54, 0, 0, 0, 1 }, mac_b[6] = { 0x52, 0x54, 0, 0, 0, 2 };
static const struct frame_header no_header;

struct three {
        struct loop *loop;
        struct switch_fabric *fabric;
        struct net_guest a, b;
        uint8_t frame[70000], buf[70000];
};

static struct port *new_port(struct switch_fabric *fabric)
{
        const struct switch_port_options po = { .name = "guest" };
        struct port *port;

        assert_int_equal(switch_add_port(fabric, &po, &port), 0);
        return port;
}

static int set_up_with(void **state, uint64_t features, uint16_t n_pairs)
{
        struct net_guest_options o = { .features = features, .size = 64, .n_pairs = n_pairs };
        const struct switch_options so = { 0 };
        struct three *x = calloc(1, sizeof(*x));

        log_set_level(LOG_LEVEL_ERROR);
        assert_int_equal(loop_new(&x->loop), 0);
        assert_int_equal(switch_new(&so, &x->fabric), 0);
        net_guest_init(&x->a, x->loop, new_port(x->fabric), &o);
        net_guest_init(&x->b, x->loop, new_port(x->fabric), &o);
        memcpy(x->frame, mac_b, 6);
        memcpy(x->frame + 6, mac_a, 6);
        net_guest_post(&x->b, 0, 32, NET_GUEST_SLOT_BYTES);
        (void) driver_queue_kick(&x->b.queues[0]);
        *state = x;
        return 0;
}

static int set_up(void **state) { return set_up_with(state, ALL, 1); }

static int set_up_multi(void **state) { return set_up_with(state, ALL | FEATURE(VIRTIO_NET_F_MQ), 4); }

static int set_up_multi_without_control(void **state)
{
        return set_up_with(state, FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_MRG_RXBUF), 3);
}

static int tear_down(void **state)
{
        struct three *x = *state;

        net_guest_deinit(&x->a);
        net_guest_deinit(&x->b);
        switch_free(x->fabric);
        loop_free(x->loop);
        free(x);
        return 0;
}

static int receive(struct three *x, struct net_guest *g, uint16_t pair)
{
        struct frame_header h;
        int n = net_guest_receive(g, pair, &h, x->buf, sizeof(x->buf));

        (void) driver_queue_kick(&g->queues[2 * pair]);
        return n;
}

static void expect_healthy(struct three *x)
{
        assert_int_equal(x->a.n_needs_reset + x->b.n_needs_reset, 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 60);
}

static void bad_frame_is_dropped_and_counted(struct three *x, struct frame_header h, uint32_t n)
{
        uint64_t before = net_get_counters(x->a.dev)->n_tx_bad;

        assert_true(net_guest_send(&x->a, 0, &h, x->frame, n, 40000));
        assert_int_equal(net_get_counters(x->a.dev)->n_tx_bad, before + 1);
        assert_int_equal(receive(x, &x->b, 0), 0);
        expect_healthy(x);
}

static void transmit_raw(struct three *x, const struct driver_buffer *b, unsigned n)
{
        struct driver_queue *dq = &x->a.queues[1];
        uint32_t len;
        void *cookie;

        assert_int_equal(driver_queue_add(dq, b, n, x), 0);
        (void) driver_queue_kick(dq);
        net_guest_run(x->loop);
        assert_int_equal(driver_queue_get(dq, &cookie, &len), 1);
        assert_int_equal(len, 0);
}

static void header_shorter_than_12(void **state)
{
        struct three *x = *state;

        for (uint32_t n = 1; n < 26; n++) {
                struct driver_buffer b = { x->a.tx_area, n, false };

                transmit_raw(x, &b, 1);
        }
        assert_int_equal(net_get_counters(x->a.dev)->n_tx_bad, 25);
        expect_healthy(x);
}

static void transmit_chain_with_writable_parts(void **state)
{
        struct three *x = *state;
        struct driver_buffer b[] = { { x->a.tx_area, 100, false }, { x->a.tx_area + 4096, 100, true } };

        transmit_raw(x, b, 2);
        transmit_raw(x, b + 1, 1);
        assert_int_equal(net_get_counters(x->a.dev)->n_tx_bad, 2);
        expect_healthy(x);
}

static void header_split_over_single_bytes(void **state)
{
        struct three *x = *state;

        for (int i = 0; i < 5; i++)
                assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 20, 1));
        for (int i = 0; i < 5; i++)
                assert_int_equal(receive(x, &x->b, 0), 20);
        expect_healthy(x);
}

static void frame_shorter_than_14(void **state) { bad_frame_is_dropped_and_counted(*state, no_header, 13); }

static void oversized_frame(void **state)
{
        bad_frame_is_dropped_and_counted(*state, no_header, FRAME_MAX_BYTES + 1);
        bad_frame_is_dropped_and_counted(*state, no_header, 68000);
}

static void chain_of_gigabytes(void **state)
{
        struct three *x = *state;
        struct driver_buffer b[40];

        for (size_t i = 0; i < ARRAY_SIZE(b); i++)
                b[i] = (struct driver_buffer) { 0, NET_GUEST_MEMORY_BYTES, false };
        transmit_raw(x, b, ARRAY_SIZE(b));
        assert_int_equal(net_get_counters(x->a.dev)->n_tx_bad, 1);
        expect_healthy(x);
}

static void segmentation_size_0(void **state)
{
        struct frame_header h = { .flags = 1, .gso_type = FRAME_GSO_TCPV4, .csum_start = 34, .csum_offset = 16 };

        bad_frame_is_dropped_and_counted(*state, h, 1000);
}

static void segmentation_that_was_not_negotiated(void **state)
{
        struct frame_header h = {
                .flags = 1, .gso_type = FRAME_GSO_TCPV6, .gso_size = 500, .csum_start = 54, .csum_offset = 16
        };

        bad_frame_is_dropped_and_counted(*state, h, 1000);
        h.gso_type = FRAME_GSO_TCPV4 | FRAME_GSO_ECN;
        bad_frame_is_dropped_and_counted(*state, h, 1000);
        h.gso_type = 0x7f;
        bad_frame_is_dropped_and_counted(*state, h, 1000);
}

static void header_length_beyond_the_frame(void **state)
{
        struct frame_header h = { .flags = 1, .gso_type = FRAME_GSO_TCPV4, .gso_size = 500, .csum_start = 34,
                                  .csum_offset = 16, .hdr_len = 1001 };

        bad_frame_is_dropped_and_counted(*state, h, 1000);
}

static void checksum_beyond_the_frame(void **state)
{
        struct frame_header h = { .flags = 1, .csum_start = 990, .csum_offset = 9 };

        bad_frame_is_dropped_and_counted(*state, h, 1000);
        h.csum_start = h.csum_offset = 0xffff;
        bad_frame_is_dropped_and_counted(*state, h, 1000);
        h.csum_start = 0;
        h.csum_offset = 2;
        bad_frame_is_dropped_and_counted(*state, h, 1000);
}

static void segments_without_end(void **state)
{
        struct frame_header h = {
                .flags = 1, .gso_type = FRAME_GSO_TCPV4, .gso_size = 1, .csum_start = 34, .csum_offset = 16
        };

        bad_frame_is_dropped_and_counted(*state, h, 60000);
}

/* Breaks queue @index of guest a; b must not notice, and a reset revives a. */
static void expect_broken_then_revived(struct three *x)
{
        assert_int_equal(x->a.n_needs_reset, 1);
        assert_int_equal(x->b.n_needs_reset, 0);
        net_guest_restart(&x->a);
        x->a.n_needs_reset = 0;
        expect_healthy(x);
}

static void receive_buffer_shorter_than_the_header(void **state)
{
        struct three *x = *state;
        uint8_t back[60] = { 0 };

        net_guest_post(&x->a, 0, 3, 11);
        (void) driver_queue_kick(&x->a.queues[0]);
        memcpy(back, mac_a, 6);
        memcpy(back + 6, mac_b, 6);
        assert_true(net_guest_send(&x->b, 0, &no_header, back, 60, 0));
        expect_broken_then_revived(x);
}

static void receive_buffer_with_readable_part(void **state)
{
        struct three *x = *state;
        struct driver_buffer b[] = { { x->a.tx_area, 64, false }, { x->a.tx_area + 4096, 2048, true } };
        uint8_t back[60] = { 0 };

        assert_int_equal(driver_queue_add(&x->a.queues[0], b, 2, x), 0);
        (void) driver_queue_kick(&x->a.queues[0]);
        memcpy(back, mac_a, 6);
        memcpy(back + 6, mac_b, 6);
        assert_true(net_guest_send(&x->b, 0, &no_header, back, 60, 0));
        expect_broken_then_revived(x);
}

static void receive_ring_broken_while_a_frame_is_put_together(void **state)
{
        struct three *x = *state;
        struct driver_buffer bad = { NET_GUEST_MEMORY_BYTES - 100, 2048, true };
        uint8_t *back = x->buf;

        net_guest_post(&x->a, 0, 3, 100);
        assert_int_equal(driver_queue_add(&x->a.queues[0], &bad, 1, x), 0);
        (void) driver_queue_kick(&x->a.queues[0]);
        memcpy(back, mac_a, 6);
        memcpy(back + 6, mac_b, 6);
        assert_true(net_guest_send(&x->b, 0, &no_header, back, 1000, 0));
        expect_broken_then_revived(x);
}

static void control_command_without_room_for_the_answer(void **state)
{
        struct three *x = *state;
        struct driver_buffer b = { x->a.tx_area, 3, false };

        assert_int_equal(driver_queue_add(&x->a.queues[2], &b, 1, x), 0);
        (void) driver_queue_kick(&x->a.queues[2]);
        net_guest_run(x->loop);
        assert_int_equal(x->a.n_needs_reset, 1);
        /* The other queues go on. */
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 60);
        expect_broken_then_revived(x);
}

static void control_queue_garbage_is_answered_with_an_error(void **state)
{
        struct three *x = *state;
        uint8_t bytes[300] = { 0 };

        assert_int_equal(net_guest_control(&x->b, bytes, 1), VIRTIO_NET_ERR);
        for (unsigned i = 0; i < 65536; i += 3) {
                bytes[0] = (uint8_t) (i >> 8);
                bytes[1] = (uint8_t) i;
                if (bytes[0] <= 5 && bytes[1] <= 5)
                        continue;
                assert_int_equal(net_guest_control(&x->b, bytes, 2 + i % 16), VIRTIO_NET_ERR);
        }
        memset(bytes, 0xff, sizeof(bytes));
        for (uint8_t class = 0; class <= 5; class++)
                for (uint8_t command = 0; command <= 5; command++)
                        for (uint32_t n = 2; n < 20; n++) {
                                bytes[0] = class;
                                bytes[1] = command;
                                if (class == 1 && command == 1 && n == 8)
                                        continue; /* an address like any other */
                                if (class == 3 && command == 0 && n == 2)
                                        continue;
                                assert_int_equal(net_guest_control(&x->b, bytes, n), VIRTIO_NET_ERR);
                        }
        expect_healthy(x);
}

static void filters_pass_what_was_asked_for(void **state)
{
        static const uint8_t promisc_off[] = { 0, 0, 0 }, allmulti_on[] = { 0, 1, 1 }, nobcast_on[] = { 0, 5, 1 };
        static const uint8_t mac_set[] = { 1, 1, 0x52, 0x54, 0, 0, 0, 2 };
        static const uint8_t one_group[] = { 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x01, 0, 0x5e, 1, 2, 3 };
        struct three *x = *state;

        assert_int_equal(net_guest_control(&x->b, promisc_off, 3), 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0); /* not to its address, which is all zeroes */
        assert_int_equal(net_guest_control(&x->b, mac_set, sizeof(mac_set)), 0);
        expect_healthy(x);

        memcpy(x->frame, one_group + 10, 6);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        assert_int_equal(net_guest_control(&x->b, one_group, sizeof(one_group)), 0);
        expect_healthy(x);
        x->frame[5]++;
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        assert_int_equal(net_guest_control(&x->b, allmulti_on, 3), 0);
        expect_healthy(x);

        memset(x->frame, 0xff, 6);
        expect_healthy(x);
        assert_int_equal(net_guest_control(&x->b, nobcast_on, 3), 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        assert_int_equal(net_get_counters(x->b.dev)->n_rx_filtered, 4);
}

static void too_many_addresses_let_all_of_the_kind_pass(void **state)
{
        static const uint8_t promisc_off[] = { 0, 0, 0 };
        struct three *x = *state;
        uint8_t table[2 + 4 + 4 + 100 * 6] = { 1, 0, 0, 0, 0, 0, 100 };

        assert_int_equal(net_guest_control(&x->b, promisc_off, 3), 0);
        assert_int_equal(net_guest_control(&x->b, table, sizeof(table)), 0);
        x->frame[0] |= 1;
        expect_healthy(x);
        x->frame[0] &= 0xfe;
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        table[6] = 101; /* more than there are */
        assert_int_equal(net_guest_control(&x->b, table, sizeof(table)), VIRTIO_NET_ERR);
        table[6] = table[9] = 0xff;
        assert_int_equal(net_guest_control(&x->b, table, sizeof(table)), VIRTIO_NET_ERR);
}

static void vlans_are_filtered(void **state)
{
        static const uint8_t promisc_off[] = { 0, 0, 0 }, alluni_on[] = { 0, 2, 1 };
        static const uint8_t add[] = { 2, 0, 7, 0 }, del[] = { 2, 1, 7, 0 }, beyond[] = { 2, 0, 0, 0x10 };
        struct three *x = *state;

        memcpy(x->frame + 12, "\x81\x00\x60\x07\x88\xb5", 6);
        assert_int_equal(net_guest_control(&x->b, promisc_off, 3), 0);
        assert_int_equal(net_guest_control(&x->b, alluni_on, 3), 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        assert_int_equal(net_guest_control(&x->b, add, sizeof(add)), 0);
        expect_healthy(x);
        assert_int_equal(net_guest_control(&x->b, del, sizeof(del)), 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        assert_int_equal(net_guest_control(&x->b, beyond, sizeof(beyond)), VIRTIO_NET_ERR);
}

static void offloads_can_be_switched_off(void **state)
{
        struct three *x = *state;
        uint8_t command[10] = { 5, 0 };
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 34, .csum_offset = 16 }, got;

        assert_true(net_guest_send(&x->a, 0, &h, x->frame, 100, 0));
        assert_int_equal(net_guest_receive(&x->b, 0, &got, x->buf, sizeof(x->buf)), 100);
        assert_int_equal(got.flags, FRAME_NEEDS_CHECKSUM);
        assert_int_equal(net_guest_control(&x->b, command, sizeof(command)), 0);
        assert_true(net_guest_send(&x->a, 0, &h, x->frame, 100, 0));
        assert_int_equal(net_guest_receive(&x->b, 0, &got, x->buf, sizeof(x->buf)), 100);
        assert_int_equal(got.flags, 0);
        command[2] = 1 << 1 | 1 << 7;
        assert_int_equal(net_guest_control(&x->b, command, sizeof(command)), 0);
        command[3] = 1; /* TSO6 was not negotiated */
        assert_int_equal(net_guest_control(&x->b, command, sizeof(command)), VIRTIO_NET_ERR);
}

static void link_state_is_told(void **state)
{
        struct three *x = *state;
        struct virtio_net_config config;

        assert_int_equal(device_config_read(x->b.dev, 0, &config, 12), 0);
        assert_int_equal(config.status, VIRTIO_NET_S_LINK_UP);
        assert_int_equal(config.max_virtqueue_pairs, 1);
        net_set_link(x->b.dev, false);
        assert_int_equal(x->b.n_config_changed, 1);
        assert_int_equal(device_config_read(x->b.dev, 6, &config.status, 2), 0);
        assert_int_equal(config.status, 0);
        assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
        assert_int_equal(receive(x, &x->b, 0), 0);
        net_set_link(x->b.dev, true);
        expect_healthy(x);
        assert_int_equal(device_config_read(x->b.dev, 6, &config, 7), -EINVAL);
        assert_int_equal(device_config_write(x->b.dev, 0, &config, 6), -EINVAL);
}

static uint16_t status_of(struct net_guest *g)
{
        uint16_t status;

        assert_int_equal(device_config_read(g->dev, 6, &status, sizeof(status)), 0);
        return status;
}

static void driver_is_asked_to_announce_itself(void **state)
{
        static const uint8_t acknowledge[] = { 3, 0 };
        struct three *x = *state;

        assert_int_equal(device_announce(x->b.dev, mac_b), 0);
        assert_int_equal(x->b.n_config_changed, 1);
        assert_int_equal(status_of(&x->b), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
        assert_int_equal(net_guest_control(&x->b, acknowledge, sizeof(acknowledge)), 0);
        assert_int_equal(status_of(&x->b), VIRTIO_NET_S_LINK_UP);
}

static void driver_without_a_control_queue_is_announced(void **state)
{
        struct three *x = *state;

        for (uint16_t pair = 1; pair < 3; pair++) {
                net_guest_post(&x->b, pair, 4, NET_GUEST_SLOT_BYTES);
                (void) driver_queue_kick(&x->b.queues[2 * pair]);
        }
        assert_int_equal(device_announce(x->a.dev, mac_a), 0);
        net_guest_run(x->loop);
        for (uint16_t pair = 0; pair < 3; pair++) {
                int n = receive(x, &x->b, pair);

                if (n == 0)
                        continue;
                assert_int_equal(n, 60);
                assert_memory_equal(x->buf + 6, mac_a, 6);
                assert_memory_equal(x->buf + 12, "\x80\x35", 2);
                return;
        }
        fail();
}

static void flows_stay_on_their_pair(void **state)
{
        static const uint8_t start[] = { 0x08, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
        static const uint8_t four[] = { 4, 0, 4, 0 }, five[] = { 4, 0, 5, 0 }, zero[] = { 4, 0, 0, 0 };
        struct three *x = *state;
        uint8_t reply[60];

        assert_int_equal(net_guest_control(&x->b, zero, sizeof(zero)), VIRTIO_NET_ERR);
        assert_int_equal(net_guest_control(&x->b, five, sizeof(five)), VIRTIO_NET_ERR);
        assert_int_equal(net_guest_control(&x->b, four, sizeof(four)), 0);
        for (uint16_t pair = 1; pair < 4; pair++) {
                net_guest_post(&x->b, pair, 16, NET_GUEST_SLOT_BYTES);
                (void) driver_queue_kick(&x->b.queues[2 * pair]);
        }
        memcpy(x->frame + 12, start, sizeof(start));
        for (unsigned i = 0; i < 40; i++) {
                uint16_t pair = (uint16_t) (i * 7 % 4);

                /* b sends on a pair; what comes back arrives there. */
                x->frame[35] = (uint8_t) i;
                x->frame[36] = 80;
                memcpy(reply, x->frame, sizeof(reply));
                memcpy(reply, mac_a, 6);
                memcpy(reply + 6, mac_b, 6);
                memcpy(reply + 26, x->frame + 30, 4);
                memcpy(reply + 30, x->frame + 26, 4);
                memcpy(reply + 34, x->frame + 36, 2);
                memcpy(reply + 36, x->frame + 34, 2);
                assert_true(net_guest_send(&x->b, pair, &no_header, reply, 60, 0));
                assert_true(net_guest_send(&x->a, 0, &no_header, x->frame, 60, 0));
                for (uint16_t p = 0; p < 4; p++)
                        assert_int_equal(receive(x, &x->b, p), p == pair ? 60 : 0);
        }
}

static void pairs_without_buffers_or_stopped_are_passed_over(void **state)
{
        struct three *x = *state;

        queue_set_enabled(&x->b.dev->queues[2], false);
        queue_stop(&x->b.dev->queues[4], NULL);
        for (unsigned i = 0; i < 50; i++) {
                x->frame[10] = (uint8_t) i; /* flows without addresses are told apart by stations */
                expect_healthy(x);
        }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(header_shorter_than_12),
                CASE(transmit_chain_with_writable_parts),
                CASE(header_split_over_single_bytes),
                CASE(frame_shorter_than_14),
                CASE(oversized_frame),
                CASE(chain_of_gigabytes),
                CASE(segmentation_size_0),
                CASE(segmentation_that_was_not_negotiated),
                CASE(header_length_beyond_the_frame),
                CASE(checksum_beyond_the_frame),
                CASE(segments_without_end),
                CASE(receive_buffer_shorter_than_the_header),
                CASE(receive_buffer_with_readable_part),
                CASE(receive_ring_broken_while_a_frame_is_put_together),
                CASE(control_command_without_room_for_the_answer),
                CASE(control_queue_garbage_is_answered_with_an_error),
                CASE(filters_pass_what_was_asked_for),
                CASE(too_many_addresses_let_all_of_the_kind_pass),
                CASE(vlans_are_filtered),
                CASE(offloads_can_be_switched_off),
                CASE(link_state_is_told),
                CASE(driver_is_asked_to_announce_itself),
                cmocka_unit_test_setup_teardown(driver_without_a_control_queue_is_announced,
                                                set_up_multi_without_control, tear_down),
                cmocka_unit_test_setup_teardown(flows_stay_on_their_pair, set_up_multi, tear_down),
                cmocka_unit_test_setup_teardown(pairs_without_buffers_or_stopped_are_passed_over,
                                                set_up_multi_without_control, tear_down),
        };

        return cmocka_run_group_tests_name("net-bad", tests, NULL, NULL);
}
