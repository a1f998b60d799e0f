/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Block device: a disk (backend/disk.h) for a guest. Spec: VIRTIO 1.4, 5.2.
 *
 * Data goes straight between guest memory and the disk, without a copy. What is in flight is bounded by the
 * queue size; requests come from a pool of each queue.
 */
#pragma once

#include <stdint.h>

struct device;
struct disk;
struct loop;

#define BLK_QUEUES_MAX 64
#define BLK_SEG_MAX_DEFAULT 126
#define BLK_SEG_MAX_LIMIT 254

struct blk_options {
        const char *serial; /* up to 20 bytes are used; borrowed for the call; NULL: empty */
        uint16_t n_queues;  /* 1 to BLK_QUEUES_MAX */
        uint16_t seg_max;   /* 1 to BLK_SEG_MAX_LIMIT; queue size - 2 at most: drivers use as many */
        uint64_t poll_ns;   /* longest wait for the next request without sleep; 0: none */
};

/**
 * blk_new() - a block device on a disk
 * @disk: taken in any case
 *
 * Return: 0 and *ret owned by the caller (device_free()), or -ENOMEM.
 */
int blk_new(struct loop *loop, const char *name, struct disk *disk, const struct blk_options *options,
            struct device **ret);
