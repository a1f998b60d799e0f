/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "virtio/inflight-private.h"

#define INFLIGHT_ALIGN 64

size_t inflight_region_bytes(bool packed, uint16_t queue_size)
{
        size_t n = packed ? sizeof(struct packed_region) + queue_size * sizeof(struct packed_entry)
                          : sizeof(struct split_region) + queue_size * sizeof(struct split_entry);

        return (n + INFLIGHT_ALIGN - 1) / INFLIGHT_ALIGN * INFLIGHT_ALIGN;
}

static int compare_age(const void *a, const void *b)
{
        const struct inflight_found *x = a, *y = b;

        return x->counter < y->counter ? -1 : x->counter > y->counter;
}

int inflight_keep_order(struct inflight *f, struct inflight_found *found, uint16_t n)
{
        f->resubmit = calloc(MAX(n, (uint16_t) 1), sizeof(*f->resubmit));
        if (!f->resubmit)
                return -ENOMEM;
        qsort(found, n, sizeof(*found), compare_age);
        for (uint16_t i = 0; i < n; i++)
                f->resubmit[i] = found[i].slot;
        f->n_resubmit = n;
        f->counter = n > 0 ? found[n - 1].counter + 1 : 0;
        return 0;
}

int inflight_check(const void *region, size_t n_bytes, bool packed, uint16_t size)
{
        if ((uintptr_t) region % sizeof(uint64_t) != 0 || n_bytes < inflight_region_bytes(packed, size))
                return -EBADMSG;
        return 0;
}

void inflight_close(struct inflight *f)
{
        free(f->resubmit);
        free(f->next);
        free(f->last);
        free(f->count);
        *f = (struct inflight) {};
}
