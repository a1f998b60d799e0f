/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guest-physical address space: the only place where a guest address becomes a pointer.
 *
 * A space is a set of regions. Each is a range of guest-physical addresses backed by a range of a file
 * descriptor, mapped shared; the front end's own virtual address of it (vhost-user gives ring addresses
 * in those) is kept beside. Regions do not overlap in either address.
 *
 * Invariants: every pointer handed out lies in a mapped region and is valid until that region is removed
 * or the space freed; whoever changes a space first stops all queues that use it (virtio/queue.h). A space
 * is read by several threads at once and changed while none reads.
 *
 * A peer may shrink a file that is not sealed. A touch of the lost part is then not our crash: the range is
 * replaced by private zero pages and the space is marked damaged (sigbus.h); queues stop when they see it.
 *
 * Dirty log (live migration): one bit a 4096-byte page, set atomically, least significant bit first
 * (vhost-user, "Migration").
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef uint64_t gpa_t;

#define SPACE_REGIONS_MAX 64
#define SPACE_LOG_PAGE_BYTES 4096

struct space;

struct region_spec {
        gpa_t start;
        uint64_t size_bytes;
        uint64_t user_address;    /* the front end's; equal to start where there is none */
        uint64_t fd_offset_bytes; /* need not be page-aligned */
};

int space_new(struct space **ret);
struct space *space_free(struct space *s);

static inline void space_freep(struct space **s)
{
        *s = space_free(*s);
}

/**
 * space_add() - map one more region
 * @fd: borrowed; a duplicate is kept. Must be at least offset + size bytes long
 *
 * Return: 0; -EINVAL for an empty or wrapping range or one beyond the end of the file; -EEXIST if it
 * overlaps another; -ENOSPC if there are SPACE_REGIONS_MAX; a negative errno of mmap(2) or fstat(2).
 */
int space_add(struct space *s, const struct region_spec *spec, int fd);

/* Unmaps the region with exactly this start, size and user address. Return: 0 or -ENOENT. */
int space_remove(struct space *s, const struct region_spec *spec);

/* Unmaps all regions. */
void space_clear(struct space *s);

size_t space_n_regions(const struct space *s);

/* Region @i, for a helper process that shall map the same. Return: its file, borrowed until the region is removed. */
int space_region(const struct space *s, size_t i, struct region_spec *ret);

/**
 * space_iov() - pointers to a guest-physical range
 * @iov, @n_max: filled from the start; a range takes more than one entry only where it crosses from one
 *               region into an adjoining one
 *
 * Return: the number of entries filled (0 only for len 0); -EBADMSG if any byte lies in no region;
 * -E2BIG if n_max is too small.
 */
int space_iov(const struct space *s, gpa_t start, uint64_t len_bytes, struct iovec *iov, size_t n_max);

/* A region as seen from outside: what a caller that translates many addresses keeps of its last one. */
struct space_window {
        gpa_t start;
        uint64_t size_bytes; /* 0: empty, holds no address */
        char *host;          /* of start */
};

/* The region that holds an address. Valid as long as the region is. Return: false if there is none. */
bool space_window(const struct space *s, gpa_t at, struct space_window *ret);

/* One contiguous, align-aligned piece (a power of two), or NULL. For rings. */
void *space_pointer(const struct space *s, gpa_t start, uint64_t len_bytes, size_t align);

/* Guest-physical address of a front end's virtual address. Return: 0 or -EBADMSG. */
int space_from_user(const struct space *s, uint64_t user_address, gpa_t *ret);

/* Guest-physical address of a pointer that this space handed out. Return: 0 or -ENOENT. */
int space_from_pointer(const struct space *s, const void *pointer, gpa_t *ret);

/**
 * space_set_log() - start, replace or (fd < 0) end dirty logging
 * @fd: borrowed
 *
 * Return: 0; -EINVAL if offset + size does not fit the file; a negative errno of mmap(2).
 */
int space_set_log(struct space *s, int fd, uint64_t offset_bytes, uint64_t size_bytes);
bool space_logs(const struct space *s);

/* Marks pages as written; pages beyond the log are left out. Any thread. Nothing without a log. */
void space_mark_dirty(struct space *s, gpa_t start, uint64_t len_bytes);

/* True once a backing file was found shrunk; stays until space_clear(). Any thread. */
bool space_damaged(const struct space *s);
