/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Running rings: each is started, changed and stopped on its queue's loop, which may be another thread's,
 * while the connection's loop waits. The descriptors stay the ring's and are closed only after the queue
 * has let go of them.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

/* How often a ring without a kick fd is looked at. */
#define POLL_NS NSEC_PER_MSEC

/* The features that are the transport's, or of legacy drivers, who may set them beside VERSION_1. */
#define NOT_THE_DEVICES                                                                              \
        (FEATURE(VHOST_FEATURE_LOG_ALL) | FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES) | BACKEND_LEGACY_FEATURES)

/* One piece of work on a ring, on its queue's loop. */
struct ring_call {
        struct backend_ring *ring;
        struct queue_setup setup;
        int fd;
        bool on;
        int r;
};

static void on_poll(struct timer *t)
{
        struct backend_ring *ring = container_of(t, struct backend_ring, poll);

        queue_kick(ring->queue);
        timer_start(t, ring->queue->loop, clock_now_ns() + POLL_NS, on_poll);
}

static void poll_if_no_kick_fd(struct backend_ring *ring, int kick_fd)
{
        if (kick_fd < 0)
                timer_start(&ring->poll, ring->queue->loop, clock_now_ns() + POLL_NS, on_poll);
        else
                timer_stop(&ring->poll);
}

static void start_call(void *data)
{
        struct ring_call *c = data;

        queue_set_enabled(c->ring->queue, c->ring->enabled);
        c->r = queue_start(c->ring->queue, &c->setup);
        if (c->r == 0)
                poll_if_no_kick_fd(c->ring, c->setup.kick_fd);
}

static void stop_call(void *data)
{
        struct ring_call *c = data;

        timer_stop(&c->ring->poll);
        c->on = c->ring->queue->broken;
        queue_stop(c->ring->queue, &c->ring->base);
}

static void kick_call(void *data)
{
        struct ring_call *c = data;

        c->r = queue_set_kick(c->ring->queue, c->fd);
        if (c->r == 0)
                poll_if_no_kick_fd(c->ring, c->fd);
}

static void call_call(void *data)
{
        struct ring_call *c = data;

        queue_set_call(c->ring->queue, c->fd);
}

static void enable_call(void *data)
{
        struct ring_call *c = data;

        queue_set_enabled(c->ring->queue, c->on);
}

static void log_call(void *data)
{
        struct ring_call *c = data;

        queue_set_log(c->ring->queue, c->on);
}

static bool ring_ready(const struct vhost_backend *b, const struct backend_ring *ring)
{
        return !ring->running && ring->has_size && ring->has_address && ring->has_kick && b->features_set &&
               space_n_regions(b->space) > 0;
}

static int translate(const struct vhost_backend *b, const struct backend_ring *ring, struct queue_setup *setup)
{
        int r;

        r = space_from_user(b->space, ring->address.descriptors, &setup->descriptors);
        if (r == 0)
                r = space_from_user(b->space, ring->address.available, &setup->driver);
        if (r == 0)
                r = space_from_user(b->space, ring->address.used, &setup->device);
        return r;
}

/* Return: 0, -EBADMSG if the driver asked for what cannot be, or another negative errno. */
static int ring_start(struct vhost_backend *b, struct backend_ring *ring)
{
        struct ring_call c = { .ring = ring };
        uint64_t features = b->features & ~NOT_THE_DEVICES;
        int r = 0;

        c.setup = (struct queue_setup) {
                .space = b->space,
                .features = features,
                .size = ring->size,
                .base = ring->base,
                .kick_fd = ring->kick_fd,
                .call_fd = ring->call_fd,
                .log_used_ring = ring->log,
        };
        c.setup.inflight = backend_inflight_region(b, ring->index, &c.setup.inflight_bytes);
        if (atomic_load(&b->inflight.damaged))
                return backend_refuse(b, -EBADMSG, "the in-flight region was cut off");
        r = translate(b, ring, &c.setup);
        if (r < 0)
                return backend_refuse(b, r, "ring %u lies outside of the memory", ring->index);
        if (!b->device->started) {
                r = device_start(b->device, features);
                if (r < 0)
                        return backend_refuse(b, r, "features 0x%" PRIx64 ": %s", features, strerror(-r));
        }
        loop_call(ring->queue->loop, start_call, &c);
        if (c.r < 0)
                return backend_refuse(b, c.r, "ring %u cannot be started: %s", ring->index, strerror(-c.r));
        ring->running = true;
        return 0;
}

