/* SPDX-License-Identifier: MPL-2.0 */
/* QueueRegionPacked: a copy of every descriptor in flight, in lists; all other entries are on the free list. */
#include <errno.h>
#include <stdlib.h>
#include <linux/virtio_ring.h>

#include "base/macros.h"
#include "virtio/inflight-private.h"

static volatile struct packed_region *packed_region(const struct inflight *f)
{
        return f->region;
}

static void packed_store_heads(const struct inflight *f, uint16_t free_head, uint16_t old_free_head)
{
        union packed_heads heads = { .free_head = free_head, .old_free_head = old_free_head };

        packed_region(f)->heads.word = heads.word;
}

static void packed_store_used(const struct inflight *f, uint16_t used, bool wrap, uint16_t old_used, bool old_wrap)
{
        union packed_used both = { .used_idx = used,
                                   .old_used_idx = old_used,
                                   .used_wrap_counter = wrap,
                                   .old_used_wrap_counter = old_wrap };

        packed_region(f)->used.word = both.word;
}

static uint16_t available_flags(bool wrap)
{
        return wrap ? 1U << VRING_PACKED_DESC_F_AVAIL : 1U << VRING_PACKED_DESC_F_USED;
}

#define STATE_FLAGS ((1U << VRING_PACKED_DESC_F_AVAIL) | (1U << VRING_PACKED_DESC_F_USED))

/* Whether the last batch got out or not; the region then says so, and @position, which is not read from it again. */
static int packed_settle(struct inflight *f, const struct vring_packed_desc *ring, struct inflight_position *position)
{
        union packed_heads heads = { .word = packed_region(f)->heads.word };
        union packed_used used = { .word = packed_region(f)->used.word };
        bool published;

        if (used.used_idx >= f->size || used.old_used_idx >= f->size || used.used_wrap_counter > 1 ||
            used.old_used_wrap_counter > 1 || heads.free_head > f->size || heads.old_free_head > f->size)
                return -EBADMSG;
        if (used.used_idx != used.old_used_idx || used.used_wrap_counter != used.old_used_wrap_counter) {
                uint16_t flags = __atomic_load_n(&ring[used.old_used_idx].flags, __ATOMIC_ACQUIRE);

                published = (flags & STATE_FLAGS) != available_flags(used.old_used_wrap_counter);
                if (published) {
                        packed_store_heads(f, heads.free_head, heads.free_head);
                        packed_store_used(f, used.used_idx, used.used_wrap_counter, used.used_idx,
                                          used.used_wrap_counter);
                        position->used = used.used_idx;
                        position->used_wrap = used.used_wrap_counter;
                        return 0;
                }
        }
        packed_store_heads(f, heads.old_free_head, heads.old_free_head);
        packed_store_used(f, used.old_used_idx, used.old_used_wrap_counter, used.old_used_idx,
                          used.old_used_wrap_counter);
        position->used = used.old_used_idx;
        position->used_wrap = used.old_used_wrap_counter;
        return 0;
}

/* Follows one chain's entries; each may belong to one chain only. */
static int packed_adopt(struct inflight *f, uint16_t head, bool *taken)
{
        volatile struct packed_entry *desc = packed_region(f)->desc;
        uint16_t n = desc[head].num, at = head, last = head;

        if (n == 0 || n > f->size)
                return -EBADMSG;
        for (uint16_t i = 0; i < n; i++) {
                if (at >= f->size || taken[at])
                        return -EBADMSG;
                taken[at] = true;
                last = at;
                at = f->next[at] = desc[at].next;
        }
        f->count[head] = n;
        f->last[head] = last;
        return 0;
}

/* Entries on the free list are not in flight, whatever their mark says. */
static int packed_clear_free(struct inflight *f)
{
        volatile struct packed_region *region = packed_region(f);
        uint16_t at = region->heads.free_head;

        for (uint16_t i = 0; i < f->size && at < f->size; i++) {
                region->desc[at].inflight = 0;
                at = region->desc[at].next;
        }
        return at < f->size ? -EBADMSG : 0; /* a loop */
}

/* Makes one free list of all that belongs to no chain. */
static void packed_link_free(struct inflight *f, const bool *taken)
{
        uint16_t head = f->size;

        for (uint16_t i = f->size; i-- > 0;) {
                if (taken[i])
                        continue;
                f->next[i] = head;
                packed_region(f)->desc[i].next = head;
                head = i;
        }
        f->free_head = head;
        packed_store_heads(f, head, head);
}

static void packed_format(struct inflight *f, const struct inflight_position *position)
{
        volatile struct packed_region *region = packed_region(f);

        region->version = 0;
        for (uint16_t i = 0; i < f->size; i++) {
                region->desc[i].inflight = 0;
                region->desc[i].next = (uint16_t) (i + 1);
        }
        region->features = 0;
        region->desc_num = f->size;
        packed_store_heads(f, 0, 0);
        packed_store_used(f, position->used, position->used_wrap, position->used, position->used_wrap);
        region->version = INFLIGHT_VERSION;
}

