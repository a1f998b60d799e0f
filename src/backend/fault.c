/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A request that is to fail never reaches the disk below, with one exception: of a torn write, the first half
 * does, as a request of our own, so that the caller's stays untouched.
 */
#include "backend/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/disk-list.h"
#include "base/cleanup.h"
#include "base/macros.h"

struct fault_disk {
        struct disk disk;
        struct disk *lower; /* owned */
        struct fault_options options;
};

struct fault_channel {
        struct disk_channel channel;
        const struct fault_disk *disk; /* borrowed */
        struct disk_channel *lower;    /* owned */
        struct disk_list failing;      /* complete at the next kick */
        uint64_t n_submitted;
};

struct torn_write {
        struct disk_request rq; /* the first half */
        struct disk_request *whole; /* borrowed */
        struct iovec iov[];
};

static void fault_info(struct disk *d, struct disk_info *ret)
{
        disk_get_info(container_of(d, struct fault_disk, disk)->lower, ret);
}

static void fault_changed(void *data)
{
        struct fault_disk *d = data;

        disk_tell_change(&d->disk);
}

static bool is_to_fail(struct fault_channel *c, const struct disk_request *rq)
{
        const struct fault_options *o = &c->disk->options;

        c->n_submitted++;
        if (o->every > 0 && c->n_submitted % o->every == 0)
                return true;
        return o->n_bytes > 0 && rq->op != DISK_FLUSH && rq->offset_bytes < o->start_bytes + o->n_bytes &&
               rq->offset_bytes + rq->n_bytes > o->start_bytes;
}

static void torn_done(struct disk_request *rq, int result)
{
        struct torn_write *t = container_of(rq, struct torn_write, rq);
        struct disk_request *whole = t->whole;

        free(t);
        whole->done(whole, -EIO);
}

static bool submit_torn(struct fault_channel *c, struct disk_request *rq)
{
        uint64_t left_bytes = rq->n_bytes / 2 / 512 * 512;
        struct torn_write *t;

        if (left_bytes == 0)
                return false;
        t = malloc(sizeof(*t) + rq->n_iov * sizeof(t->iov[0]));
        if (!t)
                return false;

        t->rq = *rq;
        t->rq.iov = t->iov;
        t->rq.n_bytes = left_bytes;
        t->rq.n_iov = 0;
        t->rq.done = torn_done;
        t->whole = rq;
        while (left_bytes > 0) {
                struct iovec v = rq->iov[t->rq.n_iov];

                v.iov_len = MIN(v.iov_len, left_bytes);
                left_bytes -= v.iov_len;
                t->iov[t->rq.n_iov++] = v;
        }
        disk_submit(c->lower, &t->rq);
        return true;
}

static void fault_submit(struct disk_channel *channel, struct disk_request *rq)
{
        struct fault_channel *c = container_of(channel, struct fault_channel, channel);

        if (!is_to_fail(c, rq))
                disk_submit(c->lower, rq);
        else if (rq->op != DISK_WRITE || !c->disk->options.torn || !submit_torn(c, rq))
                disk_list_push(&c->failing, rq);
}

static void finish_failing(struct fault_channel *c)
{
        struct disk_request *rq;

        while ((rq = disk_list_pop(&c->failing)) != NULL)
                rq->done(rq, -EIO);
}

static void fault_kick(struct disk_channel *channel)
{
        struct fault_channel *c = container_of(channel, struct fault_channel, channel);

        finish_failing(c);
        disk_kick(c->lower);
        finish_failing(c);
}

static void fault_drain(struct disk_channel *channel)
{
        struct fault_channel *c = container_of(channel, struct fault_channel, channel);

        do {
                finish_failing(c);
                disk_drain(c->lower);
        } while (c->failing.head);
}

static int fault_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        struct fault_disk *fd = container_of(d, struct fault_disk, disk);
        struct fault_channel *c;
        int r;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (struct fault_channel) { .channel.ops = d->ops, .disk = fd };
        r = disk_channel_open(fd->lower, loop, &c->lower);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = &c->channel;
        return 0;
}

static struct disk_channel *fault_channel_close(struct disk_channel *channel)
{
        struct fault_channel *c = container_of(channel, struct fault_channel, channel);

        disk_channel_close(c->lower);
        free(c);
        return NULL;
}

static struct disk *fault_free(struct disk *disk)
{
        struct fault_disk *d = container_of(disk, struct fault_disk, disk);

        disk_free(d->lower);
        free(d);
        return NULL;
}

static const struct disk_ops fault_ops = {
        .name = "fault",
        .info = fault_info,
        .channel_open = fault_channel_open,
        .channel_close = fault_channel_close,
        .submit = fault_submit,
        .kick = fault_kick,
        .drain = fault_drain,
        .free = fault_free,
};

int disk_fault_new(struct disk *lower, const struct fault_options *options, struct disk **ret)
{
        struct fault_disk *d = malloc(sizeof(*d));

        if (!d) {
                disk_free(lower);
                return -ENOMEM;
        }
        *d = (struct fault_disk) { .disk.ops = &fault_ops, .lower = lower, .options = *options };
        disk_on_change(lower, fault_changed, d);
        *ret = &d->disk;
        return 0;
}

static int parse_number(const char *text, char end, uint64_t *ret, const char **ret_rest)
{
        char *rest;

        if (*text < '0' || *text > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, &rest, 0);
        if (errno != 0 || *rest != end)
                return -EINVAL;
        *ret_rest = rest;
        return 0;
}

int fault_options_parse(const char *text, struct fault_options *ret)
{
        auto_cleanup(freep) char *copy = strdup(text);
        struct fault_options o = { 0 };
        char *save = NULL;
        uint64_t end;

        if (!copy)
                return -ENOMEM;
        for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
                const char *rest;

                if (strcmp(part, "torn") == 0) {
                        o.torn = true;
                } else if (strncmp(part, "every=", 6) == 0) {
                        if (parse_number(part + 6, '\0', &o.every, &rest) < 0 || o.every == 0)
                                return -EINVAL;
                } else if (strncmp(part, "range=", 6) == 0) {
                        if (parse_number(part + 6, '+', &o.start_bytes, &rest) < 0 ||
                            parse_number(rest + 1, '\0', &o.n_bytes, &rest) < 0 ||
                            add_overflows(o.start_bytes, o.n_bytes, &end))
                                return -EINVAL;
                } else {
                        return -EINVAL;
                }
        }
        if (o.every == 0 && o.n_bytes == 0)
                return -EINVAL;
        *ret = o;
        return 0;
}
