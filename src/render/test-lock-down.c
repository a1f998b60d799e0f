/* SPDX-License-Identifier: MPL-2.0 */
/* What a render process may do once its driver has started: each case in a child that is locked down as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "render/process.h"
#include "sandbox/sandbox.h"

#define SETUP_FAILED 99

/* Return: its wait status. */
static int run_child(int (*attempt)(void))
{
        int status = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) close(STDERR_FILENO);
                _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || render_lock_down() < 0 ? SETUP_FAILED : attempt());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void *touch(void *data)
{
        *(int *) data = 1;
        return NULL;
}

static int start_thread(void)
{
        pthread_t thread;
        int touched = 0;

        return pthread_create(&thread, NULL, touch, &touched) != 0 || pthread_join(thread, NULL) != 0 || !touched;
}

static int start_process(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return 0;
}

static int start_process_with_flags_in_memory(void)
{
        struct {
                uint64_t flags, rest[7];
        } args = { 0 };

        return syscall(SYS_clone3, &args, sizeof(args)) == -1 && errno == ENOSYS ? 0 : 1;
}

static int start_thread_in_a_namespace(void)
{
        return syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, NULL, NULL, NULL, 0) < 0;
}

static int set_policy(int policy, int priority)
{
        const struct sched_param param = { .sched_priority = priority };

        return sched_setscheduler(0, policy, &param) < 0;
}

static int take_real_time_priority(void) { return set_policy(SCHED_RR, 1); }
static int give_way(void) { return set_policy(SCHED_BATCH, 0); }

static void drivers_may_start_threads(void **state) { assert_int_equal(run_child(start_thread), 0); }

static void nothing_starts_a_process(void **state)
{
        int status;

        if (sandbox_sanitizer_build()) {
                print_message("# sanitizer build: system calls are not restricted\n");
                return;
        }
        status = run_child(start_process);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        assert_int_equal(run_child(start_process_with_flags_in_memory), 0);
        status = run_child(start_thread_in_a_namespace);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void nothing_takes_real_time_priority(void **state)
{
        int status;

        assert_int_equal(run_child(give_way), 0);
        if (sandbox_sanitizer_build())
                return;
        status = run_child(take_real_time_priority);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(drivers_may_start_threads),
                cmocka_unit_test(nothing_starts_a_process),
                cmocka_unit_test(nothing_takes_real_time_priority),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
