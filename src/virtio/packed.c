/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The packed ring: one ring of descriptors that the driver makes available and the device overwrites as it
 * uses them, and two small areas in which each side says when it wants to be notified.
 *
 *      slot     0 1 2 3 4 5 6 7        a chain takes one slot a descriptor; the buffer id is in the last one.
 *               u u . . a a a -        A used one is one descriptor, then skips the other slots of its chain.
 *                   │   │     └ available side: next taken
 *                   │   └ in flight
 *                   └ used side: next put
 *
 * Two flag bits tell the state of a slot against the wrap counter of a lap, which begins at 1 and flips when
 * a side passes the end: AVAIL == wrap and USED != wrap is available, both == wrap is used.
 *
 * Used descriptors are written as chains are put, flags and all, but for the flags of the first of a batch:
 * the driver goes in order, so that one store publishes them all.
 *
 * Spec: VIRTIO 1.4, 2.8.
 */
#include "virtio/features.h"
#include "virtio/ring.h"

#define AVAIL_BIT ((uint16_t) (1U << VRING_PACKED_DESC_F_AVAIL))
#define USED_BIT ((uint16_t) (1U << VRING_PACKED_DESC_F_USED))
#define EVENT_WRAP_BIT (1U << VRING_PACKED_EVENT_F_WRAP_CTR)

static bool is_available(uint16_t flags, bool wrap)
{
        return !!(flags & AVAIL_BIT) == wrap && !!(flags & USED_BIT) != wrap;
}

/* Moves a position by at most the ring's size. */
static void advance(const struct queue_ring *r, uint16_t *slot, bool *wrap, uint32_t n)
{
        uint32_t at = *slot + n;

        if (at >= r->size) {
                at -= r->size;
                *wrap = !*wrap;
        }
        *slot = (uint16_t) at;
}

static void retreat(const struct queue_ring *r, uint16_t *slot, bool *wrap, uint32_t n)
{
        if (n > *slot) {
                *slot = (uint16_t) (*slot + r->size - n);
                *wrap = !*wrap;
        } else {
                *slot = (uint16_t) (*slot - n);
        }
}

static int open_inflight(struct queue_ring *r, const struct queue_setup *setup)
{
        struct inflight_position position = { .used = r->used, .used_wrap = r->used_wrap };
        bool fresh;
        int result;

        result = inflight_open_packed(&r->inflight, setup->inflight, setup->inflight_bytes, setup->size, r->packed.ring,
                                      &position, &fresh);
        if (result < 0 || fresh)
                return result;
        r->used = r->avail = position.used;
        r->used_wrap = r->avail_wrap = position.used_wrap;
        advance(r, &r->avail, &r->avail_wrap, position.n_descriptors);
        return 0;
}

static int packed_open(struct queue_ring *r, const struct queue_setup *setup)
{
        int result;

        r->packed.ring =
                space_pointer(r->space, setup->descriptors, setup->size * sizeof(struct vring_packed_desc), 16);
        r->packed.driver = space_pointer(r->space, setup->driver, sizeof(struct vring_packed_desc_event), 4);
        r->packed.device = space_pointer(r->space, setup->device, sizeof(struct vring_packed_desc_event), 4);
        if (!r->packed.ring || !r->packed.driver || !r->packed.device)
                return -EBADMSG;

        r->log_address = setup->descriptors;
        r->avail = setup->base & 0x7fff;
        r->avail_wrap = setup->base >> 15 & 1;
        r->used = setup->base >> 16 & 0x7fff;
        r->used_wrap = setup->base >> 31;
        if (r->avail >= r->size || r->used >= r->size)
                return -EBADMSG;
        if (setup->inflight) {
                result = open_inflight(r, setup);
                if (result < 0)
                        return result;
        }
        r->put_slot = r->used;
        r->put_wrap = r->used_wrap;
        return 0;
}

/* An indirect table is all of its chain; its entries follow one another and have no flag but WRITE. */
static int add_table(struct queue_ring *r, struct chain *c, uint64_t address, uint32_t len_bytes)
{
        struct ring_table table;
        int result;

        result = ring_table_open(r, address, len_bytes, &table);
        for (uint32_t i = 0; result == 0 && i < table.n; i++) {
                struct raw_descriptor d;
                uint16_t flags;

                result = ring_table_read(r, &table, i, &d);
                if (result < 0)
                        return result;
                flags = (uint16_t) (d.rest >> 48);
                if (flags & VRING_DESC_F_INDIRECT)
                        return -EBADMSG;
                result = ring_add(r, c, d.address, (uint32_t) d.rest, flags & VRING_DESC_F_WRITE);
        }
        return result;
}

/* One descriptor of the ring. Return: 1 if another follows; 0 if it is the last; -EBADMSG. */
static int add_descriptor(struct queue_ring *r, struct chain *c, const struct raw_descriptor *d)
{
        uint16_t flags = (uint16_t) (d->rest >> 48);
        int result;

        if (flags & VRING_DESC_F_INDIRECT) {
                if (!r->indirect || (flags & VRING_DESC_F_NEXT) || c->n_descriptors > 0)
                        return -EBADMSG;
                result = add_table(r, c, d->address, (uint32_t) d->rest);
        } else {
                result = ring_add(r, c, d->address, (uint32_t) d->rest, flags & VRING_DESC_F_WRITE);
        }
        if (result < 0)
                return result;
        c->n_descriptors++;
        c->id = (uint16_t) (d->rest >> 32);
        return flags & VRING_DESC_F_NEXT ? 1 : 0;
}

