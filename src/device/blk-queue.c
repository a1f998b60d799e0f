/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One queue of the block device. Requests live in a pool of as many as the ring has entries, so that nothing is
 * allocated per request; pages of the pool that no driver ever drove deep enough to need are never touched.
 *
 * A wake-up takes what the ring offers, in groups: each group is started with one disk_kick(), and what it
 * completed at once is published before the next one is taken, so that driver and device work at the same time.
 * The bytes of one wake-up are limited, as are (by the ring) its requests: others on the loop have their turn.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "device/blk-private.h"

#define GROUP_REQUESTS 16
#define WAKEUP_BYTES (INT64_C(4) << 20)

struct blk_request *blk_request_get(struct blk_queue *bq)
{
        struct blk_request *rq = bq->free;

        if (rq) {
                bq->free = rq->next_free;
                return rq;
        }
        if (bq->n_fresh == bq->n_requests)
                return NULL;
        rq = &bq->requests[bq->n_fresh++];
        rq->queue = bq;
        return rq;
}

static void spare_put(struct blk_queue *bq, union blk_spare **spare)
{
        if (!*spare)
                return;
        (*spare)->next = bq->spares;
        bq->spares = *spare;
        *spare = NULL;
}

void blk_request_put(struct blk_request *rq)
{
        struct blk_queue *bq = rq->queue;

        spare_put(bq, &rq->kept);
        spare_put(bq, &rq->rest);
        rq->next_free = bq->free;
        bq->free = rq;
}

union blk_spare *blk_spare_get(struct blk_queue *bq)
{
        union blk_spare *spare = bq->spares;

        if (!spare)
                return malloc(sizeof(*spare));
        bq->spares = spare->next;
        return spare;
}

int blk_queue_start(struct device *dev, struct queue *q)
{
        struct blk *blk = container_of(dev, struct blk, dev);
        struct blk_queue *bq = &blk->queues[q->index];
        int r;

        *bq = (struct blk_queue) { .blk = blk, .queue = q, .n_requests = queue_size(q) };
        bq->requests = calloc(bq->n_requests, sizeof(*bq->requests));
        if (!bq->requests)
                return -ENOMEM;
        r = disk_channel_open(blk->disk, q->loop, &bq->channel);
        if (r < 0) {
                free(bq->requests);
                *bq = (struct blk_queue) { .blk = blk };
        }
        return r;
}

void blk_queue_stop(struct device *dev, struct queue *q)
{
        struct blk *blk = container_of(dev, struct blk, dev);
        struct blk_queue *bq = &blk->queues[q->index];

        disk_drain(bq->channel);
        task_cancel(&bq->notify);
        disk_channel_close(bq->channel);
        while (bq->spares) {
                union blk_spare *next = bq->spares->next;

                free(bq->spares);
                bq->spares = next;
        }
        free(bq->requests);
        *bq = (struct blk_queue) { .blk = blk };
}

int blk_handle_queue(struct device *dev, struct queue *q)
{
        struct blk_queue *bq = &container_of(dev, struct blk, dev)->queues[q->index];
        int64_t n_bytes = 0, n;
        unsigned n_group = 0;
        struct chain chain;
        int r;

        bq->handling = true;
        while ((r = queue_pop(q, &chain)) > 0) {
                n = blk_request_start(bq, &chain);
                if (n < 0) {
                        r = (int) n;
                        break;
                }
                n_bytes += n;
                if (n_bytes >= WAKEUP_BYTES)
                        q->budget = 0;
                if (++n_group == GROUP_REQUESTS) {
                        disk_kick(bq->channel);
                        (void) queue_notify(q);
                        n_group = 0;
                }
        }
        disk_kick(bq->channel);
        bq->handling = false;
        return r < 0 ? r : queue_notify(q);
}
