/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A token bucket: `burst` events at once, refilled at `per_second`. Serves the log lines that a guest
 * can trigger and the byte rates that a guest may use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ratelimit {
        uint64_t per_second; /* 0: unlimited */
        uint64_t burst;
        uint64_t tokens;
        uint64_t last_ns;
        uint64_t n_suppressed; /* events refused since the last one that passed */
};

void ratelimit_init(struct ratelimit *rl, uint64_t per_second, uint64_t burst);

/* Takes n tokens at time now_ns (CLOCK_MONOTONIC) if that many are there. */
bool ratelimit_take(struct ratelimit *rl, uint64_t n, uint64_t now_ns);

/* Tokens that are there at now_ns; UINT64_MAX if unlimited. */
uint64_t ratelimit_available(struct ratelimit *rl, uint64_t now_ns);

/* Nanoseconds until n tokens (at most `burst`) will be there; 0 if they are. */
uint64_t ratelimit_wait_ns(struct ratelimit *rl, uint64_t n, uint64_t now_ns);
