/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Notes when the machine held up its processors: a host that ran something else on them, a kernel that was busy.
 *
 * A bystander on each processor does nothing but sleep for 2 ms again and again, at a real-time priority above that of
 * all whom it is to excuse. So it is late only when nobody could have run there: what others do at a lower priority,
 * and wait for, does not make it late, and so is no excuse.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HOLDUPS_PRIORITY 20 /* SCHED_FIFO */
#define HOLDUPS_TICK_NS UINT64_C(2000000) /* by so much a hold-up may be longer than it looks */
#define HOLDUPS_LEAST_NS UINT64_C(1000000)

struct holdups;

/* For up to @duration_ns. Return: 0; -EPERM without the right to real-time priority; a negative errno. */
int holdups_start(uint64_t duration_ns, struct holdups **ret);
/* What was noted stays. Idempotent. */
void holdups_stop(struct holdups *h);
/* NULL ok; returns NULL. */
struct holdups *holdups_free(struct holdups *h);

struct holdup {
        uint64_t from_ns, to_ns;
};

/* Processors that were held up at the same time count once. */
struct holdups_sum {
        uint64_t n, total_ns, longest_ns;
};

/* What of @n hold-ups, in the order in which they began, lies within this time. */
void holdups_unite(const struct holdup *sorted, size_t n, uint64_t from_ns, uint64_t to_ns, struct holdups_sum *ret);
/* The same for those noted; after holdups_stop(). */
void holdups_between(const struct holdups *h, uint64_t from_ns, uint64_t to_ns, struct holdups_sum *ret);
