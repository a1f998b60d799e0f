/* SPDX-License-Identifier: MPL-2.0 */
#include "vhost/driver.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "vhost/protocol.h"
#include "virtio/features.h"

#define PAGE_BYTES 4096

/* Packed rings begin with both wrap counters at 1 (VIRTIO 1.4, 2.8.1). */
#define PACKED_BASE_FRESH 0x80008000U

static uint64_t user_address(const struct vhost_driver *d, gpa_t at)
{
        return (uint64_t) (uintptr_t) d->memory + at;
}

static struct frontend_region region_of(const struct vhost_driver *d)
{
        return (struct frontend_region) {
                .spec = { .start = 0, .size_bytes = d->memory_bytes, .user_address = user_address(d, 0) },
                .fd = d->memory_fd,
        };
}

static int make_memory(struct vhost_driver *d)
{
        struct frontend_region region;
        void *p;
        int r;

        r = fd_memfd_sealed("guest-memory", d->memory_bytes);
        if (r < 0)
                return r;
        d->memory_fd = r;
        p = mmap(NULL, d->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, d->memory_fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        d->memory = p;
        d->next_free = PAGE_BYTES;
        r = space_new(&d->space);
        if (r < 0)
                return r;
        region = region_of(d);
        return space_add(d->space, &region.spec, d->memory_fd);
}

static int make_queue(struct vhost_driver *d, struct driver_queue *dq)
{
        const struct vhost_driver_options *o = &d->options;
        gpa_t at = vhost_driver_alloc(d, driver_queue_bytes(d->features, o->queue_size, o->indirect_max), PAGE_BYTES);
        int r;

        if (at == 0)
                return -ENOSPC;
        r = driver_queue_init(dq, d->space, at, d->features, o->queue_size, o->indirect_max);
        if (r < 0)
                return r;
        dq->kick_fd = fd_event();
        dq->call_fd = fd_event();
        return dq->kick_fd < 0 || dq->call_fd < 0 ? -EMFILE : 0;
}

static int make_queues(struct vhost_driver *d)
{
        int r = 0;

        d->queues = calloc(MAX(d->options.n_queues, (uint16_t) 1), sizeof(*d->queues));
        if (!d->queues)
                return -ENOMEM;
        while (r == 0 && d->n_queues < d->options.n_queues) {
                struct driver_queue *dq = &d->queues[d->n_queues++];

                dq->kick_fd = dq->call_fd = -1;
                r = make_queue(d, dq);
        }
        return r;
}

/* Up to the features. Return: 0 or a negative errno. */
static int negotiate(struct vhost_driver *d, const char *socket_path, uint64_t *ret_offered)
{
        int r;

        r = frontend_connect(socket_path, &d->frontend);
        if (r == 0)
                r = frontend_negotiate(d->frontend, d->options.without_protocol, ret_offered);
        return r;
}

static bool has_protocol(const struct vhost_driver *d, unsigned bit)
{
        return frontend_protocol_features(d->frontend) >> bit & 1;
}

static int add_status(struct vhost_driver *d, uint8_t bits)
{
        uint8_t status;
        int r;

        if (!has_protocol(d, VHOST_PROTOCOL_STATUS))
                return 0;
        r = frontend_get_status(d->frontend, &status);
        return r < 0 ? r : frontend_set_status(d->frontend, status | bits);
}

static int set_inflight(struct vhost_driver *d)
{
        int r;

        if (!d->options.inflight || !has_protocol(d, VHOST_PROTOCOL_INFLIGHT_SHMFD))
                return 0;
        if (d->inflight.fd < 0) {
                d->inflight.n_queues = d->n_queues;
                d->inflight.queue_size = d->options.queue_size;
                r = frontend_get_inflight(d->frontend, &d->inflight);
                if (r < 0)
                        return r;
        }
        return frontend_set_inflight(d->frontend, &d->inflight);
}

static int start_rings(struct vhost_driver *d, bool fresh)
{
        bool packed = d->features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
        int r = 0;

        for (uint16_t i = 0; r == 0 && i < d->n_queues; i++) {
                struct driver_queue *dq = &d->queues[i];
                struct frontend_ring ring = {
                        .index = i,
                        .size = dq->size,
                        .descriptors = user_address(d, dq->descriptors),
                        .driver = user_address(d, dq->driver),
                        .device = user_address(d, dq->device),
                        .base = !fresh ? driver_queue_base(dq) : packed ? PACKED_BASE_FRESH : 0,
                        .kick_fd = dq->kick_fd,
                        .call_fd = dq->call_fd,
                        .err_fd = -1,
                        .log_address = dq->device,
                };

                r = frontend_start_ring(d->frontend, &ring);
        }
        for (uint16_t i = 0; r == 0 && i < d->n_queues; i++)
                if (d->features & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES))
                        r = frontend_enable_ring(d->frontend, i, true);
        return r;
}

