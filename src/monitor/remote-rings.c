/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where a ring goes on when its server died, with nobody left to ask:
 *
 *      split    the used index, which lies in guest memory: all that is not used is available again
 *      packed   nothing in the ring says it: the server's in-flight region does
 *
 * and with an in-flight region the successor finds in both which requests are open, whatever base it is given.
 *
 * Ring addresses are given to servers as guest-physical ones, in the place of addresses of this process: those are
 * nobody's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "monitor/remote-internal.h"
#include "virtio/inflight.h"

/* Packed rings begin with both wrap counters at 1 (VIRTIO 1.4, 2.8.1). */
#define PACKED_BASE_FRESH 0x80008000U
#define REGION_ALIGN_BYTES 64
#define USED_INDEX_OFFSET 2

static bool is_packed(const struct remote *r)
{
        return r->features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
}

static uint32_t base_fresh(const struct remote *r)
{
        return is_packed(r) ? PACKED_BASE_FRESH : 0;
}

static bool in_memory(const struct remote *r, gpa_t at, uint64_t n_bytes)
{
        return memory_at(&r->monitor->memory, at, n_bytes);
}

/* VIRTIO 1.4, 2.7 and 2.8.10.1: how long the three parts are. Alignment is the server's to check. */
static bool ring_in_memory(const struct remote *r, const struct remote_ring *s)
{
        if (is_packed(r))
                return in_memory(r, s->descriptors, s->size * UINT64_C(16)) && in_memory(r, s->driver, 4) &&
                       in_memory(r, s->device, 4);
        return in_memory(r, s->descriptors, s->size * UINT64_C(16)) &&
               in_memory(r, s->driver, 6 + s->size * UINT64_C(2)) && in_memory(r, s->device, 6 + s->size * UINT64_C(8));
}

/* Return: 0 or a negative errno of the front end; -EINVAL if the driver set up what cannot be. */
static int tell_ring(struct remote *r, uint16_t index)
{
        struct ring *ring = &r->rings[index];
        const struct remote_ring *s = &ring->setup;
        struct frontend_ring told = {
                .index = index,
                .size = s->size,
                .descriptors = s->descriptors,
                .driver = s->driver,
                .device = s->device,
                .base = ring->base,
                .kick_fd = ring->kick_fd,
                .call_fd = ring->call_fd,
                .err_fd = r->err_fd,
                .log_address = s->device,
        };
        int result;

        if (!ring_in_memory(r, s))
                return -EINVAL;
        result = frontend_start_ring(r->frontend, &told);
        if (result < 0)
                return result;
        ring->running = true;
        if (r->server_features & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES))
                result = frontend_enable_ring(r->frontend, index, true);
        return result;
}

static int add_status(struct remote *r, uint8_t status)
{
        return remote_has_protocol(r, VHOST_PROTOCOL_STATUS) ? frontend_set_status(r->frontend, status) : 0;
}

static int tell_memory(struct remote *r)
{
        const struct memory *m = &r->monitor->memory;
        struct frontend_region regions[MEMORY_RANGES_MAX];

        for (size_t i = 0; i < m->n_ranges; i++)
                regions[i] = (struct frontend_region) {
                        .spec = { .start = m->ranges[i].start, .size_bytes = m->ranges[i].size_bytes,
                                  .user_address = m->ranges[i].start, .fd_offset_bytes = m->ranges[i].offset_bytes },
                        .fd = m->fd,
                };
        return frontend_set_mem_table(r->frontend, regions, m->n_ranges);
}

static int tell_inflight(struct remote *r)
{
        int result = 0;

        if (!remote_has_protocol(r, VHOST_PROTOCOL_INFLIGHT_SHMFD))
                return 0;
        if (r->inflight.fd < 0) {
                r->inflight.n_queues = r->n_rings;
                r->inflight.queue_size = remote_queue_size_max(r);
                result = frontend_get_inflight(r->frontend, &r->inflight);
        }
        return result < 0 ? result : frontend_set_inflight(r->frontend, &r->inflight);
}

/* A ring begins anew: what the region says of its former life is void. Written, not mapped: the file is the server's,
   which may have it shorter than it says. Return: 0 or a negative errno. */
static int forget_inflight(const struct remote *r, uint16_t index)
{
        static const char zeroes[4096];
        const struct frontend_inflight *i = &r->inflight;
        uint64_t stride, left, at;

        if (i->fd < 0)
                return 0;
        stride = (i->size_bytes / i->n_queues) & ~(uint64_t) (REGION_ALIGN_BYTES - 1);
        left = MIN(stride, (uint64_t) inflight_region_bytes(is_packed(r), i->queue_size));
        /* Writing to memory keeps nobody waiting; to a file of another kind it may. */
        if (add_overflows(i->offset_bytes, stride * index, &at) || fcntl(i->fd, F_GET_SEALS) < 0)
                return -EBADMSG;
        while (left > 0) {
                ssize_t n = pwrite(i->fd, zeroes, MIN(left, sizeof(zeroes)), (off_t) at);

                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                at += (uint64_t) n;
                left -= (uint64_t) n;
        }
        return 0;
}

/* Where a ring stands that a dead server left. Return: false if nobody can tell. */
static bool find_base(struct remote *r, struct ring *ring)
{
        const uint16_t *used;

        if (is_packed(r))
                return r->inflight.fd >= 0;
        used = memory_at(&r->monitor->memory, ring->setup.device + USED_INDEX_OFFSET, sizeof(*used));
        if (!used)
                return false;
        ring->base = __atomic_load_n(used, __ATOMIC_ACQUIRE);
        return true;
}

