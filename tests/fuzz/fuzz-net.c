/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: frames, headers and control commands of a guest on a switch. The rings are sound; what is in them is not.
 * Input:
 *
 *      byte 0   bit 0 packed, 1 mergeable buffers, 2 sends offloads, 3 takes offloads, 4 two pairs, 5 IN_ORDER,
 *               6 INDIRECT_DESC, 7 trunk instead of access port
 *      each op  one byte, then:
 *        0, 1   alpha sends: pair, length (2), piece length, number of raw bytes, those: header, then frame; the rest
 *               of the frame repeats a pattern
 *        2      alpha's control queue: number of raw bytes, those
 *        3      beta posts buffers: pair, number, length (2)
 *        4      beta receives all
 *        5      beta sends to alpha's station, length (2)
 *        6      alpha posts buffers, as 3
 *        7      one of them is restarted
 *
 * Checked: beta's device never needs a reset, nor does alpha's for a frame; what beta receives is within the rules and
 * needs no more than beta said it takes; every command is answered.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "backend/port.h"
#include "backend/switch.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/test-net-guest.h"
#include "virtio/features.h"

#define QUEUE_SIZE 32
#define OPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
        const uint8_t *data;
        size_t size;
};

static struct net_guest alpha, beta;
static uint8_t bytes[FRAME_MAX_BYTES + 2048], got[FRAME_MAX_BYTES + 2048];

static void check(bool holds)
{
        if (!holds)
                abort();
}

static uint32_t take(struct input *in, size_t n)
{
        uint32_t value = 0;

        n = MIN(n, in->size);
        memcpy(&value, in->data, n);
        in->data += n;
        in->size -= n;
        return value;
}

static uint32_t take_raw(struct input *in, uint8_t *to)
{
        size_t n = MIN((size_t) take(in, 1), in->size);

        memcpy(to, in->data, n);
        in->data += n;
        in->size -= n;
        return (uint32_t) n;
}

static uint64_t features_of(uint8_t options)
{
        uint64_t f = FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |
                     FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) |
                     FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |
                     FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |
                     FEATURE(VIRTIO_FEATURE_EVENT_IDX);

        f |= options & 1 ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0;
        f |= options & 2 ? FEATURE(VIRTIO_NET_F_MRG_RXBUF) : 0;
        if (options & 4)
                f |= FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |
                     FEATURE(VIRTIO_NET_F_HOST_ECN);
        if (options & 8)
                f |= FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
                     FEATURE(VIRTIO_NET_F_GUEST_TSO6);
        f |= options & 16 ? FEATURE(VIRTIO_NET_F_MQ) : 0;
        f |= options & 32 ? FEATURE(VIRTIO_FEATURE_IN_ORDER) : 0;
        f |= options & 64 ? FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) : 0;
        return f;
}

static struct port *add_port(struct switch_fabric *fabric, uint16_t vlan)
{
        const struct switch_port_options options = { .name = "guest", .vlan = vlan };
        struct port *port;

        check(switch_add_port(fabric, &options, &port) == 0);
        return port;
}

static void reclaim(struct net_guest *g, uint16_t pair)
{
        uint32_t len;
        void *cookie;

        while (driver_queue_get(&g->queues[2 * pair + 1], &cookie, &len) > 0)
                check(len == 0);
}

static void send_frame(struct input *in)
{
        uint16_t pair = (uint16_t) (take(in, 1) % alpha.options.n_pairs);
        uint32_t n = MIN(take(in, 2), (uint32_t) FRAME_MAX_BYTES + 1000), piece = take(in, 1);
        uint8_t raw[256] = { 0 };
        struct frame_header header;
        uint32_t n_raw = take_raw(in, raw);

        memcpy(&header, raw, sizeof(header));
        for (uint32_t i = 0; i < n; i++)
                bytes[i] = (uint8_t) (i * 7);
        if (n_raw > sizeof(header))
                memcpy(bytes, raw + sizeof(header), n_raw - sizeof(header));
        reclaim(&alpha, pair);
        if (piece > 0)
                piece = MAX(piece, (n + 12) / (QUEUE_SIZE / 2) + 1);
        (void) net_guest_send(&alpha, pair, &header, bytes, n, piece);
        check(alpha.n_needs_reset == 0);
}

