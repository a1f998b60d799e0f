/* SPDX-License-Identifier: MPL-2.0 */
/* A first-in first-out list of disk requests, linked by their `next`; for implementations of disk.h. */
#pragma once

#include <stddef.h>

#include "backend/disk.h"

struct disk_list {
        struct disk_request *head, *last;
};

static inline void disk_list_push(struct disk_list *l, struct disk_request *rq)
{
        rq->next = NULL;
        if (l->head)
                l->last->next = rq;
        else
                l->head = rq;
        l->last = rq;
}

static inline struct disk_request *disk_list_pop(struct disk_list *l)
{
        struct disk_request *rq = l->head;

        if (rq)
                l->head = rq->next;
        return rq;
}
