/* SPDX-License-Identifier: MPL-2.0 */
#include "server/gpu-threads.h"

#include <sched.h>

#include "base/loop.h"
#include "display/screen.h"

void gpu_threads_begin(void)
{
        const struct sched_param param = { .sched_priority = SCREEN_THREAD_PRIORITY };

        /* A refusal leaves all as it is. */
        (void) sched_setscheduler(0, SCHED_RR, &param);
}

static void set(void *data)
{
        const bool *guarded = data;
        const struct sched_param ordinary = { 0 }, guest = { .sched_priority = SCREEN_THREAD_PRIORITY - 1 };

        if (sched_getscheduler(0) != SCHED_RR)
                return;
        (void) sched_setscheduler(0, *guarded ? SCHED_RR : SCHED_OTHER, *guarded ? &guest : &ordinary);
}

void gpu_threads_set(struct loop *loop, bool guarded) { loop_call(loop, set, &guarded); }

void gpu_threads_end(void)
{
        if (sched_getscheduler(0) == SCHED_RR)
                screen_prefer_thread();
}
