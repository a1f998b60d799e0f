/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest with 3D has its commands run by a thread of its own, one at a time, in the order in which the queues give
 * them:
 *
 *      queues' thread:  queue_pop() ── todo_fd ──►                 ── push, notify, next
 *      runner:                                    run ── done_fd ──►
 *
 * A command may wait for the render process for seconds. Meanwhile the queues' thread is free, for all that the control
 * thread wants of it: new descriptors, a log, another queue. A queue that is stopped has to end its command first: the
 * wait for the render process is then cut short (render_interrupt()), which costs the guest its 3D contexts, but only
 * if the process needs longer than RENDER_GRACE_NS. One that copies is cut, and put back.
 *
 * What a command works on (resources, scanouts, journal, the render process) is the runner's while `is_given`, and the
 * queues' thread's otherwise; the descriptors only wake.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "device/gpu/gpu-private.h"
#include "render/client.h"

struct gpu_runner {
        struct gpu *gpu;       /* borrowed */
        struct worker *worker; /* owned */
        int todo_fd, done_fd;  /* owned eventfds */
        struct watch todo;     /* on the worker's loop */
        struct watch done;     /* on the queues' loop, while one of them runs */

        struct queue *queue;  /* whose command is under way; NULL: none */
        atomic_bool is_given; /* and the runner has not done it yet */
        struct chain chain;
        struct gpu_command command;
        uint32_t result;
};

static void on_todo(struct watch *w, uint32_t events)
{
        struct gpu_runner *r = container_of(w, struct gpu_runner, todo);

        (void) fd_event_take(r->todo_fd);
        if (!atomic_load(&r->is_given))
                return;
        r->gpu->n_wakeup_bytes = 0;
        r->result = gpu_command_run(r->gpu, &r->command);
        atomic_store(&r->is_given, false);
        fd_event_signal(r->done_fd);
}

static struct queue *other_queue(const struct gpu_runner *r, const struct queue *q)
{
        return &r->gpu->dev.queues[q->index == GPU_CONTROL_QUEUE ? GPU_CURSOR_QUEUE : GPU_CONTROL_QUEUE];
}

/* The command has been run. */
static void finish(struct gpu_runner *r)
{
        struct queue *q = r->queue;
        int error = gpu_command_end(q, &r->command, r->result);

        r->queue = NULL;
        if (error < 0)
                queue_break(q, error);
        else
                (void) queue_notify(q);
}

static void on_done(struct watch *w, uint32_t events)
{
        struct gpu_runner *r = container_of(w, struct gpu_runner, done);
        struct queue *q = r->queue;

        (void) fd_event_take(r->done_fd);
        if (!q || atomic_load(&r->is_given))
                return;
        finish(r);
        /* Neither waits longer than for one command of the other. */
        queue_kick(other_queue(r, q));
        queue_kick(q);
}

int gpu_runner_handle_queue(struct gpu_runner *r, struct queue *q)
{
        int n;

        if (r->queue)
                return 0; /* on_done() comes back */
        n = queue_pop(q, &r->chain);
        if (n <= 0)
                return n;
        n = gpu_command_begin(q, &r->chain, &r->command);
        if (n < 0)
                return n;
        r->queue = q;
        atomic_store(&r->is_given, true);
        fd_event_signal(r->todo_fd);
        return 0;
}

/* Has the command that is under way ended soon, whatever it is. */
static void settle(struct gpu_runner *r)
{
        struct pollfd done = { .fd = r->done_fd, .events = POLLIN };

        atomic_store(&r->gpu->render.is_awaited, true);
        render_interrupt(r->gpu->render.process);
        while (atomic_load(&r->is_given)) {
                (void) poll(&done, 1, -1);
                (void) fd_event_take(r->done_fd);
        }
        render_resume(r->gpu->render.process);
        atomic_store(&r->gpu->render.is_awaited, false);
        finish(r);
}

int gpu_runner_queue_start(struct gpu_runner *r, struct queue *q)
{
        return r->done.loop ? 0 : watch_start(&r->done, q->loop, r->done_fd, EPOLLIN, on_done);
}

void gpu_runner_queue_stop(struct gpu_runner *r, struct queue *q)
{
        struct queue *other = other_queue(r, q);

        if (r->queue == q) {
                settle(r);
                queue_kick(other);
        }
        if (!queue_started(other))
                watch_stop(&r->done);
}

static void watch_todo(void *data)
{
        struct gpu_runner *r = data;

        /* The result shows in the watch: loop_call() has none. */
        (void) watch_start(&r->todo, worker_loop(r->worker), r->todo_fd, EPOLLIN, on_todo);
}

static void unwatch_todo(void *data) { watch_stop(&((struct gpu_runner *) data)->todo); }

int gpu_runner_new(struct gpu *gpu, struct gpu_runner **ret)
{
        struct gpu_runner *r = calloc(1, sizeof(*r));
        int result;

        if (!r)
                return -ENOMEM;
        r->gpu = gpu;
        r->todo_fd = fd_event();
        r->done_fd = fd_event();
        result = r->todo_fd < 0 || r->done_fd < 0 ? -EMFILE : worker_new("gpu-3d", &r->worker);
        if (result == 0) {
                loop_call(worker_loop(r->worker), watch_todo, r);
                result = r->todo.loop ? 0 : -ENOMEM;
        }
        if (result < 0) {
                gpu_runner_free(r);
                return result;
        }
        *ret = r;
        return 0;
}

struct gpu_runner *gpu_runner_free(struct gpu_runner *r)
{
        if (!r)
                return NULL;
        if (r->worker)
                loop_call(worker_loop(r->worker), unwatch_todo, r);
        worker_free(r->worker);
        fd_close(&r->todo_fd);
        fd_close(&r->done_fd);
        free(r);
        return NULL;
}
