/* SPDX-License-Identifier: MPL-2.0 */
#include "vhost/test-echo.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "virtio/features.h"

static struct echo *echo_of(struct device *dev)
{
        return container_of(dev, struct echo, dev);
}

static uint64_t echo_features(const struct device *dev)
{
        return FEATURE(ECHO_FEATURE);
}

static int echo_start(struct device *dev, uint64_t negotiated)
{
        atomic_fetch_add(&echo_of(dev)->n_starts, 1);
        return 0;
}

static void echo_reset(struct device *dev)
{
        struct echo *e = echo_of(dev);

        memset(e->scratch, 0, sizeof(e->scratch));
        atomic_fetch_add(&e->n_resets, 1);
}

static int echo_queue_start(struct device *dev, struct queue *q)
{
        echo_of(dev)->queues[q->index].n_held = 0;
        atomic_fetch_add(&echo_of(dev)->n_queue_starts, 1);
        return 0;
}

static void answer(struct queue *q, const struct chain *c)
{
        uint32_t n = 0;

        for (uint16_t i = 0; i < c->n_read; i++)
                n += (uint32_t) chain_write(c, n, c->iov[i].iov_base, c->iov[i].iov_len);
        queue_push(q, c, n);
}

static void echo_queue_stop(struct device *dev, struct queue *q)
{
        struct echo_queue *eq = &echo_of(dev)->queues[q->index];

        for (unsigned i = 0; i < eq->n_held; i++) {
                answer(q, &eq->held[i]);
                chain_drop(&eq->held[i], NULL);
        }
        eq->n_held = 0;
}

static int hold(struct echo_queue *eq, const struct chain *c)
{
        if (eq->n_held == ECHO_HELD_MAX)
                return -ENOSPC;
        return chain_keep(&eq->held[eq->n_held++], c, NULL, 0);
}

static int echo_handle_queue(struct device *dev, struct queue *q)
{
        struct echo *e = echo_of(dev);
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
                char command = 0;

                atomic_fetch_add(&e->n_requests, 1);
                (void) chain_read(&c, 0, &command, 1);
                if (command == 'B')
                        return -EBADMSG;
                if (command == 'H') {
                        r = hold(&e->queues[q->index], &c);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (command == 'C') {
                        atomic_fetch_add(&e->n_config_changes, 1);
                        device_config_changed(dev);
                }
                answer(q, &c);
        }
        return r < 0 ? r : queue_notify(q);
}

static struct device *echo_free(struct device *dev)
{
        struct echo *e;

        if (!dev)
                return NULL;
        e = echo_of(dev);
        device_deinit(dev);
        free(e->queues);
        free(e);
        return NULL;
}

static size_t echo_config_size(const struct device *dev)
{
        return 12;
}

static void echo_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct echo *e = container_of(dev, struct echo, dev);
        uint32_t n_changes = atomic_load(&e->n_config_changes);
        uint8_t config[12];

        memcpy(config, e->scratch, 4);
        memcpy(config + 4, &n_changes, 4);
        memcpy(config + 8, "ECHO", 4);
        memcpy(buf, config + offset, n);
}

static int echo_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        if (!range_fits(offset, n, sizeof(echo_of(dev)->scratch)))
                return -EINVAL;
        memcpy(echo_of(dev)->scratch + offset, buf, n);
        return 0;
}

static int echo_announce(struct device *dev, const uint8_t mac[6])
{
        memcpy(echo_of(dev)->mac, mac, 6);
        return 0;
}

static int echo_set_mtu(struct device *dev, uint16_t mtu)
{
        if (mtu < 68)
                return -EINVAL;
        echo_of(dev)->mtu = mtu;
        return 0;
}

static const struct device_ops echo_ops = {
        .name = "echo",
        .features = echo_features,
        .start = echo_start,
        .handle_queue = echo_handle_queue,
        .reset = echo_reset,
        .free = echo_free,
        .config_size = echo_config_size,
        .config_read = echo_config_read,
        .config_write = echo_config_write,
        .queue_start = echo_queue_start,
        .queue_stop = echo_queue_stop,
        .announce = echo_announce,
        .set_mtu = echo_set_mtu,
};

int echo_new(const char *name, struct loop *loop, uint16_t n_queues, struct echo **ret)
{
        struct echo *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->queues = calloc(n_queues, sizeof(*e->queues));
        r = e->queues ? device_init(&e->dev, &echo_ops, name, loop, n_queues) : -ENOMEM;
        if (r < 0) {
                free(e->queues);
                free(e);
                return r;
        }
        *ret = e;
        return 0;
}
