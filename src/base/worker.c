/* SPDX-License-Identifier: MPL-2.0 */
#include "base/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"

struct worker {
        struct loop *loop; /* owned */
        pthread_t thread;
        struct task started_task;
        sem_t started;
};

static void on_started(struct task *t)
{
        struct worker *w = container_of(t, struct worker, started_task);

        (void) sem_post(&w->started);
}

static void *worker_main(void *data)
{
        struct worker *w = data;

        (void) loop_run(w->loop);
        return NULL;
}

int worker_new(const char *name, struct worker **ret)
{
        struct worker *w;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        (void) sem_init(&w->started, 0, 0);
        r = loop_new(&w->loop);
        if (r < 0)
                goto fail;
        task_schedule(&w->started_task, w->loop, on_started);
        r = thread_start(&w->thread, name, worker_main, w);
        if (r < 0)
                goto fail;

        while (sem_wait(&w->started) < 0)
                assert(errno == EINTR);
        *ret = w;
        return 0;

fail:
        loop_free(w->loop);
        (void) sem_destroy(&w->started);
        free(w);
        return r;
}

struct worker *worker_free(struct worker *w)
{
        if (!w)
                return NULL;

        loop_quit(w->loop, 0);
        (void) pthread_join(w->thread, NULL);
        loop_free(w->loop);
        (void) sem_destroy(&w->started);
        free(w);
        return NULL;
}

struct loop *worker_loop(struct worker *w)
{
        return w->loop;
}
