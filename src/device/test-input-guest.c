/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-input-guest.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct input_guest *) data)->n_needs_reset++;
}

static const struct transport_ops transport = { .needs_reset = needs_reset };

/* @base: NULL: an empty ring, laid out anew. */
static int start_queue(struct input_guest *g, uint16_t i, const uint32_t *base)
{
        struct driver_queue *dq = &g->queues[i];
        struct queue_setup setup;
        int r = 0;

        if (!base) {
                driver_queue_deinit(dq);
                r = driver_queue_init(dq, g->space, 4096 + i * 0x40000U, g->features, g->queue_size, 8);
        }
        if (r < 0)
                return r;
        dq->kick_fd = g->kick_fds[i];
        dq->call_fd = g->call_fds[i];
        setup = (struct queue_setup) {
                .space = g->space,
                .features = g->features,
                .size = g->queue_size,
                .descriptors = dq->descriptors,
                .driver = dq->driver,
                .device = dq->device,
                .base = base ? *base : driver_queue_base(dq),
                .kick_fd = g->kick_fds[i],
                .call_fd = g->call_fds[i],
        };
        return queue_start(&g->dev->queues[i], &setup);
}

void input_guest_settle(struct input_guest *g)
{
        for (int i = 0; i < 4; i++)
                (void) loop_step(g->loop, 0);
}

void input_guest_pause(struct input_guest *g)
{
        for (uint16_t i = 0; i < GUEST_QUEUES; i++)
                queue_stop(&g->dev->queues[i], &g->base[i]);
}

int input_guest_resume(struct input_guest *g, bool anew)
{
        int r = 0;

        if (anew) {
                device_reset(g->dev);
                r = device_start(g->dev, g->features);
        }
        for (uint16_t i = 0; i < GUEST_QUEUES && r == 0; i++)
                r = start_queue(g, i, anew ? NULL : &g->base[i]);
        input_guest_settle(g);
        return r;
}

int input_guest_init(struct input_guest *g, const struct input_options *options, uint64_t features, uint16_t queue_size)
{
        struct region_spec region = { .size_bytes = GUEST_MEMORY_BYTES };
        auto_cleanup(closep) int memory_fd = -1;
        int r;

        *g = (struct input_guest){ .features = features | FEATURE(VIRTIO_FEATURE_VERSION_1), .queue_size = queue_size };
        for (size_t i = 0; i < GUEST_QUEUES; i++) {
                g->kick_fds[i] = fd_event();
                g->call_fds[i] = fd_event();
        }
        r = loop_new(&g->loop);
        if (r < 0)
                return r;
        memory_fd = fd_memfd_sealed("guest", GUEST_MEMORY_BYTES);
        if (memory_fd < 0)
                return memory_fd;
        r = space_new(&g->space);
        if (r == 0)
                r = space_add(g->space, &region, memory_fd);
        if (r == 0)
                r = input_new(g->loop, "test", options, &g->dev);
        if (r < 0)
                return r;
        g->memory = space_pointer(g->space, 0, GUEST_MEMORY_BYTES, 1);
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        return input_guest_resume(g, true);
}

void input_guest_deinit(struct input_guest *g)
{
        g->dev = device_free(g->dev);
        for (size_t i = 0; i < GUEST_QUEUES; i++) {
                driver_queue_deinit(&g->queues[i]);
                closep(&g->kick_fds[i]);
                closep(&g->call_fds[i]);
        }
        space_free(g->space);
        loop_free(g->loop);
}

unsigned input_guest_give(struct input_guest *g, unsigned n)
{
        unsigned given = 0;

        for (; given < n; given++) {
                struct driver_buffer buffer = { .address = GUEST_DATA + 8U * (g->n_given % 4096), .len_bytes = 8,
                                                .device_writes = true };

                if (driver_queue_add(&g->queues[0], &buffer, 1, g->memory + buffer.address) < 0)
                        break;
                g->n_given++;
        }
        (void) driver_queue_kick(&g->queues[0]);
        input_guest_settle(g);
        return given;
}

bool input_guest_take(struct input_guest *g, struct virtio_input_event *ret)
{
        void *cookie;
        uint32_t len;

        if (driver_queue_get(&g->queues[0], &cookie, &len) <= 0 || len != sizeof(*ret))
                return false;
        memcpy(ret, cookie, sizeof(*ret));
        return true;
}

int input_guest_send(struct input_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n)
{
        int r = driver_queue_add(&g->queues[queue], buffers, n, g->memory + buffers[0].address);

        if (r < 0)
                return r;
        (void) driver_queue_kick(&g->queues[queue]);
        input_guest_settle(g);
        return 0;
}
