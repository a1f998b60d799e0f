/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The split ring: a table of descriptors, a ring of available heads, a ring of used heads.
 *
 *      driver writes   table[], avail { flags, idx, ring[size], used_event }
 *      device writes   used { flags, idx, ring[size], avail_event }
 *
 * Both idx run freely modulo 2^16. The driver's idx is read once for all chains that it made available
 * since; used entries are written as chains are put, and become visible by one store of the device's idx.
 *
 * Spec: VIRTIO 1.4, 2.7.
 */
#include "virtio/features.h"
#include "virtio/ring.h"

static uint16_t *used_event(const struct queue_ring *r)
{
        return &r->split.avail->ring[r->size];
}

static uint16_t *avail_event(const struct queue_ring *r)
{
        return (uint16_t *) (void *) &r->split.used->ring[r->size];
}

static size_t used_offset(uint16_t entry)
{
        return offsetof(struct vring_used, ring) + entry * sizeof(struct vring_used_elem);
}

static int split_open(struct queue_ring *r, const struct queue_setup *setup)
{
        size_t event_bytes = r->event_idx ? sizeof(uint16_t) : 0;
        bool fresh;
        int result;

        if ((setup->size & (setup->size - 1)) != 0 || setup->base > UINT16_MAX)
                return -EBADMSG;
        r->split.table = space_pointer(r->space, setup->descriptors, setup->size * sizeof(struct vring_desc), 16);
        r->split.avail = space_pointer(r->space, setup->driver,
                                       offsetof(struct vring_avail, ring) + setup->size * sizeof(uint16_t) +
                                               event_bytes,
                                       VRING_AVAIL_ALIGN_SIZE);
        r->split.used = space_pointer(r->space, setup->device, used_offset(setup->size) + event_bytes,
                                      VRING_USED_ALIGN_SIZE);
        if (!r->split.table || !r->split.avail || !r->split.used)
                return -EBADMSG;

        r->log_address = setup->device;
        r->used = shared_load(&r->split.used->idx);
        r->avail = r->avail_seen = (uint16_t) setup->base;
        if (!setup->inflight)
                return 0;

        result =
                inflight_open_split(&r->inflight, setup->inflight, setup->inflight_bytes, setup->size, r->used, &fresh);
        if (result == 0 && !fresh)
                r->avail = r->avail_seen = (uint16_t) (r->used + r->inflight.n_resubmit);
        return result;
}

/* The entries of an indirect table, which is the last descriptor of its chain. */
static int add_table(struct queue_ring *r, struct chain *c, uint64_t address, uint32_t len_bytes)
{
        struct ring_table table;
        uint32_t i = 0;
        int result;

        result = ring_table_open(r, address, len_bytes, &table);
        if (result < 0)
                return result;

        for (uint32_t n = 0; n < table.n; n++) {
                struct raw_descriptor d;
                uint16_t flags;

                result = ring_table_read(r, &table, i, &d);
                if (result < 0)
                        return result;
                flags = (uint16_t) (d.rest >> 32);
                if (flags & VRING_DESC_F_INDIRECT)
                        return -EBADMSG;
                result = ring_add(r, c, d.address, (uint32_t) d.rest, flags & VRING_DESC_F_WRITE);
                if (result < 0)
                        return result;
                if (!(flags & VRING_DESC_F_NEXT))
                        return 0;
                i = (uint16_t) (d.rest >> 48);
                if (i >= table.n)
                        return -EBADMSG;
        }
        return -EBADMSG; /* longer than its table: a loop */
}

static int walk(struct queue_ring *r, uint16_t head, struct chain *c)
{
        uint16_t at = head;

        *c = (struct chain) { .id = head, .n_descriptors = 1, .inflight_slot = head };
        for (uint32_t n = 0; n < r->size; n++) {
                struct raw_descriptor d = shared_descriptor(&r->split.table[at]);
                uint16_t flags = (uint16_t) (d.rest >> 32);
                int result;

                if (flags & VRING_DESC_F_INDIRECT) {
                        if (!r->indirect || (flags & VRING_DESC_F_NEXT))
                                return -EBADMSG;
                        result = add_table(r, c, d.address, (uint32_t) d.rest);
                        return result < 0 ? result : 1;
                }
                result = ring_add(r, c, d.address, (uint32_t) d.rest, flags & VRING_DESC_F_WRITE);
                if (result < 0)
                        return result;
                if (!(flags & VRING_DESC_F_NEXT))
                        return 1;
                at = (uint16_t) (d.rest >> 48);
                if (at >= r->size)
                        return -EBADMSG;
        }
        return -EBADMSG; /* longer than the queue: a loop */
}

