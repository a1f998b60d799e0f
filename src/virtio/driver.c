/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "virtio/driver-ring.h"
#include "virtio/features.h"

#define PART_ALIGN 64 /* each side writes cache lines of its own */

struct layout {
        uint64_t driver, device, indirect, end; /* offsets */
};

static uint64_t part_end(uint64_t offset, uint64_t n_bytes)
{
        return (offset + n_bytes + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
}

static struct layout layout(uint64_t features, uint16_t size, uint16_t indirect_max)
{
        bool packed = features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
        struct layout l;

        l.driver = part_end(0, size * sizeof(struct vring_desc));
        l.device = part_end(l.driver, packed ? sizeof(struct vring_packed_desc_event)
                                             : sizeof(struct vring_avail) + (size + 1U) * sizeof(uint16_t));
        l.indirect = part_end(l.device, packed ? sizeof(struct vring_packed_desc_event)
                                               : sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) +
                                                         sizeof(uint16_t));
        l.end = part_end(l.indirect, (uint64_t) size * indirect_max * sizeof(struct vring_desc));
        return l;
}

size_t driver_queue_bytes(uint64_t features, uint16_t size, uint16_t indirect_max)
{
        return layout(features, size, indirect_max).end;
}

static const struct driver_ops *ops_of(const struct driver_queue *dq)
{
        return dq->packed ? &driver_packed_ops : &driver_split_ops;
}

static int alloc_arrays(struct driver_queue *dq)
{
        dq->free_ids = calloc(dq->size, sizeof(*dq->free_ids));
        dq->cookies = calloc(dq->size, sizeof(*dq->cookies));
        dq->lengths = calloc(dq->size, sizeof(*dq->lengths));
        dq->writable = calloc(dq->size, sizeof(*dq->writable));
        if (dq->features & FEATURE(VIRTIO_FEATURE_IN_ORDER)) {
                dq->order = calloc(dq->size, sizeof(*dq->order));
                if (!dq->order)
                        return -ENOMEM;
        }
        return dq->free_ids && dq->cookies && dq->lengths && dq->writable ? 0 : -ENOMEM;
}

int driver_queue_init(struct driver_queue *dq, const struct space *space, gpa_t at, uint64_t features, uint16_t size,
                      uint16_t indirect_max)
{
        struct layout l = layout(features, size, indirect_max);
        bool packed = features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
        char *p;
        int r;

        if (size == 0 || size > QUEUE_SIZE_MAX || (!packed && (size & (size - 1)) != 0))
                return -EINVAL;
        p = space_pointer(space, at, l.end, PART_ALIGN);
        if (!p)
                return -EINVAL;

        *dq = (struct driver_queue) {
                .features = features,
                .size = size,
                .descriptors = at,
                .driver = at + l.driver,
                .device = at + l.device,
                .descriptors_p = p,
                .driver_p = p + l.driver,
                .device_p = p + l.device,
                .kick_fd = -1,
                .call_fd = -1,
                .n_free = size,
                .avail_wrap = true,
                .used_wrap = true,
                .event_idx = features & FEATURE(VIRTIO_FEATURE_EVENT_IDX),
                .packed = packed,
        };
        if (indirect_max > 0 && (features & FEATURE(VIRTIO_FEATURE_INDIRECT_DESC))) {
                dq->indirect = at + l.indirect;
                dq->indirect_p = p + l.indirect;
                dq->indirect_max = indirect_max;
        }
        r = alloc_arrays(dq);
        if (r < 0) {
                driver_queue_deinit(dq);
                return r;
        }
        for (uint16_t i = 0; i < size; i++)
                dq->free_ids[i] = (uint16_t) (i + 1);
        memset(p, 0, l.end);
        return 0;
}

void driver_queue_deinit(struct driver_queue *dq)
{
        free(dq->free_ids);
        free(dq->cookies);
        free(dq->lengths);
        free(dq->writable);
        free(dq->order);
        *dq = (struct driver_queue) { .kick_fd = -1, .call_fd = -1 };
}

/* Fills the table of the id that comes next. The formats differ in the word after the address only. */
static struct driver_buffer fill_table(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n)
{
        uint64_t offset = (uint64_t) dq->free_head * dq->indirect_max * sizeof(struct vring_desc);

