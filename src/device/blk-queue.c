/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One queue of the block device. Requests live in a pool of as many as the ring has entries, so that nothing is
 * allocated per request; pages of the pool that no driver ever drove deep enough to need are never touched.
 *
 * A wake-up takes what the ring offers, in batches; each is started with one disk_kick(), and most requests of
 * an image in memory complete in there. Telling a driver that sleeps wakes a CPU, which costs more than ten small
 * requests. So completions are held back until the last four requests of a batch (or half of a small one) are left
 * to do: the driver then wakes up and brings new ones just as the old ones run out. If it saw them earlier, it would
 * bring new ones in dribs and drabs, and would have to be woken for each. 512 KiB are not held back any longer.
 *
 * The bytes of one wake-up are limited, as are (by the ring) its requests: others on the loop have their turn.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/macros.h"
#include "device/blk-private.h"

#define BATCH_REQUESTS 64
#define TELL_AHEAD_REQUESTS 4u
#define TELL_BYTES (512u << 10)
#define WAKEUP_BYTES (UINT64_C(4) << 20)

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

static void on_notify(struct task *t)
{
        (void) queue_notify(container_of(t, struct blk_queue, notify)->queue);
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
        queue_set_poll(q, blk->poll_ns);
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

/* Takes a batch of requests from the ring. Return: 1 if there may be more; 0 if there are none; -EBADMSG. */
static int take_batch(struct blk_queue *bq, uint64_t *n_bytes)
{
        struct chain chain;
        int r;

        for (unsigned n = 0; n < BATCH_REQUESTS; n++) {
                r = queue_pop(bq->queue, &chain);
                if (r <= 0)
                        return r;
                bq->n_left++;
                r = blk_request_start(bq, &chain);
                if (r < 0)
                        return r;
                *n_bytes += (uint64_t) chain.n_read_bytes + chain.n_write_bytes;
                if (*n_bytes >= WAKEUP_BYTES)
                        bq->queue->budget = 0;
        }
        return 1;
}

int blk_handle_queue(struct device *dev, struct queue *q)
{
        struct blk_queue *bq = &container_of(dev, struct blk, dev)->queues[q->index];
        uint64_t n_bytes = 0;
        int r;

        bq->handling = true;
        do {
                bq->n_left = 0;
                bq->tell_at = UINT_MAX;
                r = take_batch(bq, &n_bytes);
                bq->tell_at = MIN(bq->n_left / 2, TELL_AHEAD_REQUESTS);
                disk_kick(bq->channel);
        } while (r > 0);
        bq->handling = false;
        bq->n_untold_bytes = 0;
        return r < 0 ? r : queue_notify(q);
}

void blk_queue_completed(struct blk_queue *bq, const struct chain *c)
{
        struct queue *q = bq->queue;

        if (!bq->handling) {
                task_schedule(&bq->notify, q->loop, on_notify);
                return;
        }
        bq->n_left--;
        bq->n_untold_bytes += c->n_read_bytes + c->n_write_bytes;
        if (bq->n_left == bq->tell_at || bq->n_untold_bytes >= TELL_BYTES) {
                bq->n_untold_bytes = 0;
                (void) queue_notify(q);
        }
}
