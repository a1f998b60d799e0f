/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A disk image on the host. One struct disk an image; one struct disk_channel a queue, which belongs to the
 * thread of its loop and shares nothing mutable with the others.
 *
 * Requests are submitted one by one and started together by disk_kick(), so that one wake-up costs one
 * system call. Completion is the request's done function, on the channel's loop; never from within
 * disk_submit(), but possibly from within disk_kick() or disk_drain().
 *
 * Implementations: file.c (io_uring), null.c; decorators over any of them: delay.c, fault.c.
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

/* Owned by the caller; must stay in place from disk_submit() to done. */
struct disk_request {
        enum disk_op op;
        bool may_unmap;         /* DISK_WRITE_ZEROES */
        bool write_through;     /* DISK_WRITE: durable before done */
        uint64_t offset_bytes;
        uint64_t n_bytes;       /* sum of iov for reads and writes */
        const struct iovec *iov; /* borrowed until done */
        unsigned n_iov;
        disk_done_fn done;
        void *user;
        struct disk_request *next; /* the implementation's, until done */
        uint64_t scratch[2];       /* the implementation's, until done */
};

struct disk_info {
        uint64_t size_bytes;
        uint32_t block_bytes;          /* logical: what a request is aligned to */
        uint32_t physical_block_bytes;
        uint32_t optimal_io_bytes;     /* 0: unknown */
        uint32_t discard_granularity_bytes;
        bool read_only, can_discard, can_write_zeroes;
};

struct disk_ops {
        const char *name;
        int (*info)(struct disk *d, struct disk_info *ret); /* as it is now: an image may have been resized */
        int (*channel_open)(struct disk *d, struct loop *loop, struct disk_channel **ret);
        struct disk_channel *(*channel_close)(struct disk_channel *c); /* drained before */
        int (*submit)(struct disk_channel *c, struct disk_request *rq); /* 0; -EAGAIN: full, try after a done */
        void (*kick)(struct disk_channel *c);
        void (*drain)(struct disk_channel *c); /* returns when every request is done */
        struct disk *(*free)(struct disk *d);
};

struct disk { const struct disk_ops *ops; };
struct disk_channel { const struct disk_ops *ops; };
