/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-net-guest.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "device/net.h"
#include "virtio/features.h"

#define RINGS_START UINT64_C(0x1000)
#define PIECES_MAX 1024

#define must(x)                                                                           \
        do {                                                                              \
                if (!(x)) {                                                               \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);           \
                        abort();                                                          \
                }                                                                         \
        } while (0)

static void on_needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct net_guest *) data)->n_needs_reset++;
}

static void on_config_changed(struct device *dev, void *data) { ((struct net_guest *) data)->n_config_changed++; }

static const struct transport_ops transport = {
        .needs_reset = on_needs_reset,
        .config_changed = on_config_changed,
};

gpa_t net_guest_alloc(struct net_guest *g, uint64_t n_bytes)
{
        gpa_t at = g->next;

        g->next = (g->next + n_bytes + 4095) & ~UINT64_C(4095);
        must(g->next <= NET_GUEST_MEMORY_BYTES);
        return at;
}

static void start(struct net_guest *g)
{
        const struct net_guest_options *o = &g->options;
        uint64_t features = o->features | FEATURE(VIRTIO_FEATURE_VERSION_1);

        g->next = RINGS_START;
        must(device_start(g->dev, features) == 0);
        for (uint16_t i = 0; i < g->n_queues; i++) {
                struct driver_queue *dq = &g->queues[i];
                struct queue_setup setup;
                gpa_t at = net_guest_alloc(g, driver_queue_bytes(features, o->size, o->indirect_max));

                must(driver_queue_init(dq, g->space, at, features, o->size, o->indirect_max) == 0);
                dq->kick_fd = g->kick_fds[i];
                dq->call_fd = g->call_fds[i];
                setup = (struct queue_setup) {
                        .space = g->space, .features = features, .size = o->size, .descriptors = dq->descriptors,
                        .driver = dq->driver, .device = dq->device, .kick_fd = dq->kick_fd, .call_fd = dq->call_fd,
                        .base = features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? 0x80008000 : 0,
                };
                must(queue_start(&g->dev->queues[i], &setup) == 0);
        }
        g->tx_area = net_guest_alloc(g, FRAME_HEADER_BYTES + FRAME_MAX_BYTES + 4096);
        net_guest_run(g->loop);
}

void net_guest_init(struct net_guest *g, struct loop *loop, struct port *port, const struct net_guest_options *options)
{
        struct region_spec region = { 0, NET_GUEST_MEMORY_BYTES, 0x7f0000000000, 0 };
        struct net_options no = { .name = "net", .n_pairs = options->n_pairs, .mac = options->mac };

        *g = (struct net_guest) { .options = *options, .loop = loop };
        g->memory_fd = fd_memfd_sealed("guest", NET_GUEST_MEMORY_BYTES);
        must(g->memory_fd >= 0);
        must(space_new(&g->space) == 0);
        must(space_add(g->space, &region, g->memory_fd) == 0);
        g->memory = space_pointer(g->space, 0, NET_GUEST_MEMORY_BYTES, 1);
        must(net_new(loop, &no, port, &g->dev) == 0);
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        g->n_queues = g->dev->n_queues;
        must(g->n_queues <= NET_GUEST_QUEUES_MAX);
        for (uint16_t i = 0; i < g->n_queues; i++) {
                g->kick_fds[i] = fd_event();
                g->call_fds[i] = fd_event();
        }
        start(g);
}

void net_guest_restart(struct net_guest *g)
{
        device_reset(g->dev);
        for (uint16_t i = 0; i < g->n_queues; i++)
                driver_queue_deinit(&g->queues[i]);
        start(g);
}

void net_guest_deinit(struct net_guest *g)
{
        device_free(g->dev);
        for (uint16_t i = 0; i < g->n_queues; i++) {
                driver_queue_deinit(&g->queues[i]);
                closep(&g->kick_fds[i]);
                closep(&g->call_fds[i]);
        }
        space_free(g->space);
        closep(&g->memory_fd);
}

bool net_guest_has(const struct net_guest *g, uint64_t n_bytes)
{
        return n_bytes + 4096 <= NET_GUEST_MEMORY_BYTES - g->next;
}

unsigned net_guest_post(struct net_guest *g, uint16_t pair, unsigned n, uint32_t n_bytes)
{
        g->slot_bytes = n_bytes;
        for (unsigned i = 0; i < n; i++) {
                struct driver_buffer b = { .len_bytes = n_bytes, .device_writes = true };

                b.address = net_guest_alloc(g, n_bytes);
                if (driver_queue_add(&g->queues[2 * pair], &b, 1, g->memory + b.address) < 0)
                        return i;
        }
        return n;
}

