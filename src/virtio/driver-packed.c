/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Driver side of the packed ring. All flags are written as descriptors are added, but for those of the first
 * since the last kick: the device goes in order, so that one store makes all visible.
 */
#include "virtio/driver-ring.h"

#define AVAIL_BIT ((uint16_t) (1U << VRING_PACKED_DESC_F_AVAIL))
#define USED_BIT ((uint16_t) (1U << VRING_PACKED_DESC_F_USED))
#define EVENT_WRAP_BIT (1U << VRING_PACKED_EVENT_F_WRAP_CTR)

static void advance(const struct driver_queue *dq, uint16_t *slot, bool *wrap, uint16_t n)
{
        uint32_t at = (uint32_t) *slot + n;

        if (at >= dq->size) {
                at -= dq->size;
                *wrap = !*wrap;
        }
        *slot = (uint16_t) at;
}

static bool is_used(uint16_t flags, bool wrap)
{
        return !!(flags & AVAIL_BIT) == wrap && !!(flags & USED_BIT) == wrap;
}

static uint16_t packed_add(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n, bool is_table)
{
        struct vring_packed_desc *ring = dq->descriptors_p;
        uint16_t id = dq->free_head;

        dq->free_head = dq->free_ids[id];
        for (unsigned i = 0; i < n; i++) {
                struct vring_packed_desc *d = &ring[dq->next_avail];
                uint16_t flags = is_table ? VRING_DESC_F_INDIRECT : 0;

                if (buffers[i].device_writes)
                        flags |= VRING_DESC_F_WRITE;
                if (i + 1 < n)
                        flags |= VRING_DESC_F_NEXT;
                flags |= dq->avail_wrap ? AVAIL_BIT : USED_BIT;
                d->addr = buffers[i].address;
                d->len = buffers[i].len_bytes;
                d->id = id;
                if (dq->n_added == 0) {
                        dq->first_slot = dq->next_avail;
                        dq->first_flags = flags;
                } else {
                        shared_store(&d->flags, flags);
                }
                advance(dq, &dq->next_avail, &dq->avail_wrap, 1);
                dq->n_added++;
        }
        return id;
}

static bool packed_publish(struct driver_queue *dq)
{
        struct vring_packed_desc_event *event = dq->device_p;
        struct vring_packed_desc *ring = dq->descriptors_p;
        uint16_t flags, off_wrap, at;

        shared_store_release(&ring[dq->first_slot].flags, dq->first_flags);
        shared_fence(); /* flags before the device's wish */
        flags = shared_load_acquire(&event->flags);
        if (flags != VRING_PACKED_EVENT_FLAG_DESC)
                return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
        off_wrap = shared_load(&event->off_wrap);
        at = off_wrap & (uint16_t) ~EVENT_WRAP_BIT;
        if (!!(off_wrap & EVENT_WRAP_BIT) != dq->avail_wrap)
                at = (uint16_t) (at - dq->size);
        return vring_need_event(at, dq->next_avail, (uint16_t) (dq->next_avail - dq->n_added));
}

static int packed_peek(struct driver_queue *dq, uint16_t *ret_id, uint32_t *ret_len)
{
        const struct vring_packed_desc *ring = dq->descriptors_p;
        const volatile struct vring_packed_desc *d = &ring[dq->last_used];

        if (!is_used(shared_load_acquire(&ring[dq->last_used].flags), dq->used_wrap))
                return 0;
        *ret_id = d->id;
        *ret_len = d->len;
        return 1;
}

static void packed_release(struct driver_queue *dq, uint16_t id)
{
        dq->free_ids[id] = dq->free_head;
        dq->free_head = id;
        advance(dq, &dq->last_used, &dq->used_wrap, dq->lengths[id]);
}

static bool packed_arm(struct driver_queue *dq)
{
        const struct vring_packed_desc *ring = dq->descriptors_p;
        struct vring_packed_desc_event *event = dq->driver_p;

        if (dq->event_idx) {
                shared_store(&event->off_wrap, (uint16_t) (dq->last_used | (dq->used_wrap ? EVENT_WRAP_BIT : 0)));
                shared_store_release(&event->flags, VRING_PACKED_EVENT_FLAG_DESC);
        } else {
                shared_store(&event->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
        }
        shared_fence(); /* our wish before the device's flags */
        return is_used(shared_load(&ring[dq->last_used].flags), dq->used_wrap);
}

static void packed_disarm(struct driver_queue *dq)
{
        struct vring_packed_desc_event *event = dq->driver_p;

        shared_store(&event->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
}

static uint32_t packed_base(const struct driver_queue *dq)
{
        const struct vring_packed_desc *ring = dq->descriptors_p;
        uint16_t at = dq->last_used;
        bool wrap = dq->used_wrap;

        for (uint16_t i = 0; i < dq->size && is_used(shared_load_acquire(&ring[at].flags), wrap); i++) {
                uint16_t id = *(const volatile uint16_t *) &ring[at].id;

                if (id >= dq->size || dq->lengths[id] == 0)
                        break;
                advance(dq, &at, &wrap, dq->lengths[id]);
        }
        return (at | (uint32_t) wrap << 15) * UINT32_C(0x10001);
}

const struct driver_ops driver_packed_ops = {
        .add = packed_add,
        .publish = packed_publish,
        .peek = packed_peek,
        .release = packed_release,
        .arm = packed_arm,
        .disarm = packed_disarm,
        .base = packed_base,
};
