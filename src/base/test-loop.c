/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"

struct peer {
        struct watch watch;
        struct peer *victim;
        int n_calls;
};

static void stop_victim(struct watch *w, uint32_t events)
{
        struct peer *p = container_of(w, struct peer, watch);

        p->n_calls++;
        watch_stop(&p->victim->watch);
}

static void stopped_watch_gets_no_collected_event(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        auto_cleanup(closep) int fd_a = fd_event();
        auto_cleanup(closep) int fd_b = fd_event();
        struct peer a = { 0 }, b = { .victim = &a };

        a.victim = &b;
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(watch_start(&a.watch, loop, fd_a, EPOLLIN, stop_victim), 0);
        assert_int_equal(watch_start(&b.watch, loop, fd_b, EPOLLIN, stop_victim), 0);
        fd_event_signal(fd_a);
        fd_event_signal(fd_b);
        assert_int_equal(loop_step(loop, 0), 0);
        assert_int_equal(a.n_calls + b.n_calls, 1);
        watch_stop(&a.watch);
        watch_stop(&b.watch);
}

struct clockwork {
        struct timer timer;
        struct task task;
        struct loop *loop;
        int n_calls;
};

static void again(struct task *t)
{
        struct clockwork *c = container_of(t, struct clockwork, task);

        c->n_calls++;
        task_schedule(&c->task, c->loop, again);
}

static void task_that_schedules_itself_runs_once_a_round(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct clockwork c = { 0 };

        assert_int_equal(loop_new(&loop), 0);
        c.loop = loop;
        task_schedule(&c.task, loop, again);
        assert_int_equal(loop_step(loop, -1), 0);
        assert_int_equal(c.n_calls, 1);
        assert_int_equal(loop_step(loop, -1), 0);
        assert_int_equal(c.n_calls, 2);
        task_cancel(&c.task);
}

static void count_and_quit(struct timer *t)
{
        struct clockwork *c = container_of(t, struct clockwork, timer);

        c->n_calls++;
        loop_quit(c->loop, 7);
}

static void never(struct timer *t)
{
        fail();
}

static void timers_fire_in_order_of_deadline(void **state)
{
        struct clockwork early = { 0 }, late = { 0 }; /* before the loop, which stops them when it is freed */
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        uint64_t now = clock_now_ns();

        assert_int_equal(loop_new(&loop), 0);
        early.loop = late.loop = loop;
        timer_start(&late.timer, loop, now + 3600 * NSEC_PER_SEC, never);
        timer_start(&early.timer, loop, now + NSEC_PER_MSEC, count_and_quit);
        assert_int_equal(loop_run(loop), 7);
        assert_int_equal(early.n_calls, 1);
        assert_true(clock_now_ns() >= now + NSEC_PER_MSEC);
}

static void add_one(void *data)
{
        (*(int *) data)++;
}

static void call_runs_on_the_worker_and_waits(void **state)
{
        struct worker *w = NULL;
        int n = 0;

        assert_int_equal(worker_new("test", &w), 0);
        for (int i = 0; i < 100; i++)
                loop_call(worker_loop(w), add_one, &n);
        assert_int_equal(n, 100);
        assert_null(worker_free(w));
}

struct shared {
        struct watch watch;
        struct loop *loop;
        pthread_mutex_t mutex;
        int fd;
        int n_calls;
};

static void expect_mutex(struct watch *w, uint32_t events)
{
        struct shared *s = container_of(w, struct shared, watch);

        assert_int_not_equal(pthread_mutex_trylock(&s->mutex), 0);
        s->n_calls++;
        (void) fd_event_take(s->fd);
        loop_quit(s->loop, 0);
}

/* Makes the watch ready and stops it, without the loop in between. */
static void *stop_when_ready(void *data)
{
        struct shared *s = data;

        pthread_mutex_lock(&s->mutex);
        fd_event_signal(s->fd);
        watch_stop(&s->watch);
        loop_quit(s->loop, 0);
        pthread_mutex_unlock(&s->mutex);
        return NULL;
}

static void loop_holds_its_mutex_in_callbacks_but_not_while_it_waits(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        auto_cleanup(closep) int fd = fd_event();
        struct shared s = { .fd = fd };
        pthread_t thread;

        pthread_mutex_init(&s.mutex, NULL);
        assert_int_equal(loop_new(&loop), 0);
        s.loop = loop;
        loop_set_mutex(loop, &s.mutex);
        assert_int_equal(watch_start(&s.watch, loop, fd, EPOLLIN, expect_mutex), 0);
        fd_event_signal(fd);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(s.n_calls, 1);

        /* The loop can only end by the thread's taking of the mutex, at whatever moment that falls. */
        for (int i = 0; i < 200; i++) {
                assert_int_equal(pthread_create(&thread, NULL, stop_when_ready, &s), 0);
                assert_int_equal(loop_run(loop), 0);
                pthread_join(thread, NULL);
                assert_int_equal(s.n_calls, 1);
                (void) fd_event_take(fd);
                assert_int_equal(watch_start(&s.watch, loop, fd, EPOLLIN, expect_mutex), 0);
        }
        watch_stop(&s.watch);
        pthread_mutex_destroy(&s.mutex);
}

struct hurry {
        struct timer timer, later;
        struct loop *loop;
        pthread_mutex_t mutex;
};

static void quit_in_time(struct timer *t)
{
        loop_quit(container_of(t, struct hurry, timer)->loop, 0);
}

static void quit_late(struct timer *t)
{
        loop_quit(container_of(t, struct hurry, later)->loop, 1);
}

static void *start_timer(void *data)
{
        struct hurry *h = data;

        pthread_mutex_lock(&h->mutex);
        timer_start(&h->timer, h->loop, clock_now_ns(), quit_in_time);
        pthread_mutex_unlock(&h->mutex);
        return NULL;
}

static void timer_of_another_thread_ends_the_wait_for_a_later_one(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct hurry h = { 0 };
        pthread_t thread;

        pthread_mutex_init(&h.mutex, NULL);
        assert_int_equal(loop_new(&loop), 0);
        h.loop = loop;
        loop_set_mutex(loop, &h.mutex);
        for (int i = 0; i < 100; i++) {
                timer_start(&h.later, loop, clock_now_ns() + 20 * NSEC_PER_SEC, quit_late);
                assert_int_equal(pthread_create(&thread, NULL, start_timer, &h), 0);
                assert_int_equal(loop_run(loop), 0);
                pthread_join(thread, NULL);
        }
        timer_stop(&h.later);
        pthread_mutex_destroy(&h.mutex);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stopped_watch_gets_no_collected_event),
                cmocka_unit_test(task_that_schedules_itself_runs_once_a_round),
                cmocka_unit_test(timers_fire_in_order_of_deadline),
                cmocka_unit_test(loop_holds_its_mutex_in_callbacks_but_not_while_it_waits),
                cmocka_unit_test(timer_of_another_thread_ends_the_wait_for_a_later_one),
                cmocka_unit_test(call_runs_on_the_worker_and_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
