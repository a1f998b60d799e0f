/* SPDX-License-Identifier: MPL-2.0 */
/* QueueRegionSplit: what is in flight is marked by head; the last batch of used ones is linked. */
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "virtio/inflight-private.h"

static volatile struct split_region *split_region(const struct inflight *f)
{
        return f->region;
}

/* Chains that were made visible but whose marks the predecessor could not clear any more. */
static int split_finish_batch(volatile struct split_region *region, uint16_t size, uint16_t used_idx)
{
        uint16_t n = (uint16_t) (used_idx - region->used_idx), head = region->last_batch_head;

        if (n > size)
                n = 0; /* the ring was set up anew; nothing of it is in the list */
        for (uint16_t i = 0; i < n; i++) {
                if (head >= size)
                        return -EBADMSG;
                region->desc[head].inflight = 0;
                head = region->desc[head].next;
        }
        region->used_idx = used_idx;
        return 0;
}

int inflight_open_split(struct inflight *f, void *memory, size_t n_bytes, uint16_t size, uint16_t used_idx,
                        bool *ret_fresh)
{
        volatile struct split_region *region = memory;
        struct inflight_found *found;
        uint16_t n = 0;
        int r;

        r = inflight_check(memory, n_bytes, false, size);
        if (r < 0)
                return r;

        *f = (struct inflight) { .region = memory, .size = size };
        *ret_fresh = region->version != INFLIGHT_VERSION || region->desc_num != size;
        if (*ret_fresh) {
                region->version = 0;
                for (uint16_t i = 0; i < size; i++)
                        region->desc[i].inflight = 0;
                region->features = 0;
                region->desc_num = size;
                region->last_batch_head = 0;
                region->used_idx = used_idx;
                region->version = INFLIGHT_VERSION;
        } else {
                r = split_finish_batch(region, size, used_idx);
                if (r < 0)
                        return r;
        }
        f->batch_head = region->last_batch_head;

        found = calloc(size, sizeof(*found));
        if (!found)
                return -ENOMEM;
        for (uint16_t i = 0; i < size; i++)
                if (region->desc[i].inflight)
                        found[n++] = (struct inflight_found) { region->desc[i].counter, i };
        r = inflight_keep_order(f, found, n);
        free(found);
        return r;
}

void inflight_split_take(struct inflight *f, uint16_t head)
{
        volatile struct split_entry *e = &split_region(f)->desc[head];

        e->counter = f->counter++;
        e->inflight = 1;
}

void inflight_split_untake(struct inflight *f, uint16_t head)
{
        split_region(f)->desc[head].inflight = 0;
        f->counter--;
}

void inflight_split_publish(struct inflight *f, const uint16_t *heads, uint16_t n)
{
        volatile struct split_region *region = split_region(f);

        for (uint16_t i = 0; i < n; i++) {
                region->desc[heads[i]].next = f->batch_head;
                region->last_batch_head = f->batch_head = heads[i];
        }
}

void inflight_split_published(struct inflight *f, const uint16_t *heads, uint16_t n, uint16_t used_idx)
{
        volatile struct split_region *region = split_region(f);

        for (uint16_t i = 0; i < n; i++)
                region->desc[heads[i]].inflight = 0;
        region->used_idx = used_idx;
}
