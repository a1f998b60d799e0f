/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Each case forks, locks the child down as a device server of type rng is, and tries something. What the child
 * wrote to stderr and how it ended tell whether the lock held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>
#include <cmocka.h>
#include <seccomp.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "sandbox/sandbox.h"

#define CHILD_OK 0
#define CHILD_SETUP_FAILED 99

static char log_text[4096];

/* Return: the child's wait status; its stderr is in log_text. */
static int run_child(void (*prepare)(struct sandbox *s), int (*attempt)(void))
{
        auto_cleanup(closep) int file = memfd_create("log", MFD_CLOEXEC);
        int status = -1;
        ssize_t n;
        pid_t pid;

        assert_true(file >= 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct sandbox s;

                (void) dup2(file, STDERR_FILENO);
                sandbox_init(&s, "rng");
                if (prepare)
                        prepare(&s);
                if (sandbox_enter(&s) < 0 || sandbox_filter_calls(&s) < 0)
                        _exit(CHILD_SETUP_FAILED);
                sandbox_deinit(&s);
                _exit(attempt());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        n = pread(file, log_text, sizeof(log_text) - 1, 0);
        log_text[n > 0 ? n : 0] = '\0';
        return status;
}

/* cmocka 1.1 reports a skipped case as "not ok", so a case that cannot hold here passes with a remark. */
static bool unfiltered(void)
{
        if (sandbox_sanitizer_build())
                print_message("# sanitizer build: system calls are not restricted\n");
        return sandbox_sanitizer_build();
}

static void expect_named(int status, const char *name, int number)
{
        char expected[128];

        (void) snprintf(expected, sizeof(expected), "error rng: system call '%s' (%d) is not allowed here\n", name,
                        number);
        assert_string_equal(log_text, expected);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int open_file(void) { return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0; }

static int execute(void)
{
        char *const argv[] = { (char *) "true", NULL };

        return execve("/bin/true", argv, argv + 1);
}

static int connect_to_network(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int trace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0; }
static int start_process(void) { return fork() < 0; }
static int kill_another(void) { return kill(1, 0); }
static int kill_another_by_thread(void) { return (int) syscall(SYS_tgkill, 1, 1, 0); }
static int control_terminal(void) { return ioctl(STDERR_FILENO, TIOCSTI, "x"); }

static int map_code(void)
{
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static void forbidden_calls_end_the_server_and_are_named(void **state)
{
        if (unfiltered())
                return;
        expect_named(run_child(NULL, open_file), "openat", SYS_openat);
        expect_named(run_child(NULL, execute), "execve", SYS_execve);
        expect_named(run_child(NULL, connect_to_network), "socket", SYS_socket);
        expect_named(run_child(NULL, trace), "ptrace", SYS_ptrace);
        expect_named(run_child(NULL, start_process), "clone", SYS_clone);
        expect_named(run_child(NULL, kill_another), "kill", SYS_kill);
        expect_named(run_child(NULL, kill_another_by_thread), "tgkill", SYS_tgkill);
        expect_named(run_child(NULL, control_terminal), "ioctl", SYS_ioctl);
}

static void executable_memory_is_forbidden(void **state)
{
        if (unfiltered())
                return;
        expect_named(run_child(NULL, map_code), "mmap", SYS_mmap);
}

static int ordinary_work(void)
{
        void *p = malloc(1 << 20);
        int fd = memfd_create("x", MFD_CLOEXEC);

        if (!p || fd < 0 || ftruncate(fd, 4096) < 0)
                return 1;
        free(p);
        if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
                return 2;
        return clock_now_ns() > 0 ? CHILD_OK : 3;
}

static void ordinary_work_goes_on(void **state)
{
        int status = run_child(NULL, ordinary_work);

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), CHILD_OK);
        assert_string_equal(log_text, "");
}

static int abort_now(void) { abort(); }

static void abort_is_seen_as_abort(void **state)
{
        int status = run_child(NULL, abort_now);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Files by Landlock alone: the type asked for the call, not for the path. */
static const struct sandbox_call file_calls[] = { SANDBOX_CALL("openat"), SANDBOX_CALL("unlink"),
                                                  SANDBOX_CALL("unlinkat"), { .name = NULL } };

static char folder[] = "/tmp/busbar-sandbox-XXXXXX";

static void allow_folder(struct sandbox *s)
{
        assert_int_equal(sandbox_allow_calls(s, file_calls), 0);
        assert_int_equal(sandbox_allow_path(s, folder, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_CREATE), 0);
}

static void allow_removal(struct sandbox *s)
{
        assert_int_equal(sandbox_allow_calls(s, file_calls), 0);
        assert_int_equal(sandbox_allow_path(s, folder, SANDBOX_REMOVE), 0);
}

static int open_inside_and_outside(void)
{
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/new", folder);
        if (open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
                return 1;
        if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                return 2;
        return CHILD_OK;
}

static int remove_but_not_read(void)
{
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/new", folder);
        if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                return 1;
        return unlink(path) < 0 ? 2 : CHILD_OK;
}

static bool have_landlock(void) { return syscall(SYS_landlock_create_ruleset, NULL, (size_t) 0, 1U) > 0; }

static void files_are_reachable_where_asked_for_only(void **state)
{
        if (unfiltered())
                return;
        if (!have_landlock()) {
                print_message("# this kernel has no Landlock\n");
                return;
        }
        assert_non_null(mkdtemp(folder));
        assert_int_equal(run_child(allow_folder, open_inside_and_outside), CHILD_OK);
        assert_int_equal(run_child(allow_removal, remove_but_not_read), CHILD_OK);
        assert_int_equal(rmdir(folder), 0);
}

/* The kernel seems to be one without Landlock. */
static void hide_landlock(struct sandbox *s)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SYS_landlock_create_ruleset, 0) < 0 ||
            seccomp_load(filter) < 0)
                _exit(CHILD_SETUP_FAILED);
        seccomp_release(filter);
        log_set_level(LOG_LEVEL_DEBUG);
}