/* From the features to DRIVER_OK, as a kernel's driver and its monitor do it together. */
static int bring_up(struct vhost_driver *d, bool fresh)
{
        struct frontend_region region = region_of(d);
        int r;

        r = add_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
        if (r == 0)
                r = frontend_set_features(d->frontend, d->features);
        if (r == 0)
                r = add_status(d, VIRTIO_STATUS_FEATURES_OK);
        if (r == 0)
                r = frontend_set_mem_table(d->frontend, &region, 1);
        if (r == 0)
                r = set_inflight(d);
        if (r == 0)
                r = start_rings(d, fresh);
        if (r == 0 && !d->options.no_driver_ok)
                r = add_status(d, VIRTIO_STATUS_DRIVER_OK);
        return r;
}

int vhost_driver_start(struct vhost_driver *d, const char *socket_path, const struct vhost_driver_options *options)
{
        uint64_t offered;
        int r;

        *d = (struct vhost_driver) { .memory_fd = -1, .memory_bytes = options->memory_bytes,
                                     .inflight.fd = -1, .options = *options };
        r = negotiate(d, socket_path, &offered);
        if (r == 0) {
                d->features = offered & (options->features_wanted | FEATURE(VIRTIO_FEATURE_VERSION_1) |
                                         FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES));
                r = make_memory(d);
        }
        if (r == 0)
                r = make_queues(d);
        if (r == 0)
                r = bring_up(d, true);
        if (r < 0)
                vhost_driver_stop(d);
        return r;
}

int vhost_driver_reconnect(struct vhost_driver *d, const char *socket_path)
{
        uint64_t offered;
        int r;

        d->frontend = frontend_free(d->frontend);
        r = negotiate(d, socket_path, &offered);
        if (r < 0)
                return r;
        /* The driver cannot take back what it negotiated. */
        if (d->features & ~offered)
                return -ENOTSUP;
        return bring_up(d, false);
}

static int stop_rings(struct vhost_driver *d)
{
        uint32_t base;
        int r = 0;

        for (uint16_t i = 0; r == 0 && i < d->n_queues; i++)
                r = frontend_stop_ring(d->frontend, i, &base);
        return r;
}

static int empty_queue(struct vhost_driver *d, struct driver_queue *dq)
{
        int kick_fd = dq->kick_fd, call_fd = dq->call_fd, r;
        gpa_t at = dq->descriptors;

        driver_queue_deinit(dq);
        r = driver_queue_init(dq, d->space, at, d->features, d->options.queue_size, d->options.indirect_max);
        dq->kick_fd = kick_fd;
        dq->call_fd = call_fd;
        return r;
}

static int reset_device(struct vhost_driver *d)
{
        if (d->options.no_driver_ok)
                return 0;
        if (has_protocol(d, VHOST_PROTOCOL_STATUS))
                return frontend_set_status(d->frontend, 0);
        if (has_protocol(d, VHOST_PROTOCOL_RESET_DEVICE))
                return frontend_reset_device(d->frontend);
        return 0;
}

int vhost_driver_reset(struct vhost_driver *d)
{
        int r;

        r = stop_rings(d);
        if (r == 0)
                r = reset_device(d);
        for (uint16_t i = 0; r == 0 && i < d->n_queues; i++)
                r = empty_queue(d, &d->queues[i]);
        fd_close(&d->inflight.fd);
        return r < 0 ? r : bring_up(d, true);
}

void vhost_driver_stop(struct vhost_driver *d)
{
        if (d->frontend)
                (void) stop_rings(d);
        d->frontend = frontend_free(d->frontend);
        for (uint16_t i = 0; i < d->n_queues; i++) {
                fd_close(&d->queues[i].kick_fd);
                fd_close(&d->queues[i].call_fd);
                driver_queue_deinit(&d->queues[i]);
        }
        free(d->queues);
        d->queues = NULL;
        d->n_queues = 0;
        d->space = space_free(d->space);
        if (d->memory)
                (void) munmap(d->memory, d->memory_bytes);
        d->memory = NULL;
        fd_close(&d->memory_fd);
        fd_close(&d->inflight.fd);
}

gpa_t vhost_driver_alloc(struct vhost_driver *d, uint64_t n_bytes, uint64_t align)
{
        uint64_t start, end;

        if (add_overflows(d->next_free, align - 1, &start))
                return 0;
        start &= ~(align - 1);
        if (add_overflows(start, n_bytes, &end) || end > d->memory_bytes)
                return 0;
        d->next_free = end;
        return start;
}

void *vhost_driver_pointer(struct vhost_driver *d, gpa_t at)
{
        return d->memory + at;
}

int vhost_driver_wait(struct vhost_driver *d, uint16_t index, unsigned timeout_ms, void **ret_cookie, uint32_t *ret_len)
{
        struct driver_queue *dq = &d->queues[index];
        uint64_t deadline_ns = clock_now_ns() + timeout_ms * NSEC_PER_MSEC;

        for (;;) {
                struct pollfd p = { .fd = dq->call_fd, .events = POLLIN };
                uint64_t now = clock_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
                struct timespec ts = { (time_t) (left / NSEC_PER_SEC), (long) (left % NSEC_PER_SEC) };
                int r;

                r = driver_queue_get(dq, ret_cookie, ret_len);
                if (r != 0) {
                        driver_queue_disarm(dq);
                        return r;
                }
                if (!driver_queue_arm(dq))
                        continue;
                if (left == 0)
                        return -ETIMEDOUT;
                r = ppoll(&p, 1, &ts, NULL);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0)
                        (void) fd_event_take(dq->call_fd);
        }
}
