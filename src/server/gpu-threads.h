/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Real-time priority of the display server's threads, if it may have any (CAP_SYS_NICE or RLIMIT_RTPRIO):
 *
 *      screens                      the second lowest: what they do is bounded by sizes and rates, whatever guests do
 *      guests that guards look at   the lowest, and at most half of a CPU (gpu_options.urgent): a host that lets such a
 *                                   thread wait makes the guest look as if it stood still
 *      all others                   none
 *
 * The right to it ends with the sandbox's first stage, and threads start after that. So the main thread has its
 * priority from before, and the threads of guests are started by it and lower theirs.
 */
#pragma once

#include <stdbool.h>

struct loop;

/* Main thread, before the sandbox. Threads that it starts from now on inherit what it has. */
void gpu_threads_begin(void);

/* Lowers that of a thread which has inherited it. */
void gpu_threads_set(struct loop *loop, bool guarded);

/* Main thread, after the last call of gpu_threads_set(). Threads that it starts from now on inherit nothing. */
void gpu_threads_end(void);