        for (unsigned i = 0; i < n; i++) {
                uint16_t flags = buffers[i].device_writes ? VRING_DESC_F_WRITE : 0;
                void *entry = (char *) dq->indirect_p + offset + i * sizeof(struct vring_desc);

                if (dq->packed) {
                        *(struct vring_packed_desc *) entry = (struct vring_packed_desc) {
                                .addr = buffers[i].address, .len = buffers[i].len_bytes, .flags = flags };
                        continue;
                }
                if (i + 1 < n)
                        flags |= VRING_DESC_F_NEXT;
                *(struct vring_desc *) entry = (struct vring_desc) { .addr = buffers[i].address,
                                                                     .len = buffers[i].len_bytes,
                                                                     .flags = flags,
                                                                     .next = (uint16_t) (i + 1) };
        }
        return (struct driver_buffer) { dq->indirect + offset, (uint32_t) (n * sizeof(struct vring_desc)), false };
}

int driver_queue_add(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n, void *cookie)
{
        bool is_table = n > 1 && n <= dq->indirect_max;
        unsigned n_descriptors = is_table ? 1 : n;
        struct driver_buffer table;
        uint32_t writable = 0;
        uint16_t id;

        if (n == 0 || n_descriptors > dq->size)
                return -EINVAL;
        if (n_descriptors > dq->n_free)
                return -ENOSPC;
        for (unsigned i = 0; i < n; i++)
                if (buffers[i].device_writes)
                        writable += buffers[i].len_bytes;

        if (is_table)
                table = fill_table(dq, buffers, n);
        id = ops_of(dq)->add(dq, is_table ? &table : buffers, n_descriptors, is_table);
        dq->n_free = (uint16_t) (dq->n_free - n_descriptors);
        dq->lengths[id] = (uint16_t) n_descriptors;
        dq->writable[id] = writable;
        dq->cookies[id] = cookie;
        if (dq->order) {
                dq->order[dq->order_tail] = id;
                dq->order_tail = dq->order_tail + 1U < dq->size ? dq->order_tail + 1U : 0;
        }
        return 0;
}

bool driver_queue_kick(struct driver_queue *dq)
{
        bool wanted;

        if (dq->n_added == 0)
                return false;
        wanted = ops_of(dq)->publish(dq);
        dq->n_added = 0;
        if (!wanted || dq->kick_fd < 0)
                return false;
        fd_event_signal(dq->kick_fd);
        dq->n_kicks++;
        return true;
}

/* With IN_ORDER one used entry may stand for several requests; the device is taken to have used all of those. */
static int next_in_order(struct driver_queue *dq, uint16_t *ret_id, uint32_t *ret_len)
{
        uint16_t id = dq->order[dq->order_head];
        int r = 1;

        if (!dq->in_batch) {
                r = ops_of(dq)->peek(dq, &dq->batch_id, &dq->batch_len);
                if (r <= 0)
                        return r;
                if (dq->n_free == dq->size || dq->batch_id >= dq->size || dq->lengths[dq->batch_id] == 0)
                        return -EBADMSG;
        }
        dq->in_batch = id != dq->batch_id;
        dq->order_head = dq->order_head + 1U < dq->size ? dq->order_head + 1U : 0;
        *ret_id = id;
        *ret_len = dq->in_batch ? dq->writable[id] : dq->batch_len;
        return 1;
}

int driver_queue_get(struct driver_queue *dq, void **ret_cookie, uint32_t *ret_len)
{
        uint32_t len;
        uint16_t id;
        int r;

        r = dq->order ? next_in_order(dq, &id, &len) : ops_of(dq)->peek(dq, &id, &len);
        if (r <= 0)
                return r;
        if (id >= dq->size || dq->lengths[id] == 0 || len > dq->writable[id])
                return -EBADMSG;

        *ret_cookie = dq->cookies[id];
        *ret_len = len;
        dq->n_free = (uint16_t) (dq->n_free + dq->lengths[id]);
        ops_of(dq)->release(dq, id);
        dq->lengths[id] = 0;
        return 1;
}

bool driver_queue_arm(struct driver_queue *dq)
{
        return !dq->in_batch && !ops_of(dq)->arm(dq);
}

void driver_queue_disarm(struct driver_queue *dq)
{
        ops_of(dq)->disarm(dq);
}

uint32_t driver_queue_base(const struct driver_queue *dq)
{
        return ops_of(dq)->base(dq);
}
