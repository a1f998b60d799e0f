/* SPDX-License-Identifier: MPL-2.0 */
/* A disk that takes its time: every request starts a fixed time after it was submitted. For tests. */
#pragma once

#include <stdint.h>

struct disk;

/* @lower is taken in any case. Return: 0 and *ret owned by the caller (disk_free()), or -ENOMEM. */
int disk_delay_new(struct disk *lower, uint64_t delay_ns, struct disk **ret);