static bool find_bases(struct remote *r)
{
        for (uint16_t i = 0; i < r->n_rings; i++) {
                struct ring *ring = &r->rings[i];

                if (ring->wanted && ring->lost && !find_base(r, ring))
                        return false;
                ring->lost = false;
        }
        return true;
}

static int tell_rings(struct remote *r)
{
        int result = 0;

        for (uint16_t i = 0; result == 0 && i < r->n_rings; i++)
                if (r->rings[i].wanted && !r->rings[i].running)
                        result = tell_ring(r, i);
        return result;
}

/* A server that died is waited for (remote.c); the rest is up to the driver. */
static void settle(struct remote *r, int error)
{
        if (error == -EINVAL)
                remote_fail(r, "a ring lies outside of the memory");
        else if (error < 0 && r->frontend && frontend_error(r->frontend) != -ECONNRESET)
                remote_fail(r, error == -EREMOTEIO ? "its server refuses" : "its server misbehaves");
}

/* What may have been lost between two servers, or was not looked at while the rings stood still. */
static void stir(struct remote *r)
{
        for (uint16_t i = 0; i < r->n_rings; i++) {
                if (!r->rings[i].running)
                        continue;
                fd_event_signal(r->rings[i].kick_fd);
                fd_event_signal(r->rings[i].call_fd);
        }
}

static int tell_all(struct remote *r)
{
        uint64_t transport = r->server_features & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES);
        uint8_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;
        int result;

        result = add_status(r, status);
        if (result == 0)
                result = frontend_set_features(r->frontend, (r->features & r->server_features) | transport);
        if (result == 0)
                result = add_status(r, status |= VIRTIO_STATUS_FEATURES_OK);
        if (result == 0)
                result = tell_memory(r);
        if (result == 0)
                result = tell_inflight(r);
        if (result == 0)
                result = tell_rings(r);
        if (result == 0)
                result = add_status(r, status | VIRTIO_STATUS_DRIVER_OK);
        return result;
}

void remote_bring_up(struct remote *r, bool again)
{
        int result, end;

        if (!r->started || r->failed || r->paused || !remote_usable(r))
                return;
        if (r->features & ~remote_can(r)) {
                remote_fail(r, "its new server lacks features that the driver uses");
                return;
        }
        if (!find_bases(r)) {
                remote_fail(r, "nobody knows where its rings stood");
                return;
        }
        frontend_begin(r->frontend);
        if (r->told) {
                result = tell_rings(r);
        } else {
                (void) fd_event_take(r->err_fd);
                result = tell_all(r);
        }
        end = frontend_end(r->frontend);
        if (result == 0)
                result = end;
        r->told |= result == 0;
        if (result < 0)
                settle(r, result);
        else if (again)
                stir(r);
}

void remote_rings_lost(struct remote *r)
{
        for (uint16_t i = 0; i < r->n_rings; i++) {
                r->rings[i].lost |= r->rings[i].running;
                r->rings[i].running = false;
        }
        r->told = false;
}

void remote_start(struct remote *r, uint64_t features, const struct remote_ring *rings)
{
        r->features = features;
        r->started = true;
        for (uint16_t i = 0; i < r->n_rings; i++) {
                r->rings[i].setup = rings[i];
                r->rings[i].wanted = rings[i].size > 0;
                r->rings[i].base = base_fresh(r);
                r->rings[i].lost = false;
        }
        remote_bring_up(r, false);
}

void remote_start_ring(struct remote *r, uint16_t index, const struct remote_ring *setup)
{
        struct ring *ring = &r->rings[index];

        ring->setup = *setup;
        ring->wanted = true;
        ring->base = base_fresh(r);
        ring->lost = false;
        remote_bring_up(r, false);
}

/* A server that does not answer loses its connection. */
static void stop_ring(struct remote *r, uint16_t index)
{
        struct ring *ring = &r->rings[index];
        int result;

        if (!ring->running)
                return;
        result = remote_usable(r) ? frontend_stop_ring(r->frontend, index, &ring->base) : -ECONNRESET;
        ring->lost = result < 0;
        ring->running = false;
        settle(r, result);
}

void remote_stop_ring(struct remote *r, uint16_t index)
{
        stop_ring(r, index);
        r->rings[index].wanted = false;
        (void) fd_event_take(r->rings[index].kick_fd);
        if (forget_inflight(r, index) < 0)
                remote_fail(r, "its in-flight region is not what the server says");
}

void remote_reset(struct remote *r)
{
        r->failed = true; /* what is refused now needs no telling */
        for (uint16_t i = 0; i < r->n_rings; i++) {
                stop_ring(r, i);
                r->rings[i].wanted = false;
        }
        if (remote_usable(r)) {
                if (remote_has_protocol(r, VHOST_PROTOCOL_STATUS))
                        (void) frontend_set_status(r->frontend, 0);
                else if (remote_has_protocol(r, VHOST_PROTOCOL_RESET_DEVICE))
                        (void) frontend_reset_device(r->frontend);
        }
        fd_close(&r->inflight.fd);
        (void) fd_event_take(r->err_fd);
        for (uint16_t i = 0; i < r->n_rings; i++)
                (void) fd_event_take(r->rings[i].kick_fd);
        r->started = r->failed = r->told = false;
        remote_offer(r);
}

void remote_pause(struct remote *r)
{
        r->paused = true;
        for (uint16_t i = 0; i < r->n_rings; i++)
                stop_ring(r, i);
}

void remote_resume(struct remote *r)
{
        if (!r->paused)
                return;
        r->paused = false;
        remote_bring_up(r, true);
}