/* Return: true if the queue was broken. */
static bool ring_pause(struct backend_ring *ring)
{
        struct ring_call c = { .ring = ring };

        if (!ring->running)
                return false;
        loop_call(ring->queue->loop, stop_call, &c);
        ring->running = false;
        return c.on;
}

static void forget_kick(struct backend_ring *ring)
{
        fd_close(&ring->kick_fd);
        ring->has_kick = false;
}

/* The guest has to reset the device; a reset and new messages revive the ring. */
static void ring_fail(struct vhost_backend *b, struct backend_ring *ring)
{
        forget_kick(ring);
        device_log_guest(b->device, "%s", b->reason);
        backend_needs_reset(b, ring);
}

int backend_rings_start(struct vhost_backend *b, struct backend_ring *which)
{
        struct queue_setup setup;
        int result = 0;

        for (uint16_t i = 0; i < b->n_rings; i++) {
                struct backend_ring *ring = &b->rings[i];

                if (!ring_ready(b, ring))
                        continue;
                /* Memory may come piece by piece: only a ring that was just kicked off must have its own by now. */
                if (ring != which && translate(b, ring, &setup) < 0)
                        continue;
                if (ring_start(b, ring) < 0) {
                        ring_fail(b, ring);
                        result = BACKEND_FAILED;
                }
        }
        return result;
}

void backend_ring_stop(struct backend_ring *ring)
{
        (void) ring_pause(ring);
        forget_kick(ring);
}

void backend_rings_pause(struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++) {
                struct backend_ring *ring = &b->rings[i];

                if (!ring->running)
                        continue;
                ring->resuming = !ring_pause(ring);
                if (!ring->resuming)
                        forget_kick(ring);
        }
}

void backend_rings_resume(struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++) {
                struct backend_ring *ring = &b->rings[i];

                if (ring->resuming && ring_start(b, ring) < 0)
                        ring_fail(b, ring);
                ring->resuming = false;
        }
}

int backend_ring_set_kick(struct backend_ring *ring, int fd)
{
        struct ring_call c = { .ring = ring, .fd = fd };

        loop_call(ring->queue->loop, kick_call, &c);
        if (c.r < 0) {
                closep(&fd);
                return c.r;
        }
        fd_close(&ring->kick_fd);
        ring->kick_fd = fd;
        return 0;
}

void backend_ring_set_call(struct backend_ring *ring, int fd)
{
        struct ring_call c = { .ring = ring, .fd = fd };

        if (ring->running)
                loop_call(ring->queue->loop, call_call, &c);
        fd_close(&ring->call_fd);
        ring->call_fd = fd;
}

void backend_ring_set_enabled(struct backend_ring *ring, bool enabled)
{
        struct ring_call c = { .ring = ring, .on = enabled };

        if (ring->running && ring->enabled != enabled)
                loop_call(ring->queue->loop, enable_call, &c);
        ring->enabled = enabled;
}

void backend_ring_set_log(struct backend_ring *ring, bool log)
{
        struct ring_call c = { .ring = ring, .on = log };

        if (ring->running && ring->log != log)
                loop_call(ring->queue->loop, log_call, &c);
        ring->log = log;
}

void backend_rings_set_enabled(struct vhost_backend *b, bool enabled)
{
        for (uint16_t i = 0; i < b->n_rings; i++)
                backend_ring_set_enabled(&b->rings[i], enabled);
}

bool backend_rings_running(const struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++)
                if (b->rings[i].running)
                        return true;
        return false;
}

void backend_reset_device(struct vhost_backend *b)
{
        device_reset(b->device);
        backend_events_clear(b);
        b->status &= (uint8_t) ~VIRTIO_STATUS_NEEDS_RESET;
}

void backend_reset(struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++) {
                struct backend_ring *ring = &b->rings[i];

                backend_ring_stop(ring);
                ring->has_size = ring->has_address = false;
                ring->base = 0;
        }
        backend_reset_device(b);
        /* The region told of requests of before the reset; the front end gives one for those to come. */
        backend_inflight_deinit(b);
        /* The log is kept for features that ask for it again. */
        (void) space_set_log(b->space, -1, 0, 0);
        b->features = 0;
        b->features_set = false;
        b->status = 0;
}

void backend_rings_init(struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++)
                b->rings[i] = (struct backend_ring) { .queue = &b->device->queues[i], .index = i,
                                                      .kick_fd = -1, .call_fd = -1, .err_fd = -1 };
}

void backend_rings_deinit(struct vhost_backend *b)
{
        for (uint16_t i = 0; i < b->n_rings; i++) {
                fd_close(&b->rings[i].kick_fd);
                fd_close(&b->rings[i].call_fd);
                fd_close(&b->rings[i].err_fd);
        }
}