/* Gathers the chains in flight, oldest first, and says how many descriptors they take. */
static int packed_gather(struct inflight *f, uint32_t *ret_n_descriptors)
{
        volatile struct packed_region *region = packed_region(f);
        struct inflight_found *found = calloc(f->size, sizeof(*found));
        bool *taken = calloc(f->size, sizeof(*taken));
        uint32_t n_descriptors = 0;
        uint16_t n = 0;
        int r = found && taken ? 0 : -ENOMEM;

        for (uint16_t i = 0; r == 0 && i < f->size; i++) {
                if (!region->desc[i].inflight)
                        continue;
                r = packed_adopt(f, i, taken);
                if (r == 0) {
                        found[n++] = (struct inflight_found) { region->desc[i].counter, i };
                        n_descriptors += f->count[i];
                }
        }
        if (r == 0)
                r = inflight_keep_order(f, found, n);
        if (r == 0) {
                packed_link_free(f, taken);
                *ret_n_descriptors = n_descriptors;
        }
        free(taken);
        free(found);
        return r;
}

/* What lies between used and available was taken and is not used: undoes what a batch that did not get out left. */
static void packed_restore_slots(uint16_t size, struct vring_packed_desc *ring,
                                 const struct inflight_position *position)
{
        uint16_t at = position->used;
        bool wrap = position->used_wrap;

        for (uint32_t i = 0; i < position->n_descriptors; i++) {
                __atomic_store_n(&ring[at].flags, available_flags(wrap), __ATOMIC_RELAXED);
                if (++at == size) {
                        at = 0;
                        wrap = !wrap;
                }
        }
}

int inflight_open_packed(struct inflight *f, void *memory, size_t n_bytes, uint16_t size,
                         struct vring_packed_desc *ring, struct inflight_position *position, bool *ret_fresh)
{
        volatile struct packed_region *region = memory;
        int r;

        r = inflight_check(memory, n_bytes, true, size);
        if (r < 0)
                return r;

        *f = (struct inflight) { .region = memory, .size = size };
        f->next = calloc(size, sizeof(*f->next));
        f->last = calloc(size, sizeof(*f->last));
        f->count = calloc(size, sizeof(*f->count));
        if (!f->next || !f->last || !f->count)
                return -ENOMEM;

        *ret_fresh = region->version != INFLIGHT_VERSION || region->desc_num != size;
        if (*ret_fresh)
                packed_format(f, position);
        r = packed_settle(f, ring, position);
        if (r == 0)
                r = packed_clear_free(f);
        if (r == 0)
                r = packed_gather(f, &position->n_descriptors);
        if (r < 0)
                return r;
        packed_restore_slots(size, ring, position);
        return 0;
}

void inflight_packed_begin(struct inflight *f)
{
        f->record = f->record_last = f->free_head;
}

void inflight_packed_add(struct inflight *f, uint64_t address, uint32_t len_bytes, uint16_t id, uint16_t flags)
{
        volatile struct packed_entry *e = &packed_region(f)->desc[f->record];

        e->addr = address;
        e->len = len_bytes;
        e->id = id;
        e->flags = flags;
        f->record_last = f->record;
        f->record = f->next[f->record];
}

uint16_t inflight_packed_commit(struct inflight *f, uint16_t n_descriptors)
{
        uint16_t slot = f->free_head;
        volatile struct packed_entry *e = &packed_region(f)->desc[slot];

        f->last[slot] = f->record_last;
        f->count[slot] = n_descriptors;
        f->free_head = f->record;
        e->last = f->record_last;
        e->num = n_descriptors;
        e->counter = f->counter++;
        e->inflight = 1;
        packed_store_heads(f, f->free_head, f->free_head);
        return slot;
}

static void packed_release(struct inflight *f, uint16_t slot)
{
        uint16_t last = f->last[slot];

        packed_region(f)->desc[last].next = f->next[last] = f->free_head;
        f->free_head = slot;
}

void inflight_packed_untake(struct inflight *f, uint16_t slot)
{
        packed_release(f, slot);
        packed_store_heads(f, slot, slot);
        packed_region(f)->desc[slot].inflight = 0;
        f->counter--;
}

void inflight_packed_publish(struct inflight *f, const uint16_t *slots, uint16_t n, uint16_t used, bool used_wrap)
{
        union packed_used now = { .word = packed_region(f)->used.word };
        uint16_t old_free_head = f->free_head;

        for (uint16_t i = 0; i < n; i++)
                packed_release(f, slots[i]);
        packed_store_heads(f, f->free_head, old_free_head);
        packed_store_used(f, used, used_wrap, now.old_used_idx, now.old_used_wrap_counter);
}

void inflight_packed_published(struct inflight *f, const uint16_t *slots, uint16_t n, uint16_t used, bool used_wrap)
{
        for (uint16_t i = 0; i < n; i++)
                packed_region(f)->desc[slots[i]].inflight = 0;
        packed_store_heads(f, f->free_head, f->free_head);
        packed_store_used(f, used, used_wrap, used, used_wrap);
}

void inflight_packed_read(const struct inflight *f, uint16_t *at, uint64_t *ret_address, uint64_t *ret_rest)
{
        volatile struct packed_entry *e = &packed_region(f)->desc[*at];

        *ret_address = e->addr;
        *ret_rest = e->len | (uint64_t) e->id << 32 | (uint64_t) e->flags << 48;
        *at = f->next[*at];
}
