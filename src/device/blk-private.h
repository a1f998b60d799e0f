/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the parts of the block device share.
 *
 *   blk.c          the device: features, config space
 *   blk-queue.c    a queue: pool of requests, starting, completing
 *   blk-request.c  a request: reading and checking what the driver sent
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_blk.h>

#include "backend/disk.h"
#include "base/loop.h"
#include "device/blk.h"
#include "virtio/device.h"

#define BLK_SECTOR_BYTES 512

/* Of one discard or write of zeroes. Zeroes may have to be written for real, so they are the shorter ones. */
#define BLK_SEGMENTS_MAX 32
#define BLK_DISCARD_SECTORS_MAX (UINT32_C(1) << 21)
#define BLK_ZEROES_SECTORS_MAX (UINT32_C(1) << 17)

#define BLK_INLINE_IOV 8
/* BLK_SEG_MAX_LIMIT, header, status, and some for buffers that cross from one memory region into the next. */
#define BLK_SPARE_IOV 272

struct blk;
struct blk_queue;

/* Storage of a request that needs more than most do. */
union blk_spare {
        union blk_spare *next;
        struct iovec iov[BLK_SPARE_IOV];
        struct virtio_blk_discard_write_zeroes segments[BLK_SEGMENTS_MAX];
};

struct blk_request {
        struct disk_request io;
        struct blk_queue *queue;    /* borrowed */
        struct blk_request *next_free;
        struct chain chain;         /* its iov is `iov` below or `kept` */
        uint8_t *status;            /* in guest memory: the last writable byte */
        union blk_spare *kept;      /* owned; NULL: not needed */
        union blk_spare *rest;      /* owned; data in an unusual layout, or segments */
        uint16_t n_segments, segment; /* of discards and writes of zeroes: `rest` holds them */
        bool flush_after;           /* write-through, and the operation cannot do that itself */
        struct iovec iov[BLK_INLINE_IOV];
};

/* Belongs to the thread of its queue's loop. */
struct blk_queue {
        struct blk *blk;              /* borrowed */
        struct queue *queue;          /* borrowed; NULL: stopped */
        struct disk_channel *channel; /* owned */
        struct blk_request *requests; /* owned: as many as the queue has entries */
        uint16_t n_requests;
        uint16_t n_fresh;             /* the first n_fresh were used at least once */
        struct blk_request *free;
        union blk_spare *spares;
        bool handling;                /* blk_handle_queue() is on the stack and will notify */
        struct task notify;           /* otherwise this does */
        unsigned n_left;              /* requests of this batch that are not completed */
        unsigned tell_at;             /* n_left at which the driver is told */
        uint32_t n_untold_bytes;
} __attribute__((aligned(64)));

struct blk {
        struct device dev;
        struct disk *disk; /* owned */
        struct blk_queue *queues; /* owned: dev.n_queues */
        uint16_t seg_max;
        uint64_t poll_ns;
        bool read_only, can_discard, can_write_zeroes;
        uint8_t serial[VIRTIO_BLK_ID_BYTES];
        atomic_uint_fast64_t capacity_sectors;
        atomic_bool writeback; /* 5.2.5: the driver may switch it at any time */
};

/* The ops that concern queues. */
int blk_queue_start(struct device *dev, struct queue *q);
void blk_queue_stop(struct device *dev, struct queue *q);
int blk_handle_queue(struct device *dev, struct queue *q);

/* For blk-request.c. */
struct blk_request *blk_request_get(struct blk_queue *bq);
void blk_request_put(struct blk_request *rq);
union blk_spare *blk_spare_get(struct blk_queue *bq); /* NULL: no memory */
void blk_queue_completed(struct blk_queue *bq, const struct chain *c); /* it was pushed */

/**
 * blk_request_start() - check a popped chain, and either complete it or hand it to the disk
 *
 * Return: 0; -EBADMSG if the chain is no request at all.
 */
int blk_request_start(struct blk_queue *bq, const struct chain *c);
