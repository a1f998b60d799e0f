/* SPDX-License-Identifier: MPL-2.0 */
/* What file.c (the image) and file-channel.c (the I/O) share. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/disk.h"
#include "backend/file.h"
#include "backend/file-ring.h"
#include "base/loop.h"

#define FILE_RING_ENTRIES 128

struct file_disk {
        struct disk disk;
        struct file_options options;
        int fd;        /* owned: page cache; carries the lock */
        int direct_fd; /* owned: O_DIRECT; -1: none */
        struct file_rings rings;
        bool in_memory; /* the file system is */
        bool is_block;
        uint32_t block_bytes, physical_block_bytes, optimal_io_bytes, discard_granularity_bytes;
        uint32_t direct_memory_align, direct_offset_align;

        atomic_uint_fast64_t size_bytes;
        /* What the file system turned out not to have. */
        atomic_bool no_punch, no_zero_range, no_nowait_read, no_nowait_write;

        /* Control thread only. */
        struct loop *loop; /* borrowed */
        int inotify_fd;    /* owned; -1: changes are seen by file_refresh() only */
        struct watch watch;
        struct timer rearm;
};

/* Looks at the size again, tells about a change. Any thread. Return: the size now. */
uint64_t file_refresh(struct file_disk *f);

int file_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret);
struct disk_channel *file_channel_close(struct disk_channel *c);
void file_submit(struct disk_channel *c, struct disk_request *rq);
void file_kick(struct disk_channel *c);
void file_drain(struct disk_channel *c);
