/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A shared mapping of any range of a file that a peer gave us: checked against the file's size, guarded
 * against a file that shrinks later (sigbus.h), left out of core dumps.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct filemap {
        char *start;      /* of the range; NULL: nothing mapped */
        void *map;        /* owned; begins at a page boundary of the file at or below start */
        size_t map_bytes;
        int sigbus_handle;
};

/**
 * filemap_open() - map [offset, offset + size) of @fd for reading and writing
 * @fd: borrowed
 * @offset_bytes: need not be page-aligned
 * @damaged: set once the file was found shrunk; must outlive the mapping
 *
 * Return: 0; -EINVAL if the range is empty, wraps or lies beyond the end of the file; a negative errno of
 * mmap(2), fstat(2) or sigbus_register().
 */
int filemap_open(int fd, uint64_t offset_bytes, uint64_t size_bytes, atomic_bool *damaged, struct filemap *ret);

/* Unmaps, by the reaper (base/reaper.h) where there is one. Idempotent. */
void filemap_close(struct filemap *m);
