/* SPDX-License-Identifier: MPL-2.0 */
#include "net-guest.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

#define SEND_BYTES (FRAME_HEADER_BYTES + FRAME_MAX_BYTES)
#define MEMORY_BYTES (UINT64_C(64) << 20)

static struct driver_queue *rx_of(struct net_guest *g, uint16_t pair) { return &g->d.queues[2 * pair]; }
static struct driver_queue *tx_of(struct net_guest *g, uint16_t pair) { return &g->d.queues[2 * pair + 1]; }

static int post(struct net_guest *g, uint16_t pair, void *p)
{
        struct driver_buffer b = { (gpa_t) ((char *) p - g->d.memory), NET_BUFFER_BYTES, true };

        return driver_queue_add(rx_of(g, pair), &b, 1, p);
}

void net_guest_post(struct net_guest *g, uint16_t pair)
{
        for (unsigned i = 0; i < NET_QUEUE_SIZE; i++) {
                gpa_t at = vhost_driver_alloc(&g->d, NET_BUFFER_BYTES, NET_BUFFER_BYTES);

                assert_true(at != 0);
                assert_int_equal(post(g, pair, vhost_driver_pointer(&g->d, at)), 0);
        }
        (void) driver_queue_kick(rx_of(g, pair));
}

int net_guest_connect(struct net_guest *g, const char *socket_path, uint8_t number, uint64_t features, uint16_t n_pairs)
{
        const struct vhost_driver_options options = {
                .features_wanted = features | FEATURE(VIRTIO_FEATURE_VERSION_1),
                .memory_bytes = MEMORY_BYTES,
                .n_queues = (uint16_t) (2 * n_pairs),
                .queue_size = NET_QUEUE_SIZE,
                .indirect_max = 8,
                .inflight = true,
        };
        int r;

        *g = (struct net_guest) { .mac = { 0x52, 0x54, 0, 0, 0, number }, .n_pairs = n_pairs };
        r = vhost_driver_start(&g->d, socket_path, &options);
        if (r < 0)
                return r;
        for (uint16_t i = 0; i < n_pairs; i++)
                net_guest_post(g, i);
        return 0;
}

void net_guest_disconnect(struct net_guest *g) { vhost_driver_stop(&g->d); }

int net_guest_send(struct net_guest *g, uint16_t pair, struct frame_header h, const void *bytes, uint32_t n)
{
        struct driver_queue *dq = tx_of(g, pair);
        gpa_t first = g->d.next_free, at;
        struct driver_buffer b[2];
        int r;

        if (dq->n_free < 2)
                return -ENOSPC;
        /* Memory is handed out in a circle; what the device still has is far behind. */
        if (first + 2 * SEND_BYTES > MEMORY_BYTES)
                g->d.next_free = MEMORY_BYTES / 2;
        at = vhost_driver_alloc(&g->d, FRAME_HEADER_BYTES + n, 64);
        assert_true(at != 0);
        memcpy(vhost_driver_pointer(&g->d, at), &h, sizeof(h));
        memcpy(vhost_driver_pointer(&g->d, at + sizeof(h)), bytes, n);
        b[0] = (struct driver_buffer) { at, FRAME_HEADER_BYTES, false };
        b[1] = (struct driver_buffer) { at + FRAME_HEADER_BYTES, n, false };
        r = driver_queue_add(dq, b, 2, g);
        if (r < 0)
                return r;
        g->n_in_flight++;
        (void) driver_queue_kick(dq);
        return 0;
}

unsigned net_guest_reclaim(struct net_guest *g, uint16_t pair)
{
        unsigned n = 0;
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(tx_of(g, pair), &cookie, &len)) > 0)
                n++;
        assert_int_equal(r, 0);
        g->n_in_flight -= n;
        return n;
}

uint32_t net_guest_poll(struct net_guest *g, uint16_t pair, struct frame_header *ret_header, uint8_t *buf,
                        uint32_t n_max)
{
        struct driver_queue *dq = rx_of(g, pair);
        uint32_t len, done = 0, skip = FRAME_HEADER_BYTES;
        void *p;
        int r;

        r = driver_queue_get(dq, &p, &len);
        assert_true(r >= 0);
        if (r == 0)
                return 0;
        assert_true(len >= FRAME_HEADER_BYTES);
        memcpy(ret_header, p, sizeof(*ret_header));
        assert_true(ret_header->num_buffers >= 1);
        for (uint16_t i = 0; i < ret_header->num_buffers; i++, skip = 0) {
                if (i > 0)
                        assert_int_equal(driver_queue_get(dq, &p, &len), 1); /* all at once: 5.1.6.4 */
                assert_true(len - skip <= n_max - done);
                memcpy(buf + done, (uint8_t *) p + skip, len - skip);
                done += len - skip;
                assert_int_equal(post(g, pair, p), 0);
        }
        (void) driver_queue_kick(dq);
        return done;
}

uint32_t net_guest_receive(struct net_guest *g, uint16_t pair, unsigned timeout_ms, struct frame_header *ret_header,
                           uint8_t *buf, uint32_t n_max)
{
        uint64_t end = clock_now_ns() + timeout_ms * NSEC_PER_MSEC, now;
        struct driver_queue *dq = rx_of(g, pair);
        struct pollfd p = { .fd = dq->call_fd, .events = POLLIN };
        uint32_t n;

        for (;;) {
                n = net_guest_poll(g, pair, ret_header, buf, n_max);
                if (n > 0)
                        return n;
                if (!driver_queue_arm(dq))
                        continue;
                now = clock_now_ns();
                if (now >= end)
                        return 0;
                (void) poll(&p, 1, (int) ((end - now) / NSEC_PER_MSEC) + 1);
                (void) fd_event_take(dq->call_fd);
        }
}

void net_guest_address(uint8_t *frame, uint8_t to, uint8_t from)
{
        const uint8_t start[14] = { 0x52, 0x54, 0, 0, 0, to, 0x52, 0x54, 0, 0, 0, from, 0x88, 0xb5 };

        memcpy(frame, start, sizeof(start));
        if (to == 0xff)
                memset(frame, 0xff, 6);
}
