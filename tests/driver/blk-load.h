/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Verified random I/O on one queue of a block device. Each slot has one request in flight and blocks of its own,
 * so that what a block holds is known whenever a request on it completes; a request that completes twice, or never, is
 * seen. Every block that was not written holds zeroes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vhost/driver.h"

#define BLK_LOAD_SLOTS 24
#define BLK_LOAD_BLOCK_BYTES 4096
#define BLK_LOAD_BLOCKS 1536 /* of the disk, all slots together */

struct blk_slot {
        gpa_t at; /* header, status, page-aligned data */
        uint32_t block;
        bool busy, write;
};

struct blk_load {
        struct vhost_driver *driver; /* borrowed */
        uint16_t queue;
        struct blk_slot slots[BLK_LOAD_SLOTS];
        uint32_t versions[BLK_LOAD_BLOCKS]; /* 0: never written */
        uint64_t random;
        uint64_t n_done, n_writes;
        unsigned n_busy;
};

/* The load uses BLK_LOAD_BLOCKS blocks of the disk, others for each queue. */
void blk_load_init(struct blk_load *l, struct vhost_driver *d, uint16_t queue);

/* Sends a request from every idle slot. */
void blk_load_fill(struct blk_load *l);

/* Waits for one completion and verifies it. Return: 0; -ETIMEDOUT. */
int blk_load_take(struct blk_load *l, unsigned timeout_ms);

/* Fills and takes until n more requests are done. */
void blk_load_run(struct blk_load *l, uint64_t n);

/* Takes all that is in flight, then reads every block back and verifies it. */
void blk_load_finish(struct blk_load *l);

/* One request and its answer. Data of n_bytes at @data (guest-physical). Return: status. */
int blk_run(struct vhost_driver *d, uint16_t queue, uint32_t type, uint64_t sector, gpa_t data, uint32_t n_bytes,
            bool device_writes);