/* Looks for more. Return: how many are available; -EBADMSG if more than the queue can hold. */
static int look(struct queue_ring *r)
{
        uint16_t idx = shared_load_acquire(&r->split.avail->idx);
        uint16_t n = (uint16_t) (idx - r->avail);

        if (n > r->size)
                return -EBADMSG;
        r->avail_seen = idx;
        return n;
}

/*
 * Fetches what the chains after this one need while it is dealt with. What is read here is not checked: it
 * is masked into the table, and an address is only a hint.
 */
#define FETCH_DESCRIPTOR 4 /* chains ahead: where batches are popped, the next one comes too soon */
#define FETCH_BUFFER 1

static inline void prefetch(const struct queue_ring *r, uint16_t mask)
{
        uint16_t n = (uint16_t) (r->avail_seen - r->avail), head;

        if (n > FETCH_DESCRIPTOR) {
                head = shared_load(&r->split.avail->ring[(r->avail + FETCH_DESCRIPTOR) & mask]);
                __builtin_prefetch(&r->split.table[head & mask]);
        }
        if (n > FETCH_BUFFER) {
                head = shared_load(&r->split.avail->ring[(r->avail + FETCH_BUFFER) & mask]);
                ring_prefetch(r, &r->split.table[head & mask]);
        }
}

static int split_take(struct queue_ring *r, struct chain *c)
{
        uint16_t mask = (uint16_t) (r->size - 1), head;
        int result;

        if (r->avail == r->avail_seen) {
                result = look(r);
                if (result <= 0)
                        return result;
        }
        head = shared_load(&r->split.avail->ring[r->avail & mask]);
        if (head >= r->size || ring_id_taken(r, head) || r->n_in_flight >= r->size)
                return -EBADMSG;
        result = walk(r, head, c);
        if (result < 0)
                return result;

        if (r->inflight.region)
                inflight_split_take(&r->inflight, head);
        r->avail++;
        prefetch(r, mask);
        return 1;
}

static int split_retake(struct queue_ring *r, uint16_t slot, struct chain *c)
{
        return walk(r, slot, c);
}

static void split_untake(struct queue_ring *r, const struct ring_taken *t)
{
        r->avail--;
        if (r->inflight.region)
                inflight_split_untake(&r->inflight, t->id);
}

static void split_put(struct queue_ring *r, uint16_t id, uint16_t n_descriptors, uint32_t n_written)
{
        uint16_t entry = (uint16_t) (r->used + r->n_put) & (uint16_t) (r->size - 1);
        struct vring_used_elem *e = &r->split.used->ring[entry];

        *(volatile uint32_t *) &e->id = id;
        *(volatile uint32_t *) &e->len = n_written;
        ring_log_used(r, used_offset(entry), sizeof(*e));
}

static bool split_publish(struct queue_ring *r, bool check_call)
{
        uint16_t old = r->used, new = (uint16_t) (old + r->n_put);

        if (r->inflight.region)
                inflight_split_publish(&r->inflight, r->put_slots, r->n_put);
        shared_store_release(&r->split.used->idx, new);
        ring_log_used(r, offsetof(struct vring_used, idx), sizeof(uint16_t));
        if (r->inflight.region)
                inflight_split_published(&r->inflight, r->put_slots, r->n_put, new);
        r->used = new;

        if (!check_call)
                return false;
        shared_fence(); /* idx before the driver's wish; it does the opposite */
        if (r->event_idx)
                return vring_need_event(shared_load(used_event(r)), new, old);
        return !(shared_load(&r->split.avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

static bool split_available(const struct queue_ring *r)
{
        return r->avail != r->avail_seen || shared_load(&r->split.avail->idx) != r->avail;
}

static bool split_arm(struct queue_ring *r)
{
        if (r->event_idx) {
                shared_store(avail_event(r), r->avail);
                ring_log_used(r, used_offset(r->size), sizeof(uint16_t));
        } else {
                shared_store(&r->split.used->flags, 0);
                ring_log_used(r, 0, sizeof(uint16_t));
        }
        shared_fence(); /* our wish before the driver's idx; it does the opposite */
        return shared_load(&r->split.avail->idx) != r->avail;
}

static void split_disarm(struct queue_ring *r)
{
        /* With EVENT_IDX the event that was asked for has passed, and no other is asked for yet. */
        if (r->event_idx)
                return;
        shared_store(&r->split.used->flags, VRING_USED_F_NO_NOTIFY);
        ring_log_used(r, 0, sizeof(uint16_t));
}

static uint32_t split_base(const struct queue_ring *r)
{
        return r->avail;
}

const struct ring_ops split_ops = {
        .open = split_open,
        .take = split_take,
        .retake = split_retake,
        .untake = split_untake,
        .put = split_put,
        .publish = split_publish,
        .available = split_available,
        .arm = split_arm,
        .disarm = split_disarm,
        .base = split_base,
};
