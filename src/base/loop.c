/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Timers are few (a handful a loop), so they sit in a list sorted by deadline. Tasks sit in a list in
 * order of scheduling, each with its round: a task that schedules itself runs in the next round, not in
 * this one, so it cannot starve the file descriptors.
 *
 * The events that one epoll_wait() returned are kept in the loop while they are dispatched; stopping a
 * watch clears its entries there, which is what makes stopping take effect at once.
 *
 * With a mutex, the wait itself is for the epoll descriptor to become readable, and collects nothing: events are
 * collected when the mutex is held again, so that none is of a watch that was stopped meanwhile.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"

#define LOOP_EVENTS_MAX 32

struct call {
        struct call *next;
        void (*fn)(void *data);
        void *data;
        bool done;
};

struct loop {
        int epoll_fd; /* owned */
        int wake_fd;  /* owned: eventfd for loop_call() and loop_quit() */
        struct watch wake;
        struct timer *timers; /* sorted, borrowed */
        struct task *tasks;   /* in order of scheduling, borrowed */
        uint64_t round;
        struct epoll_event events[LOOP_EVENTS_MAX];
        int n_events;
        pthread_mutex_t *mutex; /* borrowed; NULL: the loop has a thread of its own to itself */

        atomic_bool running;
        atomic_bool quit;
        int result;

        pthread_mutex_t lock; /* calls, owner */
        pthread_cond_t called;
        struct call *calls;
        atomic_uint n_calls; /* in the list */
        pthread_t owner;
};

