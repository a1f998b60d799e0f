/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The in-flight region as a whole: made here on request, kept by the front end, given back by it to us or
 * to our successor. One stretch of equal size a queue; virtio/inflight.h knows what is inside.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"
#include "virtio/inflight.h"

#define STRIDE_ALIGN_BYTES 64

/* Before the features are known the larger of both layouts counts. */
static size_t bytes_per_queue(const struct vhost_backend *b, uint16_t queue_size)
{
        size_t split = inflight_region_bytes(false, queue_size), packed = inflight_region_bytes(true, queue_size);

        if (!b->features_set)
                return MAX(split, packed);
        return b->features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? packed : split;
}

static int check_counts(struct vhost_backend *b, const struct vhost_inflight *in)
{
        if (in->n_queues == 0 || in->n_queues > b->n_rings)
                return backend_refuse(b, -EINVAL, "%u queues, the device has %u", in->n_queues, b->n_rings);
        if (in->queue_size == 0 || in->queue_size > QUEUE_SIZE_MAX)
                return backend_refuse(b, -EINVAL, "queue size %u", in->queue_size);
        return 0;
}

int backend_get_inflight_fd(struct vhost_backend *b, struct vhost_message *m)
{
        struct vhost_inflight out = m->payload.inflight;
        int fd, r;

        r = check_counts(b, &out);
        if (r < 0)
                return r;
        out.offset_bytes = 0;
        out.size_bytes = (uint64_t) bytes_per_queue(b, out.queue_size) * out.n_queues;
        out.padding = 0;
        fd = fd_memfd_sealed("vhost-inflight", out.size_bytes);
        if (fd < 0)
                return fd;
        return backend_reply(b, m, &out, sizeof(out), fd);
}

int backend_set_inflight_fd(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_inflight *in = &m->payload.inflight;
        struct filemap map;
        uint64_t stride;
        int r;

        if (backend_rings_running(b))
                return backend_refuse(b, -EBUSY, "a ring is running");
        r = check_counts(b, in);
        if (r < 0)
                return r;
        stride = (in->size_bytes / in->n_queues) & ~(uint64_t) (STRIDE_ALIGN_BYTES - 1);
        if (stride < bytes_per_queue(b, in->queue_size) || in->offset_bytes % STRIDE_ALIGN_BYTES != 0)
                return backend_refuse(b, -EINVAL, "region of %" PRIu64 " bytes at %" PRIu64, in->size_bytes,
                                      in->offset_bytes);
        r = filemap_open(m->fds[0], in->offset_bytes, in->size_bytes, &b->inflight.damaged, &map);
        if (r < 0)
                return backend_refuse(b, r, "region of %" PRIu64 " bytes at %" PRIu64 ": %s", in->size_bytes,
                                      in->offset_bytes, strerror(-r));
        backend_inflight_deinit(b);
        b->inflight.map = map;
        b->inflight.stride_bytes = stride;
        b->inflight.n_queues = in->n_queues;
        return 0;
}

void backend_inflight_deinit(struct vhost_backend *b)
{
        filemap_close(&b->inflight.map);
        atomic_store(&b->inflight.damaged, false);
}

void *backend_inflight_region(struct vhost_backend *b, uint16_t index, size_t *ret_n)
{
        if (!b->inflight.map.start || index >= b->inflight.n_queues)
                return NULL;
        *ret_n = b->inflight.stride_bytes;
        return b->inflight.map.start + b->inflight.stride_bytes * index;
}
