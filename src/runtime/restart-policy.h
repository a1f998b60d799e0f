/* SPDX-License-Identifier: MPL-2.0 */
/*
 * When a server (or a machine of a system) that ended is started again. Pure arithmetic over times that the caller
 * gives, so that it can be tested without waiting.
 *
 *   - at once, if it had been well for a while (RESTART_WELL_NS);
 *   - after 10 ms, 100 ms, 1 s, 1 s ..., if it ends soon after each start;
 *   - no more after RESTART_UNREADY_MAX starts in a row that did not even get ready,
 *     or more than RESTART_WINDOW_MAX ends within RESTART_WINDOW_NS.
 *
 * The second rule bounds what a guest gains by crashing its server over and over; the third tells an image that went
 * missing from a crash. The window is wide enough for a server that is killed on purpose twice a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RESTART_WELL_NS UINT64_C(200000000)
#define RESTART_UNREADY_MAX 5
#define RESTART_WINDOW_MAX 120
#define RESTART_WINDOW_NS UINT64_C(60000000000)

struct restart_policy {
        unsigned n_quick;                     /* ends in a row, each soon after its start */
        unsigned n_unready;                   /* starts in a row that did not get ready */
        unsigned n_ends;                      /* in all */
        uint64_t ends_ns[RESTART_WINDOW_MAX]; /* the last ones, a ring */
};

/**
 * restart_policy_ended() - it ended: again?
 * @now_ns:   of the end
 * @ready_ns: when it got ready; 0 if it did not
 * @ret_delay_ns: how long to wait first
 *
 * Return: true to start it again; false to give up.
 */
bool restart_policy_ended(struct restart_policy *p, uint64_t now_ns, uint64_t ready_ns, uint64_t *ret_delay_ns);

/* Why it gave up; a constant. */
const char *restart_policy_verdict(const struct restart_policy *p);
