/* SPDX-License-Identifier: MPL-2.0 */
/*
 * All requests wait equally long, so the list of waiting ones is sorted by deadline by itself and one timer
 * for its head is enough. Draining starts what waits at once: who drains wants to stop.
 */
#include "backend/delay.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/disk-list.h"
#include "base/loop.h"
#include "base/macros.h"

struct delay_disk {
        struct disk disk;
        struct disk *lower; /* owned */
        uint64_t delay_ns;
};

struct delay_channel {
        struct disk_channel channel;
        const struct delay_disk *disk; /* borrowed */
        struct loop *loop;             /* borrowed */
        struct disk_channel *lower;    /* owned */
        struct disk_list waiting;      /* scratch[0]: deadline */
        struct timer timer;
};

static void delay_info(struct disk *d, struct disk_info *ret)
{
        disk_get_info(container_of(d, struct delay_disk, disk)->lower, ret);
}

static void delay_changed(void *data)
{
        struct delay_disk *d = data;

        disk_tell_change(&d->disk);
}

static void start_due(struct timer *t)
{
        struct delay_channel *c = container_of(t, struct delay_channel, timer);
        uint64_t now = clock_now_ns();

        while (c->waiting.head && c->waiting.head->scratch[0] <= now)
                disk_submit(c->lower, disk_list_pop(&c->waiting));
        if (c->waiting.head)
                timer_start(&c->timer, c->loop, c->waiting.head->scratch[0], start_due);
        disk_kick(c->lower);
}

static void delay_submit(struct disk_channel *channel, struct disk_request *rq)
{
        struct delay_channel *c = container_of(channel, struct delay_channel, channel);

        rq->scratch[0] = clock_now_ns() + c->disk->delay_ns;
        disk_list_push(&c->waiting, rq);
        if (c->waiting.head == rq)
                timer_start(&c->timer, c->loop, rq->scratch[0], start_due);
}

static void delay_kick(struct disk_channel *channel)
{
}

static void delay_drain(struct disk_channel *channel)
{
        struct delay_channel *c = container_of(channel, struct delay_channel, channel);

        timer_stop(&c->timer);
        while (c->waiting.head) {
                disk_submit(c->lower, disk_list_pop(&c->waiting));
                if (!c->waiting.head)
                        disk_drain(c->lower); /* may submit more */
        }
        disk_drain(c->lower);
        timer_stop(&c->timer);
}

static int delay_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        struct delay_disk *dd = container_of(d, struct delay_disk, disk);
        struct delay_channel *c;
        int r;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (struct delay_channel) { .channel.ops = d->ops, .disk = dd, .loop = loop };
        r = disk_channel_open(dd->lower, loop, &c->lower);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = &c->channel;
        return 0;
}

static struct disk_channel *delay_channel_close(struct disk_channel *channel)
{
        struct delay_channel *c = container_of(channel, struct delay_channel, channel);

        timer_stop(&c->timer);
        disk_channel_close(c->lower);
        free(c);
        return NULL;
}

static struct disk *delay_free(struct disk *disk)
{
        struct delay_disk *d = container_of(disk, struct delay_disk, disk);

        disk_free(d->lower);
        free(d);
        return NULL;
}

static const struct disk_ops delay_ops = {
        .name = "delay",
        .info = delay_info,
        .channel_open = delay_channel_open,
        .channel_close = delay_channel_close,
        .submit = delay_submit,
        .kick = delay_kick,
        .drain = delay_drain,
        .free = delay_free,
};

int disk_delay_new(struct disk *lower, uint64_t delay_ns, struct disk **ret)
{
        struct delay_disk *d = malloc(sizeof(*d));

        if (!d) {
                disk_free(lower);
                return -ENOMEM;
        }
        *d = (struct delay_disk) { .disk.ops = &delay_ops, .lower = lower, .delay_ns = delay_ns };
        disk_on_change(lower, delay_changed, d);
        *ret = &d->disk;
        return 0;
}
