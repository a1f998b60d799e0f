/* SPDX-License-Identifier: MPL-2.0 */
/* A disk without contents: reads give zeroes, writes are forgotten. For measurements and fuzzing. */
#pragma once

#include <stdint.h>

struct disk;

/* Return: 0 and *ret owned by the caller (disk_free()), or -ENOMEM. */
int disk_null_new(uint64_t size_bytes, struct disk **ret);