static int packed_take(struct queue_ring *r, struct chain *c)
{
        uint16_t slot = r->avail;
        bool wrap = r->avail_wrap;
        int more;

        if (!is_available(shared_load_acquire(&r->packed.ring[slot].flags), wrap))
                return 0;

        *c = (struct chain) {};
        if (r->inflight.region)
                inflight_packed_begin(&r->inflight);
        do {
                struct raw_descriptor d;

                if (r->n_in_flight + c->n_descriptors >= r->size)
                        return -EBADMSG;
                d = shared_descriptor(&r->packed.ring[slot]);
                more = add_descriptor(r, c, &d);
                if (more < 0)
                        return more;
                if (r->inflight.region)
                        inflight_packed_add(&r->inflight, d.address, (uint32_t) d.rest, c->id,
                                            (uint16_t) (d.rest >> 48));
                advance(r, &slot, &wrap, 1);
        } while (more);
        if (ring_id_taken(r, c->id))
                return -EBADMSG;

        if (r->inflight.region)
                c->inflight_slot = inflight_packed_commit(&r->inflight, c->n_descriptors);
        r->avail = slot;
        r->avail_wrap = wrap;
        if (is_available(shared_load_acquire(&r->packed.ring[slot].flags), wrap))
                ring_prefetch(r, &r->packed.ring[slot]);
        return 1;
}

static int packed_retake(struct queue_ring *r, uint16_t slot, struct chain *c)
{
        uint16_t at = slot, n = r->inflight.count[slot];

        *c = (struct chain) { .inflight_slot = slot };
        for (uint16_t i = 0; i < n; i++) {
                struct raw_descriptor d;
                int more;

                inflight_packed_read(&r->inflight, &at, &d.address, &d.rest);
                more = add_descriptor(r, c, &d);
                if (more != (i + 1 < n))
                        return -EBADMSG;
        }
        return ring_id_taken(r, c->id) ? -EBADMSG : 1;
}

static void packed_untake(struct queue_ring *r, const struct ring_taken *t)
{
        retreat(r, &r->avail, &r->avail_wrap, t->n_descriptors);
        if (r->inflight.region)
                inflight_packed_untake(&r->inflight, t->inflight_slot);
}

static void packed_put(struct queue_ring *r, uint16_t id, uint16_t n_descriptors, uint32_t n_written)
{
        struct vring_packed_desc *d = &r->packed.ring[r->put_slot];
        uint16_t flags = r->put_wrap ? AVAIL_BIT | USED_BIT : 0;

        if (n_written > 0)
                flags |= VRING_DESC_F_WRITE;
        *(volatile uint16_t *) &d->id = id;
        *(volatile uint32_t *) &d->len = n_written;
        if (r->n_put == 0)
                r->first_flags = flags;
        else
                shared_store(&d->flags, flags);
        ring_log_used(r, r->put_slot * sizeof(*d), sizeof(*d));
        advance(r, &r->put_slot, &r->put_wrap, n_descriptors);
}

static bool wants_call(const struct queue_ring *r)
{
        uint16_t flags = shared_load_acquire(&r->packed.driver->flags);
        uint16_t off_wrap, event;

        if (flags != VRING_PACKED_EVENT_FLAG_DESC)
                return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
        off_wrap = shared_load(&r->packed.driver->off_wrap);
        event = off_wrap & (uint16_t) ~EVENT_WRAP_BIT;
        /* Relative to the lap that the used side is in now; an event of the lap before lies below it. */
        if (!!(off_wrap & EVENT_WRAP_BIT) != r->used_wrap)
                event = (uint16_t) (event - r->size);
        return vring_need_event(event, r->used, (uint16_t) (r->used - r->n_put_descriptors));
}

static bool packed_publish(struct queue_ring *r, bool check_call)
{
        struct vring_packed_desc *first = &r->packed.ring[r->used];

        if (r->inflight.region)
                inflight_packed_publish(&r->inflight, r->put_slots, r->n_put, r->put_slot, r->put_wrap);
        shared_store_release(&first->flags, r->first_flags);
        ring_log_used(r, r->used * sizeof(*first), sizeof(*first));
        if (r->inflight.region)
                inflight_packed_published(&r->inflight, r->put_slots, r->n_put, r->put_slot, r->put_wrap);
        r->used = r->put_slot;
        r->used_wrap = r->put_wrap;

        if (!check_call)
                return false;
        shared_fence(); /* flags before the driver's wish; it does the opposite */
        return wants_call(r);
}

static bool packed_available(const struct queue_ring *r)
{
        return is_available(shared_load(&r->packed.ring[r->avail].flags), r->avail_wrap);
}

static bool packed_arm(struct queue_ring *r)
{
        struct vring_packed_desc_event *event = r->packed.device;

        if (r->event_idx) {
                shared_store(&event->off_wrap, (uint16_t) (r->avail | (r->avail_wrap ? EVENT_WRAP_BIT : 0)));
                shared_store_release(&event->flags, VRING_PACKED_EVENT_FLAG_DESC);
        } else {
                shared_store(&event->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
        }
        shared_fence(); /* our wish before the driver's flags; it does the opposite */
        return packed_available(r);
}

static void packed_disarm(struct queue_ring *r)
{
        shared_store(&r->packed.device->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
}

static uint32_t packed_base(const struct queue_ring *r)
{
        return r->avail | (uint32_t) r->avail_wrap << 15 | (uint32_t) r->used << 16 | (uint32_t) r->used_wrap << 31;
}

const struct ring_ops packed_ops = {
        .open = packed_open,
        .take = packed_take,
        .retake = packed_retake,
        .untake = packed_untake,
        .put = packed_put,
        .publish = packed_publish,
        .available = packed_available,
        .arm = packed_arm,
        .disarm = packed_disarm,
        .base = packed_base,
};