static void send_back(struct input *in)
{
        static const struct frame_header none;
        uint32_t n = 14 + take(in, 2) % 9000;

        net_guest_run(beta.loop);
        memset(bytes, 0, 14);
        bytes[0] = 2;
        bytes[6] = 4;
        reclaim(&beta, 0);
        (void) net_guest_send(&beta, 0, &none, bytes, n, 0);
}

static void post(struct net_guest *g, struct input *in)
{
        uint16_t pair = (uint16_t) (take(in, 1) % g->options.n_pairs);
        unsigned n = take(in, 1) % QUEUE_SIZE;
        uint32_t n_bytes = MAX(take(in, 2) % 5000, 12u);

        if (!net_guest_has(g, n * UINT64_C(8192)))
                return;
        (void) net_guest_post(g, pair, n, n_bytes);
        (void) driver_queue_kick(&g->queues[2 * pair]);
        net_guest_run(g->loop);
}

static void receive_all(bool takes)
{
        struct frame_header h;
        int n;

        for (uint16_t pair = 0; pair < beta.options.n_pairs; pair++) {
                while ((n = net_guest_receive(&beta, pair, &h, got, sizeof(got))) > 0) {
                        check(n >= FRAME_MIN_BYTES);
                        check(takes || (h.flags == 0 && h.gso_type == 0));
                        check((h.flags & ~FRAME_NEEDS_CHECKSUM) == 0);
                        check((h.gso_type & FRAME_GSO_ECN) == 0); /* not negotiated by beta */
                        if (h.flags)
                                check(h.csum_start + h.csum_offset + 2 <= n);
                }
                check(n == 0);
                (void) driver_queue_kick(&beta.queues[2 * pair]);
        }
        net_guest_run(beta.loop);
}

static void run_op(struct input *in, bool takes)
{
        uint8_t raw[256];
        uint32_t n;

        switch (take(in, 1) % 8) {
        case 0:
        case 1:
                send_frame(in);
                break;
        case 2:
                n = take_raw(in, raw);
                if (n > 0)
                        check(net_guest_control(&alpha, raw, n) >= 0);
                break;
        case 3:
                post(&beta, in);
                break;
        case 4:
                receive_all(takes);
                break;
        case 5:
                send_back(in);
                break;
        case 6:
                post(&alpha, in);
                break;
        case 7:
                net_guest_restart(take(in, 1) & 1 ? &alpha : &beta);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        const struct switch_options so = { 0 };
        uint8_t options = (uint8_t) take(&in, 1);
        struct net_guest_options o = { .features = features_of(options), .size = QUEUE_SIZE,
                                       .n_pairs = options & 16 ? 2 : 1, .indirect_max = options & 64 ? 16 : 0 };
        struct switch_fabric *fabric = NULL;
        struct loop *loop = NULL;

        log_set_level(LOG_LEVEL_ERROR);
        check(loop_new(&loop) == 0 && switch_new(&so, &fabric) == 0);
        net_guest_init(&alpha, loop, add_port(fabric, options & 128 ? SWITCH_VLAN_TRUNK : 5), &o);
        o.features &= ~FEATURE(VIRTIO_NET_F_GUEST_ECN);
        net_guest_init(&beta, loop, add_port(fabric, 5), &o);

        for (unsigned i = 0; i < OPS_MAX && in.size > 0; i++)
                run_op(&in, options & 8);
        check(beta.n_needs_reset == 0);

        net_guest_restart(&alpha);
        net_guest_deinit(&alpha);
        net_guest_deinit(&beta);
        switch_free(fabric);
        loop_free(loop);
        return 0;
}
