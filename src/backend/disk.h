/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A disk image on the host. One struct disk an image and device; one struct disk_channel a queue, which belongs
 * to the thread of its loop and shares nothing mutable with the others but what is atomic.
 *
 *      disk_submit() ... disk_submit() ─► disk_kick() ─► done() now, or later on the channel's loop
 *
 * Requests are submitted one by one and started together by disk_kick(), so that one wake-up costs as few
 * system calls as possible. Completion is the request's done function, on the channel's thread: never from
 * within disk_submit(), but possibly from within disk_kick() or disk_drain(). A request that is submitted from
 * within a done function needs no kick. A channel takes any number of requests; who bounds them is the caller.
 *
 * The caller has checked a request against the size it knows. The image may have changed since: what lies
 * beyond its end now completes with -EIO, and an image never grows by a write.
 *
 * Implementations: file.c, null.c; decorators over any of them: delay.c, fault.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk;
struct disk_channel;
struct disk_request;
struct loop;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

typedef void (*disk_done_fn)(struct disk_request *rq, int result); /* 0 or a negative errno */

/* Embedded in the caller's request; must stay in place from disk_submit() to done. */
struct disk_request {
        enum disk_op op;
        bool may_unmap;          /* DISK_WRITE_ZEROES */
        bool write_through;      /* DISK_WRITE: durable before done */
        uint64_t offset_bytes;
        uint64_t n_bytes;        /* sum of iov for reads and writes */
        const struct iovec *iov; /* borrowed until done */
        unsigned n_iov;          /* at most IOV_MAX (1024) */
        disk_done_fn done;

        /* The implementation's, until done. */
        struct disk_request *next;
        uint64_t scratch[3];
};

struct disk_info {
        uint64_t size_bytes;
        uint32_t block_bytes;          /* logical: what a request is best aligned to; a power of two, at least 512 */
        uint32_t physical_block_bytes; /* a power of two, at least block_bytes */
        uint32_t optimal_io_bytes;     /* 0: unknown */
        uint32_t discard_granularity_bytes;
        bool read_only, can_discard, can_write_zeroes;
};

struct disk_ops {
        const char *name;
        void (*info)(struct disk *d, struct disk_info *ret); /* as it is now: an image may have been resized */
        int (*channel_open)(struct disk *d, struct loop *loop, struct disk_channel **ret);
        struct disk_channel *(*channel_close)(struct disk_channel *c); /* drained before; NULL ok */
        void (*submit)(struct disk_channel *c, struct disk_request *rq);
        void (*kick)(struct disk_channel *c);
        void (*drain)(struct disk_channel *c);
        struct disk *(*free)(struct disk *d); /* all channels are closed; NULL ok */
};

struct disk {
        const struct disk_ops *ops;
        void (*changed)(void *data); /* NULL: nobody cares */
        void *changed_data;
};

struct disk_channel {
        const struct disk_ops *ops;
};

static inline void disk_get_info(struct disk *d, struct disk_info *ret)
{
        d->ops->info(d, ret);
}

/**
 * disk_on_change() - be told when the information about the disk has changed
 * @changed: called on any thread that works for the disk; NULL ends it
 *
 * Set while no channel is open.
 */
static inline void disk_on_change(struct disk *d, void (*changed)(void *data), void *data)
{
        d->changed = changed;
        d->changed_data = data;
}

/* For implementations: tells who asked. */
static inline void disk_tell_change(struct disk *d)
{
        if (d->changed)
                d->changed(d->changed_data);
}

/* Opens a channel whose requests complete on @loop. Caller: the loop's thread. Return: 0 or a negative errno. */
static inline int disk_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        return d->ops->channel_open(d, loop, ret);
}

static inline struct disk_channel *disk_channel_close(struct disk_channel *c)
{
        return c ? c->ops->channel_close(c) : NULL;
}

static inline void disk_submit(struct disk_channel *c, struct disk_request *rq)
{
        c->ops->submit(c, rq);
}

static inline void disk_kick(struct disk_channel *c)
{
        c->ops->kick(c);
}

/* Returns when every request of the channel is done. */
static inline void disk_drain(struct disk_channel *c)
{
        c->ops->drain(c);
}

static inline struct disk *disk_free(struct disk *d)
{
        return d ? d->ops->free(d) : NULL;
}

static inline void disk_freep(struct disk **d)
{
        *d = disk_free(*d);
}
