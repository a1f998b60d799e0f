/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A thread with real-time priority goes before all ordinary ones of the host. A guest that floods its queues is not to
 * have a CPU to itself by that: within each period the thread takes its share, and what is left in the queues waits for
 * the next. A command that took longer than the share makes its period longer; kicks are not listened to meanwhile, as
 * each would wake the thread.
 */
#include <time.h>

#include "base/loop.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"

#define PERIOD_NS (100 * NSEC_PER_MSEC)
#define SHARE_NS (PERIOD_NS / 2)

static uint64_t cpu_ns(void)
{
        struct timespec ts = { 0 };

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static void set_deaf(struct gpu *gpu, bool on)
{
        queue_set_deaf(&gpu->dev.queues[GPU_CONTROL_QUEUE], on);
        queue_set_deaf(&gpu->dev.queues[GPU_CURSOR_QUEUE], on);
}

static void on_next(struct timer *t)
{
        struct gpu *gpu = container_of(t, struct gpu, share.next);

        set_deaf(gpu, false);
        gpu_go_on(gpu);
}

bool gpu_share_left(struct gpu *gpu)
{
        struct gpu_share *s = &gpu->share;
        uint64_t now_ns, taken_ns, period_ns;

        if (!s->limited)
                return true;
        now_ns = clock_now_ns();
        taken_ns = cpu_ns() - s->begin_cpu_ns;
        period_ns = MAX(PERIOD_NS, taken_ns * (PERIOD_NS / SHARE_NS));
        if (s->begin_ns == 0 || now_ns - s->begin_ns >= period_ns) {
                s->begin_ns = now_ns;
                s->begin_cpu_ns += taken_ns;
                return true;
        }
        if (taken_ns < SHARE_NS)
                return true;
        set_deaf(gpu, true);
        timer_start(&s->next, gpu->dev.queues[GPU_CONTROL_QUEUE].loop, s->begin_ns + period_ns, on_next);
        return false;
}

void gpu_share_stop(struct gpu *gpu)
{
        timer_stop(&gpu->share.next);
        gpu->share.begin_ns = 0; /* the next thread has another clock */
}
