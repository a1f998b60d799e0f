/* SPDX-License-Identifier: MPL-2.0 */
#include "device/sound/test-sound-guest.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct sound_guest *) data)->n_needs_reset++;
}

static void config_changed(struct device *dev, void *data) {}

static const struct transport_ops transport = { .config_changed = config_changed, .needs_reset = needs_reset };

static int make_device(struct sound_guest *g, const struct sound_options *options)
{
        static const struct sound_options usual = { .n_outputs = 2, .capture = true, .controls = true };
        struct scene_speakers scene = { .name = (char *) "test", .backend = SOUND_NULL, .rate_hz = 48000, .n_channels = 2,
                                        .period_us = 5000 };
        int r;

        r = speakers_new(&scene, &g->speakers);
        if (r < 0)
                return r;
        r = sound_new(g->loop, "test", g->speakers, options ? options : &usual, &g->dev);
        if (r < 0)
                return r;
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        return 0;
}

int sound_guest_start_queue(struct sound_guest *g, uint16_t i)
{
        struct driver_queue *dq = &g->queues[i];
        struct queue_setup setup = {
                .space = g->space,
                .features = g->features,
                .size = GUEST_QUEUE_SIZE,
                .descriptors = dq->descriptors,
                .driver = dq->driver,
                .device = dq->device,
                .base = driver_queue_base(dq),
                .kick_fd = g->kick_fds[i],
                .call_fd = g->call_fds[i],
        };

        return queue_start(&g->dev->queues[i], &setup);
}

static int make_queue(struct sound_guest *g, uint16_t i)
{
        struct driver_queue *dq = &g->queues[i];
        int r;

        g->kick_fds[i] = fd_event();
        g->call_fds[i] = fd_event();
        r = driver_queue_init(dq, g->space, 4096 + i * 0x10000U, g->features, GUEST_QUEUE_SIZE, 16);
        dq->kick_fd = g->kick_fds[i];
        dq->call_fd = g->call_fds[i];
        return r < 0 ? r : sound_guest_start_queue(g, i);
}

void sound_guest_settle(struct sound_guest *g)
{
        for (int i = 0; i < 4; i++)
                (void) loop_step(g->loop, 0);
}

int sound_guest_init(struct sound_guest *g, uint64_t features, const struct sound_options *options)
{
        struct region_spec region = { .size_bytes = GUEST_MEMORY_BYTES };
        auto_cleanup(closep) int memory_fd = -1;
        int r;

        *g = (struct sound_guest) { .features = features | FEATURE(VIRTIO_FEATURE_VERSION_1) };
        for (size_t i = 0; i < GUEST_QUEUES; i++)
                g->kick_fds[i] = g->call_fds[i] = -1;
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
                r = make_device(g, options);
        if (r == 0)
                r = device_start(g->dev, g->features);
        if (r < 0)
                return r;
        g->memory = space_pointer(g->space, 0, GUEST_MEMORY_BYTES, 1);
        for (uint16_t i = 0; i < GUEST_QUEUES && r == 0; i++)
                r = make_queue(g, i);
        sound_guest_settle(g);
        return r;
}

void sound_guest_deinit(struct sound_guest *g)
{
        for (size_t i = 0; g->dev && i < GUEST_QUEUES; i++)
                queue_stop(&g->dev->queues[i], NULL);
        g->dev = device_free(g->dev);
        speakers_free(g->speakers);
        for (size_t i = 0; i < GUEST_QUEUES; i++) {
                driver_queue_deinit(&g->queues[i]);
                closep(&g->kick_fds[i]);
                closep(&g->call_fds[i]);
        }
        space_free(g->space);
        loop_free(g->loop);
}

int sound_guest_send(struct sound_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n, void *cookie)
{
        int r = driver_queue_add(&g->queues[queue], buffers, n, cookie);

        if (r < 0)
                return r;
        (void) driver_queue_kick(&g->queues[queue]);
        sound_guest_settle(g);
        return 0;
}

void sound_guest_mix(struct sound_guest *g)
{
        speakers_mix(g->speakers, g->out, GUEST_PERIOD, 0);
        speakers_record(g->speakers, g->out, GUEST_PERIOD);
        sound_guest_settle(g);
}
