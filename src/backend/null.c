/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/null.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/disk-list.h"
#include "base/macros.h"

struct null_disk {
        struct disk disk;
        uint64_t size_bytes;
};

struct null_channel {
        struct disk_channel channel;
        const struct null_disk *disk; /* borrowed */
        struct disk_list queued;
        bool kicking;
};

static void null_info(struct disk *d, struct disk_info *ret)
{
        const struct null_disk *nd = container_of(d, struct null_disk, disk);

        *ret = (struct disk_info) {
                .size_bytes = nd->size_bytes,
                .block_bytes = 512,
                .physical_block_bytes = 512,
                .discard_granularity_bytes = 512,
                .can_discard = true,
                .can_write_zeroes = true,
        };
}

static void null_submit(struct disk_channel *channel, struct disk_request *rq)
{
        struct null_channel *c = container_of(channel, struct null_channel, channel);

        disk_list_push(&c->queued, rq);
}

static void null_kick(struct disk_channel *channel)
{
        struct null_channel *c = container_of(channel, struct null_channel, channel);
        struct disk_request *rq;

        if (c->kicking)
                return;
        c->kicking = true;
        while ((rq = disk_list_pop(&c->queued)) != NULL) {
                if (!range_fits(rq->offset_bytes, rq->n_bytes, c->disk->size_bytes)) {
                        rq->done(rq, -EIO);
                        continue;
                }
                if (rq->op == DISK_READ)
                        for (unsigned i = 0; i < rq->n_iov; i++)
                                memset(rq->iov[i].iov_base, 0, rq->iov[i].iov_len);
                rq->done(rq, 0);
        }
        c->kicking = false;
}

static int null_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        struct null_channel *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = (struct null_channel) { .channel.ops = d->ops, .disk = container_of(d, struct null_disk, disk) };
        *ret = &c->channel;
        return 0;
}

static struct disk_channel *null_channel_close(struct disk_channel *channel)
{
        if (channel)
                free(container_of(channel, struct null_channel, channel));
        return NULL;
}

static struct disk *null_free(struct disk *d)
{
        if (d)
                free(container_of(d, struct null_disk, disk));
        return NULL;
}

static const struct disk_ops null_ops = {
        .name = "null",
        .info = null_info,
        .channel_open = null_channel_open,
        .channel_close = null_channel_close,
        .submit = null_submit,
        .kick = null_kick,
        .drain = null_kick,
        .free = null_free,
};

int disk_null_new(uint64_t size_bytes, struct disk **ret)
{
        struct null_disk *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = (struct null_disk) { .disk.ops = &null_ops, .size_bytes = size_bytes };
        *ret = &d->disk;
        return 0;
}
