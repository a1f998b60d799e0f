/* SPDX-License-Identifier: MPL-2.0 */
/* A disk that fails as told. For tests. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct disk;

/* A request fails with -EIO if any of the enabled conditions holds. */
struct fault_options {
        uint64_t every;       /* each that-many-th request of a channel; 0: off */
        uint64_t start_bytes; /* requests that touch [start, start + n) */
        uint64_t n_bytes;     /* 0: off */
        bool torn;            /* a write that fails stores the first half of its bytes, rounded down to 512 */
};

/**
 * fault_options_parse() - read "every=N,range=START+LENGTH,torn" (bytes; each part optional)
 *
 * Return: 0, or -EINVAL.
 */
int fault_options_parse(const char *text, struct fault_options *ret);

/* @lower is taken in any case. Return: 0 and *ret owned by the caller (disk_free()), or -ENOMEM. */
int disk_fault_new(struct disk *lower, const struct fault_options *options, struct disk **ret);
