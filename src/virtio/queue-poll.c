/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Adaptive busy waiting. Where a guest's vCPU and the device's thread run on CPUs of their own, waking one another
 * costs more than most requests do; a device that looks a little longer saves the driver the kick and itself the sleep.
 *
 *   window_ns   grows when a kick comes so soon after the ring was found empty that waiting would have caught it, and
 *               is 0 when the driver was away for longer than max_ns
 *
 * A wait is a task of the loop that looks at the ring for about a microsecond and reschedules itself, so every other
 * event of the loop is handled in between.
 */
#include "virtio/device.h"
#include "virtio/ring.h"

#define LOOKS 16
#define WINDOW_MIN_NS (4 * NSEC_PER_USEC)

void queue_set_poll(struct queue *q, uint64_t max_ns)
{
        q->poll.max_ns = max_ns;
        q->poll.window_ns = 0;
}

void queue_poll_cancel(struct queue *q)
{
        task_cancel(&q->poll.task);
        q->poll.active = false;
}

void queue_poll_slept(struct queue *q)
{
        struct queue_poll *p = &q->poll;

        if (clock_now_ns() - p->idle_since_ns > p->max_ns)
                p->window_ns = 0;
        else
                p->window_ns = MIN(MAX(2 * p->window_ns, WINDOW_MIN_NS), p->max_ns);
        p->idle_since_ns = 0;
}

static void on_poll(struct task *t)
{
        struct queue *q = container_of(t, struct queue, poll.task);
        struct queue_poll *p = &q->poll;

        if (!q->ring || q->broken || !q->enabled) {
                p->active = false;
                return;
        }
        for (int i = 0; i < LOOKS; i++) {
                if (q->ring->ops->available(q->ring)) {
                        p->n_hits++;
                        p->idle_since_ns = 0;
                        queue_wake(q);
                        return;
                }
                cpu_relax();
        }
        if (clock_now_ns() < p->deadline_ns) {
                task_schedule(t, q->loop, on_poll);
                return;
        }
        /* In vain: asks for kicks. */
        p->n_misses++;
        p->active = false;
        q->budget = QUEUE_BUDGET;
        device_handle_queue(q);
}

void queue_poll_continue(struct queue *q)
{
        if (!q->ring || q->broken || q->again.loop) {
                q->poll.active = false;
                return;
        }
        q->poll.idle_since_ns = clock_now_ns();
        q->poll.deadline_ns = q->poll.idle_since_ns + q->poll.window_ns;
        task_schedule(&q->poll.task, q->loop, on_poll);
}