uint64_t clock_now_ns(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static void run_calls(struct loop *loop)
{
        pthread_mutex_lock(&loop->lock);
        while (loop->calls) {
                struct call *c = loop->calls;

                loop->calls = c->next;
                atomic_fetch_sub(&loop->n_calls, 1);
                pthread_mutex_unlock(&loop->lock);
                c->fn(c->data);
                pthread_mutex_lock(&loop->lock);
                c->done = true;
                pthread_cond_broadcast(&loop->called);
        }
        pthread_mutex_unlock(&loop->lock);
}

static void on_wake(struct watch *w, uint32_t events)
{
        struct loop *loop = container_of(w, struct loop, wake);
        uint64_t n;

        if (read(loop->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
                return;
        run_calls(loop);
}

static void wake(struct loop *loop)
{
        uint64_t one = 1;

        if (write(loop->wake_fd, &one, sizeof(one)) < 0)
                assert(errno == EAGAIN);
}

int loop_new(struct loop **ret)
{
        struct loop *loop;
        int r;

        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        loop->epoll_fd = loop->wake_fd = -1;
        pthread_mutex_init(&loop->lock, NULL);
        pthread_cond_init(&loop->called, NULL);

        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = loop->epoll_fd < 0 || loop->wake_fd < 0 ? -errno : 0;
        if (r == 0)
                r = watch_start(&loop->wake, loop, loop->wake_fd, EPOLLIN, on_wake);
        if (r < 0) {
                loop_free(loop);
                return r;
        }
        *ret = loop;
        return 0;
}

struct loop *loop_free(struct loop *loop)
{
        if (!loop)
                return NULL;

        assert(!atomic_load(&loop->running));
        while (loop->timers)
                timer_stop(loop->timers);
        while (loop->tasks)
                task_cancel(loop->tasks);
        watch_stop(&loop->wake);
        closep(&loop->wake_fd);
        closep(&loop->epoll_fd);
        pthread_cond_destroy(&loop->called);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
        return NULL;
}

/* Time to wait in nanoseconds; -1 for no limit. */
static int64_t wait_ns(const struct loop *loop, int timeout_ms)
{
        int64_t limit_ns = timeout_ms < 0 ? -1 : (int64_t) timeout_ms * (int64_t) NSEC_PER_MSEC;
        uint64_t now;
        int64_t left_ns;

        if (loop->tasks || timeout_ms == 0)
                return 0;
        if (!loop->timers)
                return limit_ns;

        now = clock_now_ns();
        left_ns = loop->timers->deadline_ns > now
                ? (int64_t) MIN(loop->timers->deadline_ns - now, (uint64_t) INT64_MAX) : 0;
        return limit_ns < 0 ? left_ns : MIN(limit_ns, left_ns);
}

static void run_timers(struct loop *loop)
{
        uint64_t now;

        if (!loop->timers)
                return;
        now = clock_now_ns();
        while (loop->timers && loop->timers->deadline_ns <= now) {
                struct timer *t = loop->timers;

                timer_stop(t);
                t->fn(t);
        }
}

static void run_tasks(struct loop *loop)
{
        uint64_t round = loop->round++;

        while (loop->tasks && loop->tasks->round <= round) {
                struct task *t = loop->tasks;

                task_cancel(t);
                t->fn(t);
        }
}

/* Waits, then collects events. Return: how many; a negative errno. */
static int collect(struct loop *loop, int64_t left_ns)
{
        struct timespec ts = { left_ns / (int64_t) NSEC_PER_SEC, left_ns % (int64_t) NSEC_PER_SEC };
        struct pollfd ready = { .fd = loop->epoll_fd, .events = POLLIN };
        int n;

        if (!loop->mutex) {
                n = epoll_pwait2(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX, left_ns < 0 ? NULL : &ts, NULL);
        } else {
                pthread_mutex_unlock(loop->mutex);
                n = ppoll(&ready, 1, left_ns < 0 ? NULL : &ts, NULL);
                pthread_mutex_lock(loop->mutex);
                if (n > 0)
                        n = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX, 0);
        }
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        return n;
}

int loop_step(struct loop *loop, int timeout_ms)
{
        int n;

        if (loop->mutex)
                pthread_mutex_lock(loop->mutex);
        n = collect(loop, wait_ns(loop, timeout_ms));
        loop->n_events = MAX(n, 0);
        for (int i = 0; i < n; i++) {
                struct watch *w = loop->events[i].data.ptr;

                if (w)
                        w->fn(w, loop->events[i].events);
        }
        loop->n_events = 0;
        if (n >= 0) {
                run_timers(loop);
                run_tasks(loop);
        }
        if (loop->mutex)
                pthread_mutex_unlock(loop->mutex);
        return MIN(n, 0);
}

int loop_run(struct loop *loop)
{
        int r = 0;

        pthread_mutex_lock(&loop->lock);
        loop->owner = pthread_self();
        atomic_store(&loop->running, true);
        pthread_mutex_unlock(&loop->lock);

        while (r == 0 && !atomic_load(&loop->quit))
                r = loop_step(loop, -1);

        pthread_mutex_lock(&loop->lock);
        atomic_store(&loop->running, false);
        pthread_mutex_unlock(&loop->lock);
        run_calls(loop);

        atomic_store(&loop->quit, false);
        return r < 0 ? r : loop->result;
}

void loop_set_mutex(struct loop *loop, pthread_mutex_t *mutex)
{
        loop->mutex = mutex;
}

void loop_quit(struct loop *loop, int result)
{
        loop->result = result;
        atomic_store(&loop->quit, true);
        wake(loop);
}

void loop_call(struct loop *loop, void (*fn)(void *data), void *data)
{
        struct call call = { .fn = fn, .data = data };

        pthread_mutex_lock(&loop->lock);
        if (!atomic_load(&loop->running) || pthread_equal(loop->owner, pthread_self())) {
                pthread_mutex_unlock(&loop->lock);
                fn(data);
                return;
        }
        call.next = loop->calls;
        loop->calls = &call;
        atomic_fetch_add(&loop->n_calls, 1);
        wake(loop);
        while (!call.done)
                pthread_cond_wait(&loop->called, &loop->lock);
        pthread_mutex_unlock(&loop->lock);
}

bool loop_is_called(const struct loop *loop) { return atomic_load(&loop->n_calls) > 0; }

int watch_start(struct watch *w, struct loop *loop, int fd, uint32_t events, watch_fn fn)
{
        struct epoll_event e = { .events = events, .data.ptr = w };

        assert(!w->loop);
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
                return -errno;
        *w = (struct watch) { .loop = loop, .fd = fd, .events = events, .fn = fn };
        return 0;
}

int watch_set_events(struct watch *w, uint32_t events)
{
        struct epoll_event e = { .events = events, .data.ptr = w };

        if (!w->loop || w->events == events)
                return 0;
        if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0)
                return -errno;
        w->events = events;
        return 0;
}

void watch_stop(struct watch *w)
{
        struct loop *loop = w->loop;

        if (!loop)
                return;
        (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        for (int i = 0; i < loop->n_events; i++)
                if (loop->events[i].data.ptr == w)
                        loop->events[i].data.ptr = NULL;
        w->loop = NULL;
}

void timer_start(struct timer *t, struct loop *loop, uint64_t deadline_ns, timer_fn fn)
{
        struct timer **at = &loop->timers, *prev = NULL;

        timer_stop(t);
        while (*at && (*at)->deadline_ns <= deadline_ns) {
                prev = *at;
                at = &(*at)->next;
        }
        *t = (struct timer) { .loop = loop, .prev = prev, .next = *at, .deadline_ns = deadline_ns, .fn = fn };
        if (t->next)
                t->next->prev = t;
        *at = t;
        /* Another thread's: the loop may be waiting for a later one. */
        if (loop->mutex && loop->timers == t)
                wake(loop);
}

void timer_stop(struct timer *t)
{
        if (!t->loop)
                return;
        if (t->prev)
                t->prev->next = t->next;
        else
                t->loop->timers = t->next;
        if (t->next)
                t->next->prev = t->prev;
        t->loop = NULL;
        t->prev = t->next = NULL;
}

void task_schedule(struct task *t, struct loop *loop, task_fn fn)
{
        struct task **at = &loop->tasks, *prev = NULL;

        if (t->loop)
                return;
        while (*at) {
                prev = *at;
                at = &(*at)->next;
        }
        *t = (struct task) { .loop = loop, .prev = prev, .round = loop->round, .fn = fn };
        *at = t;
}

void task_cancel(struct task *t)
{
        if (!t->loop)
                return;
        if (t->prev)
                t->prev->next = t->next;
        else
                t->loop->tasks = t->next;
        if (t->next)
                t->next->prev = t->prev;
        t->loop = NULL;
        t->prev = t->next = NULL;
}
