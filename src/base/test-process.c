/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The end of a child. A dead process that is traced (by a debugger, or by the leak checker of a sanitizer, which is a
 * process of its own) is there for its tracer only, until that one lets go of it: its pidfd is readable, and nothing
 * can be reaped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "base/process.h"

#define CHILD_OUT 3
#define CHILD_IN 4

struct fixture {
        struct loop *loop;
        struct process process;
        int n_ends, status;
        struct timer limit;
        bool is_over;
};

static void on_end(struct process *p, int status)
{
        struct fixture *f = container_of(p, struct fixture, process);

        f->n_ends++;
        f->status = status;
}

static void on_limit(struct timer *t) { container_of(t, struct fixture, limit)->is_over = true; }

/* Rounds of the loop until the child's end is told, or until then. */
static unsigned run_until_end(struct fixture *f, unsigned limit_ms)
{
        unsigned n = 0;

        f->is_over = false;
        timer_start(&f->limit, f->loop, clock_now_ns() + limit_ms * NSEC_PER_MSEC, on_limit);
        for (; f->n_ends == 0 && !f->is_over; n++)
                assert_int_equal(loop_step(f->loop, -1), 0);
        timer_stop(&f->limit);
        return n;
}

/* This program again, as a child: waits to be killed, with a tracer that holds it until its standard input,
   so to speak, ends. */
static int be_traced(void)
{
        pid_t me = getpid();
        char is_traced;

        (void) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        if (fork() == 0) {
                is_traced = ptrace(PTRACE_SEIZE, me, NULL, NULL) == 0;
                if (write(CHILD_OUT, &is_traced, 1) == 1)
                        (void) !read(CHILD_IN, &is_traced, 1);
                _exit(0);
        }
        for (;;)
                (void) pause();
}

static int start(struct fixture *f, const char *const *argv, const struct process_fd *fds, size_t n_fds)
{
        const struct process_spec spec = {
                .argv = argv, .program = argv[1] ? "/proc/self/exe" : NULL, .fds = fds, .n_fds = n_fds
        };

        *f = (struct fixture) { 0 };
        assert_int_equal(loop_new(&f->loop), 0);
        return process_start(&f->process, f->loop, &spec, on_end);
}

static void an_end_is_told_once(void **state)
{
        struct fixture f;

        assert_int_equal(start(&f, (const char *const[]) { "false", NULL }, NULL, 0), 0);
        (void) run_until_end(&f, 10000);
        assert_int_equal(f.n_ends, 1);
        assert_true(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 1);
        assert_int_equal(f.process.pid, 0);
        loop_free(f.loop);
}

static void the_end_of_a_traced_child_is_waited_for_without_a_spin(void **state)
{
        struct fixture f;
        int out[2], in[2];
        char is_traced = 0;
        struct pollfd dead;

        assert_int_equal(pipe(out), 0);
        assert_int_equal(pipe(in), 0);
        assert_int_equal(start(&f, (const char *const[]) { "test-process", "traced", NULL },
                               (const struct process_fd[]) { { out[1], CHILD_OUT }, { in[0], CHILD_IN } }, 2), 0);
        (void) close(out[1]);
        (void) close(in[0]);
        assert_int_equal(read(out[0], &is_traced, 1), 1);
        if (is_traced) {
                assert_int_equal(process_signal(&f.process, SIGKILL), 0);
                dead = (struct pollfd) { .fd = f.process.pidfd, .events = POLLIN };
                assert_int_equal(poll(&dead, 1, 10000), 1);
                /* Each event there is costs a round, and so does the end of waiting. */
                assert_in_range(run_until_end(&f, 100), 1, 5);
                assert_int_equal(f.n_ends, 0);
                (void) close(in[1]);
                (void) run_until_end(&f, 10000);
                assert_int_equal(f.n_ends, 1);
                assert_true(WIFSIGNALED(f.status) && WTERMSIG(f.status) == SIGKILL);
        }
        (void) close(out[0]);
        process_deinit(&f.process);
        loop_free(f.loop);
        if (!is_traced) {
                (void) close(in[1]);
                skip(); /* this host lets nobody trace */
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_end_is_told_once),
                cmocka_unit_test(the_end_of_a_traced_child_is_waited_for_without_a_spin),
        };

        if (argc > 1 && strcmp(argv[1], "traced") == 0)
                return be_traced();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
