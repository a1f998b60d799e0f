/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Event loop: one per thread, over epoll(7).
 *
 *   watch   a file descriptor and the function that is called when it is ready
 *   timer   a function that is called once at a point in time
 *   task    a function that is called once, after the events of this round, before the next wait
 *
 * All three are embedded in their owner, who starts and stops them; stopping is idempotent, allowed in
 * any callback (its own included) and takes effect at once: a stopped watch gets no event that was
 * already collected. Zero-initialised means stopped. Everything but loop_call(), loop_is_called() and
 * loop_quit() belongs to the loop's own thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct watch;
struct timer;
struct task;

typedef void (*watch_fn)(struct watch *w, uint32_t events);
typedef void (*timer_fn)(struct timer *t);
typedef void (*task_fn)(struct task *t);

struct watch {
        struct loop *loop; /* borrowed; NULL when stopped */
        int fd;            /* borrowed */
        uint32_t events;   /* EPOLLIN, EPOLLOUT, EPOLLET ... */
        watch_fn fn;
};

struct timer {
        struct loop *loop; /* borrowed; NULL when stopped */
        struct timer *prev, *next;
        uint64_t deadline_ns; /* CLOCK_MONOTONIC */
        timer_fn fn;
};

struct task {
        struct loop *loop; /* borrowed; NULL when not scheduled */
        struct task *prev, *next;
        uint64_t round; /* of the loop, when it was scheduled */
        task_fn fn;
};

/* Return: 0 and *ret owned by the caller, or a negative errno. */
int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);

static inline void loop_freep(struct loop **loop)
{
        *loop = loop_free(*loop);
}

/**
 * loop_run() - dispatch until loop_quit()
 *
 * Return: the value given to loop_quit(), or a negative errno if waiting failed.
 */
int loop_run(struct loop *loop);

/**
 * loop_step() - one round: wait, dispatch what is ready, timers, tasks
 * @timeout_ms: longest wait; 0 polls, -1 waits without limit
 *
 * Return: 0, or a negative errno.
 */
int loop_step(struct loop *loop, int timeout_ms);

/**
 * loop_set_mutex() - share the loop's state with other threads
 * @mutex: borrowed; held while callbacks run and while events are collected, not while waiting
 *
 * Others who hold @mutex may start timers, and stop watches, timers and tasks, too; an event can then not have been
 * collected already. They must not wait in loop_call(). Called before the loop runs.
 */
void loop_set_mutex(struct loop *loop, pthread_mutex_t *mutex);

/* Ends loop_run() after the current round. Any thread. */
void loop_quit(struct loop *loop, int result);

/**
 * loop_call() - run @fn on the loop's thread and wait until it has returned
 *
 * Called on the loop's own thread, or while nothing runs the loop and the caller does not race with one
 * who starts it, it is a plain function call. Any thread.
 */
void loop_call(struct loop *loop, void (*fn)(void *data), void *data);

/* Another thread waits in loop_call(), and its function does not run yet: work that takes long had better return to the
   loop, and go on afterwards. Any thread. */
bool loop_is_called(const struct loop *loop);

/* CLOCK_MONOTONIC now, in nanoseconds. */
uint64_t clock_now_ns(void);

/* Return: 0, or a negative errno (of epoll_ctl). @fd stays the caller's and must outlive the watch. */
int watch_start(struct watch *w, struct loop *loop, int fd, uint32_t events, watch_fn fn);
int watch_set_events(struct watch *w, uint32_t events);
void watch_stop(struct watch *w);

/* (Re)arms: fires once, not before @deadline_ns. Cannot fail. */
void timer_start(struct timer *t, struct loop *loop, uint64_t deadline_ns, timer_fn fn);
void timer_stop(struct timer *t);

/* Schedules; does nothing if already scheduled. Cannot fail. */
void task_schedule(struct task *t, struct loop *loop, task_fn fn);
void task_cancel(struct task *t);
