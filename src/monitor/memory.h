/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guest RAM: one memfd (sealed against shrinking and growing), mapped once with guard gaps on both sides, shown to
 * KVM and to device servers as one or two ranges of guest-physical addresses (layout.h).
 *
 * memory_at() is the only way from a guest-physical address to a pointer in the monitor; it is used by boot code
 * and table builders before the guest runs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mem/space.h"

struct vm;

#define MEMORY_RANGES_MAX 2

struct memory_range {
        gpa_t start;
        uint64_t size_bytes;
        uint64_t offset_bytes; /* in the memfd */
        char *host;            /* borrowed */
};

struct memory {
        int fd; /* owned */
        struct prefault *prefault; /* owned; NULL: none is under way */
        char *map; /* owned, with its gaps */
        uint64_t map_bytes;
        uint64_t page_bytes; /* of the memfd */
        struct memory_range ranges[MEMORY_RANGES_MAX];
        size_t n_ranges;
};

/**
 * memory_init() - reserve and map
 * @size_bytes:  a multiple of 1 MiB
 * @huge_pages:  hugetlb pages where the host has enough of them free, else transparent ones where it allows them
 * @ret_error:   says what would help; owned by the caller
 *
 * Nothing is allocated yet but hugetlb pages: see memory_begin_prefault().
 *
 * Return: 0 or a negative errno.
 */
int memory_init(struct memory *m, uint64_t size_bytes, bool huge_pages, char **ret_error);
/* Makes the ranges memory of a virtual machine. */
int memory_show(const struct memory *m, struct vm *vm);
/* Allocates all pages, on as many threads as help; others may use the memory meanwhile. Return: 0 or negative errno. */
int memory_begin_prefault(struct memory *m);
/* Waits until it is done, if it was begun. Return: 0 or a negative errno, with a sentence in *ret_error. */
int memory_finish_prefault(struct memory *m, char **ret_error);
void memory_deinit(struct memory *m);

/* @size_bytes of RAM from @start on, in one range, or NULL. */
void *memory_at(const struct memory *m, gpa_t start, uint64_t size_bytes);

/* Moves up to @n_bytes of the file @fd from @offset on to @start, within the kernel: unlike a read into memory_at()
   this neither faults pages in nor clears what it is about to fill. One thread at a time. Return: how many were moved,
   0 at the end of the file; -EOPNOTSUPP: this memory has to be read into; a negative errno. */
ssize_t memory_receive(const struct memory *m, gpa_t start, int fd, uint64_t offset, uint64_t n_bytes);
