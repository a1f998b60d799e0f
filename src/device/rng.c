/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The rate limit outlives resets and reconnects: a guest cannot get more by starting over. A request that has
 * to wait goes back into the ring and a timer takes it up again; until then the queue's kicks cost nothing but
 * the wake-up. Nothing is failed, and other guests have limits of their own.
 */
#include "device/rng.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/entropy.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/device.h"
#include "virtio/features.h"

struct rng {
        struct device dev;
        struct ratelimit limit; /* the queue's thread */
        struct timer wait;      /* on the queue's loop, while a request waits for its bytes */
        struct queue *queue;    /* that waits; borrowed */
};

static uint64_t rng_features(const struct device *dev) { return 0; }

static int rng_start(struct device *dev, uint64_t negotiated) { return 0; }

static void on_wait_over(struct timer *t)
{
        struct rng *rng = container_of(t, struct rng, wait);

        queue_kick(rng->queue);
}

static int serve_one(struct rng *rng, struct queue *q, const struct chain *c, size_t n)
{
        uint8_t buf[RNG_REQUEST_MAX];
        int r;

        r = entropy_fill(buf, n);
        if (r < 0)
                return r;
        (void) chain_write(c, 0, buf, n);
        queue_push(q, c, (uint32_t) n);
        return 0;
}

static int rng_handle_queue(struct device *dev, struct queue *q)
{
        struct rng *rng = container_of(dev, struct rng, dev);
        uint64_t now_ns = clock_now_ns();
        struct chain chain;
        int r;

        if (rng->wait.loop)
                return 0;
        while ((r = queue_pop(q, &chain)) > 0) {
                size_t n = MIN(MIN((size_t) chain.n_write_bytes, (size_t) RNG_REQUEST_MAX), (size_t) rng->limit.burst);

                if (n == 0 || chain.n_read_bytes > 0)
                        return -EBADMSG;
                if (!ratelimit_take(&rng->limit, n, now_ns)) {
                        queue_unpop(q, 1);
                        rng->queue = q;
                        timer_start(&rng->wait, q->loop, now_ns + ratelimit_wait_ns(&rng->limit, n, now_ns),
                                    on_wait_over);
                        break;
                }
                r = serve_one(rng, q, &chain, n);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : queue_notify(q);
}

static void rng_queue_stop(struct device *dev, struct queue *q)
{
        timer_stop(&container_of(dev, struct rng, dev)->wait);
}

static void rng_reset(struct device *dev) {}

static struct device *rng_free(struct device *dev)
{
        if (!dev)
                return NULL;
        device_deinit(dev);
        free(container_of(dev, struct rng, dev));
        return NULL;
}

static const struct device_ops rng_ops = {
        .name = "rng",
        .virtio_id = VIRTIO_ID_RNG_DEVICE,
        .features = rng_features,
        .start = rng_start,
        .handle_queue = rng_handle_queue,
        .reset = rng_reset,
        .free = rng_free,
        .queue_stop = rng_queue_stop,
};

int rng_new(struct loop *loop, const char *name, const struct rng_options *options, struct device **ret)
{
        auto_cleanup(freep) struct rng *rng = calloc(1, sizeof(*rng));
        int r;

        if (!rng)
                return -ENOMEM;
        r = device_init(&rng->dev, &rng_ops, name, loop, 1);
        if (r < 0)
                return r;
        ratelimit_init(&rng->limit, options->bytes_per_second,
                       options->bytes_per_second > 0 ? options->burst_bytes : UINT64_MAX);
        *ret = &take_ptr(&rng)->dev;
        return 0;
}