int net_guest_add_tx(struct net_guest *g, uint16_t pair, const struct frame_header *h, const void *bytes, uint32_t n,
                     uint32_t piece)
{
        struct driver_buffer pieces[PIECES_MAX];
        uint32_t total = FRAME_HEADER_BYTES + n, done = 0;
        unsigned n_pieces = 0;

        memcpy(g->memory + g->tx_area, h, sizeof(*h));
        memcpy(g->memory + g->tx_area + sizeof(*h), bytes, n);
        if (piece == 0)
                piece = total;
        while (done < total) {
                uint32_t k = MIN(piece, total - done);

                if (n_pieces == PIECES_MAX)
                        return -EINVAL;
                pieces[n_pieces++] = (struct driver_buffer) { .address = g->tx_area + done, .len_bytes = k };
                done += k;
        }
        return driver_queue_add(&g->queues[2 * pair + 1], pieces, n_pieces, g);
}

bool net_guest_send(struct net_guest *g, uint16_t pair, const struct frame_header *h, const void *bytes, uint32_t n,
                    uint32_t piece)
{
        struct driver_queue *dq = &g->queues[2 * pair + 1];
        uint32_t len;
        void *cookie;

        if (net_guest_add_tx(g, pair, h, bytes, n, piece) < 0)
                return false;
        (void) driver_queue_kick(dq);
        net_guest_run(g->loop);
        return driver_queue_get(dq, &cookie, &len) == 1;
}

static bool post_again(struct net_guest *g, uint16_t pair, void *p, uint32_t n_bytes)
{
        struct driver_buffer b = { .address = (gpa_t) ((char *) p - g->memory),
                                   .len_bytes = n_bytes,
                                   .device_writes = true };

        return driver_queue_add(&g->queues[2 * pair], &b, 1, p) == 0;
}

int net_guest_receive(struct net_guest *g, uint16_t pair, struct frame_header *ret_header, uint8_t *buf, uint32_t n_max)
{
        struct driver_queue *dq = &g->queues[2 * pair];
        struct frame_header header;
        uint32_t len, done = 0;
        void *p;
        int r;

        r = driver_queue_get(dq, &p, &len);
        if (r <= 0)
                return r;
        if (len < FRAME_HEADER_BYTES)
                return -EBADMSG;
        memcpy(&header, p, sizeof(header));
        *ret_header = header;
        p = (char *) p + FRAME_HEADER_BYTES;
        len -= FRAME_HEADER_BYTES;
        for (uint16_t i = 0;;) {
                if (len > n_max - done)
                        return -EBADMSG;
                memcpy(buf + done, p, len);
                done += len;
                (void) post_again(g, pair, (char *) p - (i == 0 ? FRAME_HEADER_BYTES : 0), g->slot_bytes);
                if (++i >= header.num_buffers)
                        break;
                if (driver_queue_get(dq, &p, &len) != 1)
                        return -EBADMSG; /* must all be there at once */
        }
        return header.num_buffers > 0 ? (int) done : -EBADMSG;
}

uint16_t net_guest_control_index(const struct net_guest *g)
{
        return g->options.features & FEATURE(VIRTIO_NET_F_MQ) ? (uint16_t) (g->n_queues - 1) : 2;
}

int net_guest_control(struct net_guest *g, const void *bytes, uint32_t n)
{
        struct driver_queue *dq = &g->queues[net_guest_control_index(g)];
        struct driver_buffer b[] = { { g->tx_area, n, false }, { g->tx_area + 65536, 1, true } };
        uint8_t *answer = (uint8_t *) g->memory + g->tx_area + 65536;
        uint32_t len;
        void *cookie;

        memcpy(g->memory + g->tx_area, bytes, n);
        *answer = 0xee;
        if (driver_queue_add(dq, b, 2, g) < 0)
                return -1;
        (void) driver_queue_kick(dq);
        net_guest_run(g->loop);
        return driver_queue_get(dq, &cookie, &len) == 1 && len == 1 ? *answer : -1;
}

void net_guest_run(struct loop *loop)
{
        /* A round may leave work to the next: tasks, and queues that kick each other. */
        for (int i = 0; i < 8; i++)
                must(loop_step(loop, 0) == 0);
}
