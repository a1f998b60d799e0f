/* SPDX-License-Identifier: MPL-2.0 */
/* Driver side of the split ring. Ids are descriptor indices; the links of a chain stay in free_ids. */
#include "virtio/driver-ring.h"

static struct vring_avail *avail_of(const struct driver_queue *dq)
{
        return dq->driver_p;
}

static struct vring_used *used_of(const struct driver_queue *dq)
{
        return dq->device_p;
}

static uint16_t split_add(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n, bool is_table)
{
        struct vring_desc *table = dq->descriptors_p;
        uint16_t head = dq->free_head, at = head, mask = (uint16_t) (dq->size - 1);

        for (unsigned i = 0; i < n; i++) {
                uint16_t flags = is_table ? VRING_DESC_F_INDIRECT : 0;

                if (buffers[i].device_writes)
                        flags |= VRING_DESC_F_WRITE;
                if (i + 1 < n)
                        flags |= VRING_DESC_F_NEXT;
                table[at] = (struct vring_desc) { buffers[i].address, buffers[i].len_bytes, flags, dq->free_ids[at] };
                at = dq->free_ids[at];
        }
        dq->free_head = at;
        shared_store(&avail_of(dq)->ring[dq->next_avail & mask], head);
        dq->next_avail++;
        dq->n_added++;
        return head;
}

static bool split_publish(struct driver_queue *dq)
{
        uint16_t old = (uint16_t) (dq->next_avail - dq->n_added);

        shared_store_release(&avail_of(dq)->idx, dq->next_avail);
        shared_fence(); /* idx before the device's wish */
        if (dq->event_idx)
                return vring_need_event(shared_load(&used_of(dq)->ring[dq->size]), dq->next_avail, old);
        return !(shared_load(&used_of(dq)->flags) & VRING_USED_F_NO_NOTIFY);
}

static int split_peek(struct driver_queue *dq, uint16_t *ret_id, uint32_t *ret_len)
{
        const volatile struct vring_used_elem *e = &used_of(dq)->ring[dq->last_used & (dq->size - 1)];
        uint32_t id;

        if (dq->last_used == dq->used_seen) {
                uint16_t idx = shared_load_acquire(&used_of(dq)->idx);

                if ((uint16_t) (idx - dq->last_used) > dq->size)
                        return -EBADMSG;
                dq->used_seen = idx;
                if (dq->last_used == idx)
                        return 0;
        }
        id = e->id;
        if (id >= dq->size)
                return -EBADMSG;
        *ret_id = (uint16_t) id;
        *ret_len = e->len;
        return 1;
}

static void split_release(struct driver_queue *dq, uint16_t id)
{
        uint16_t tail = id;

        for (uint16_t i = 1; i < dq->lengths[id]; i++)
                tail = dq->free_ids[tail];
        dq->free_ids[tail] = dq->free_head;
        dq->free_head = id;
        dq->last_used++;
}

static bool split_arm(struct driver_queue *dq)
{
        if (dq->event_idx)
                shared_store(&avail_of(dq)->ring[dq->size], dq->last_used);
        else
                shared_store(&avail_of(dq)->flags, 0);
        shared_fence(); /* our wish before the device's idx */
        return shared_load(&used_of(dq)->idx) != dq->last_used;
}

static void split_disarm(struct driver_queue *dq)
{
        if (dq->event_idx)
                shared_store(&avail_of(dq)->ring[dq->size], (uint16_t) (dq->last_used - 1)); /* 2^16 - 1 away */
        else
                shared_store(&avail_of(dq)->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

static uint32_t split_base(const struct driver_queue *dq)
{
        return shared_load_acquire(&used_of(dq)->idx);
}

const struct driver_ops driver_split_ops = {
        .add = split_add,
        .publish = split_publish,
        .peek = split_peek,
        .release = split_release,
        .arm = split_arm,
        .disarm = split_disarm,
        .base = split_base,
};
