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
        char *map; /* owned, with its gaps */
        uint64_t map_bytes;
        struct memory_range ranges[MEMORY_RANGES_MAX];
        size_t n_ranges;
};

/* @huge_pages: hugetlb where the host has enough, else transparent ones. @prefault: all pages now, on as many threads
   as help. Return: 0 or a negative errno; *ret_error then says what would help (owned by the caller). */
int memory_init(struct memory *m, uint64_t size_bytes, bool huge_pages, bool prefault, char **ret_error);
int memory_show(const struct memory *m, struct vm *vm);
void memory_deinit(struct memory *m);

/* @size_bytes of RAM from @start on, in one range, or NULL. */
void *memory_at(const struct memory *m, gpa_t start, uint64_t size_bytes);
