/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-guest.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

#define RINGS_AT 4096U
#define INDIRECT_MAX 16

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct test_guest *) data)->n_needs_reset++;
}

static void config_changed(struct device *dev, void *data) { ((struct test_guest *) data)->n_config_changed++; }

static const struct transport_ops transport = { .config_changed = config_changed, .needs_reset = needs_reset };

int test_guest_init(struct test_guest *g, uint64_t features, uint32_t memory_bytes, uint16_t n_queues,
                    uint16_t queue_size)
{
        struct region_spec region = { .size_bytes = memory_bytes };
        auto_cleanup(closep) int memory_fd = -1;
        int r;

        *g = (struct test_guest){
                .features = features | FEATURE(VIRTIO_FEATURE_VERSION_1), .n_queues = n_queues, .queue_size = queue_size
        };
        for (uint16_t i = 0; i < n_queues; i++) {
                g->kick_fds[i] = fd_event();
                g->call_fds[i] = fd_event();
        }
        r = loop_new(&g->loop);
        if (r < 0)
                return r;
        memory_fd = fd_memfd_sealed("guest", memory_bytes);
        if (memory_fd < 0)
                return memory_fd;
        r = space_new(&g->space);
        if (r == 0)
                r = space_add(g->space, &region, memory_fd);
        if (r == 0)
                g->memory = space_pointer(g->space, 0, memory_bytes, 1);
        return r;
}

void test_guest_deinit(struct test_guest *g)
{
        if (g->dev)
                test_guest_pause(g);
        g->dev = device_free(g->dev);
        for (uint16_t i = 0; i < g->n_queues; i++) {
                driver_queue_deinit(&g->queues[i]);
                closep(&g->kick_fds[i]);
                closep(&g->call_fds[i]);
        }
        space_free(g->space);
        loop_free(g->loop);
}

static int start_queue_at(struct test_guest *g, uint16_t i, uint32_t base)
{
        struct driver_queue *dq = &g->queues[i];
        struct queue_setup setup = {
                .space = g->space,
                .features = g->features,
                .size = g->queue_size,
                .descriptors = dq->descriptors,
                .driver = dq->driver,
                .device = dq->device,
                .base = base,
                .kick_fd = g->kick_fds[i],
                .call_fd = g->call_fds[i],
        };

        return queue_start(&g->dev->queues[i], &setup);
}

int test_guest_start_queue(struct test_guest *g, uint16_t i)
{
        return start_queue_at(g, i, driver_queue_base(&g->queues[i]));
}

/* An empty ring. */
static int lay_out(struct test_guest *g, uint16_t i)
{
        size_t n_bytes = (driver_queue_bytes(g->features, g->queue_size, INDIRECT_MAX) + 4095) & ~(size_t) 4095;
        struct driver_queue *dq = &g->queues[i];
        int r;

        driver_queue_deinit(dq);
        r = driver_queue_init(dq, g->space, RINGS_AT + i * n_bytes, g->features, g->queue_size, INDIRECT_MAX);
        dq->kick_fd = g->kick_fds[i];
        dq->call_fd = g->call_fds[i];
        return r;
}

void test_guest_pause(struct test_guest *g)
{
        for (uint16_t i = 0; i < g->n_queues; i++)
                queue_stop(&g->dev->queues[i], &g->base[i]);
}

int test_guest_resume(struct test_guest *g, bool anew)
{
        int r = 0;

        if (anew) {
                device_reset(g->dev);
                r = device_start(g->dev, g->features);
        }
        for (uint16_t i = 0; i < g->n_queues && r == 0; i++) {
                if (anew)
                        r = lay_out(g, i);
                if (r == 0)
                        r = anew ? test_guest_start_queue(g, i) : start_queue_at(g, i, g->base[i]);
        }
        test_guest_settle(g);
        return r;
}

int test_guest_start(struct test_guest *g, struct device *dev_take)
{
        g->dev = dev_take;
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        return test_guest_resume(g, true);
}

void test_guest_settle(struct test_guest *g)
{
        for (int i = 0; i < 8; i++)
                (void) loop_step(g->loop, 0);
}

int test_guest_send(struct test_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n, void *cookie)
{
        int r = driver_queue_add(&g->queues[queue], buffers, n, cookie);

        if (r < 0)
                return r;
        (void) driver_queue_kick(&g->queues[queue]);
        test_guest_settle(g);
        return 0;
}

uint64_t test_guest_ring_features(uint8_t bits)
{
        return (bits & 1 ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0) |
               (bits & 2 ? FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) : 0) |
               (bits & 4 ? FEATURE(VIRTIO_FEATURE_EVENT_IDX) : 0) | (bits & 8 ? FEATURE(VIRTIO_FEATURE_IN_ORDER) : 0);
}

int test_guest_send_any(struct test_guest *g, const uint8_t step[8], gpa_t at, uint32_t unit_bytes)
{
        struct driver_buffer buffers[4];
        unsigned n = 1 + step[2] % 4;

        for (unsigned i = 0; i < n; i++)
                buffers[i] = (struct driver_buffer){
                        .address = at + 8U * (step[4] + 256U * i),
                        .len_bytes = step[5] < 250 ? (uint32_t) (step[5] >> i) + (i == 0) : step[5] * unit_bytes,
                        /* Readable pieces come first, or the ring would not carry them. */
                        .device_writes = (step[3] >> i & 1) || (i > 0 && buffers[i - 1].device_writes),
                };
        return test_guest_send(g, step[1] % g->n_queues, buffers, n, NULL);
}