static void kernel_without_landlock_leaves_the_other_stages(void **state)
{
        int status;

        if (unfiltered())
                return;
        assert_int_equal(run_child(hide_landlock, ordinary_work), CHILD_OK);
        assert_non_null(strstr(log_text, "no Landlock here"));
        status = run_child(hide_landlock, open_file);
        assert_non_null(strstr(log_text, "error rng: system call 'openat'"));
        assert_true(WIFSIGNALED(status));
}

static int look_at_itself(void)
{
        struct rlimit core;

        if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
                return 1;
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                return 2;
        if (!sandbox_sanitizer_build() && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
                return 3;
        if (capng_get_caps_process() < 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
                return 4;
        return CHILD_OK;
}

/* Without the filter, which forbids looking. */
static void privileges_and_limits_are_gone(void **state)
{
        int status = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct sandbox s;

                sandbox_init(&s, "rng");
                _exit(sandbox_enter(&s) < 0 ? CHILD_SETUP_FAILED : look_at_itself());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, CHILD_OK);
}

static struct worker *worker;

static void open_a_file(void *data) { (void) open_file(); }

static void start_worker(struct sandbox *s)
{
        if (worker_new("queues-0", &worker) < 0)
                _exit(CHILD_SETUP_FAILED);
}

static int misbehave_on_worker(void)
{
        loop_call(worker_loop(worker), open_a_file, NULL);
        return 1;
}

static int end_worker(void)
{
        worker_free(worker);
        return CHILD_OK;
}

static void filter_holds_for_worker_threads(void **state)
{
        if (unfiltered())
                return;
        expect_named(run_child(start_worker, misbehave_on_worker), "openat", SYS_openat);
}

static void worker_threads_work_and_end(void **state)
{
        int status = run_child(start_worker, end_worker);

        assert_string_equal(log_text, "");
        assert_int_equal(status, CHILD_OK);
}

/* A thread with a list of its own beside a main thread with another. */
static const struct sandbox_call getppid_call[] = { SANDBOX_CALL("getppid"), { .name = NULL } };
static struct sandbox_thread_filter *thread_filter;
static pthread_barrier_t filtered, go_on;
static int (*thread_attempt)(void);
static pthread_t thread;

static void *be_thread(void *data)
{
        if (sandbox_filter_thread(thread_filter) < 0)
                _exit(CHILD_SETUP_FAILED);
        (void) pthread_barrier_wait(&filtered);
        (void) pthread_barrier_wait(&go_on);
        return (void *) (intptr_t) thread_attempt();
}

static void start_own_thread(struct sandbox *s)
{
        s->own_threads = true;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || pthread_barrier_init(&filtered, NULL, 2) != 0 ||
            pthread_barrier_init(&go_on, NULL, 2) != 0 ||
            sandbox_thread_filter_new("rng", getppid_call, &thread_filter) < 0 ||
            pthread_create(&thread, NULL, be_thread, NULL) != 0)
                _exit(CHILD_SETUP_FAILED);
        (void) pthread_barrier_wait(&filtered);
}

static int let_thread_try(void)
{
        void *result;

        (void) pthread_barrier_wait(&go_on);
        if (pthread_join(thread, &result) != 0)
                return 1;
        sandbox_thread_filter_free(thread_filter);
        return (int) (intptr_t) result;
}

static int get_parent(void) { return getppid() > 0 ? CHILD_OK : 1; }
static int accept_connection(void) { return (int) syscall(SYS_accept4, -1, NULL, NULL, 0); }

static void a_kind_of_threads_has_a_list_of_its_own(void **state)
{
        if (unfiltered())
                return;
        thread_attempt = get_parent;
        assert_int_equal(run_child(start_own_thread, let_thread_try), CHILD_OK);
        expect_named(run_child(start_own_thread, get_parent), "getppid", SYS_getppid);
        thread_attempt = accept_connection;
        expect_named(run_child(start_own_thread, let_thread_try), "accept4", SYS_accept4);
        thread_attempt = map_code;
        expect_named(run_child(start_own_thread, let_thread_try), "mmap", SYS_mmap);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(forbidden_calls_end_the_server_and_are_named),
                cmocka_unit_test(executable_memory_is_forbidden),
                cmocka_unit_test(ordinary_work_goes_on),
                cmocka_unit_test(abort_is_seen_as_abort),
                cmocka_unit_test(files_are_reachable_where_asked_for_only),
                cmocka_unit_test(kernel_without_landlock_leaves_the_other_stages),
                cmocka_unit_test(privileges_and_limits_are_gone),
                cmocka_unit_test(filter_holds_for_worker_threads),
                cmocka_unit_test(worker_threads_work_and_end),
                cmocka_unit_test(a_kind_of_threads_has_a_list_of_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
