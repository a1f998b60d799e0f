/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The platform kvm with a monitor that is none: the platform executes its own program, which here is this test, and
 * main() plays the monitor when its first word says so. The machine's name is the part it plays, the kernel a file in
 * which each process leaves a byte, so that a second one knows that it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "platform/kvm.h"

#define CONTROL 3
#define SERIAL 4
#define STEP_MS 5000
#define PATIENCE_NS (20 * NSEC_PER_SEC)

/* The monitor's side. */

static void say(const char *text)
{
        if (send(CONTROL, text, strlen(text), 0) < 0)
                _exit(90);
}

/* The supervisor says this next; or the part is over. */
static void hear(const char *what)
{
        char text[256], expected[64];
        ssize_t n = recv(CONTROL, text, sizeof(text) - 1, 0);

        if (n <= 0)
                _exit(91);
        text[n] = '\0';
        (void) snprintf(expected, sizeof(expected), "{\"do\":\"%s\"}", what);
        if (strcmp(text, expected) != 0)
                _exit(92);
}

static void be_brought_up(void)
{
        say("{\"event\":\"ready\"}");
        hear("resume");
        say("{\"event\":\"running\"}");
}

static int end(const char *how, int status)
{
        char text[128];

        (void) snprintf(text, sizeof(text), "{\"event\":\"ended\",\"how\":\"%s\",\"text\":\"why %s\"}", how, how);
        say(text);
        return status;
}

static int play_ordinary_life(void)
{
        be_brought_up();
        hear("pause");
        say("{\"event\":\"paused\"}");
        hear("resume");
        say("{\"event\":\"running\"}");
        hear("power-down");
        say("{\"event\":\"error\",\"text\":\"not now\"}");
        hear("power-down");
        return end("powered-off", 0);
}

static int play_panic(void)
{
        be_brought_up();
        return end("panicked", 4);
}

static int play_crash(void)
{
        be_brought_up();
        return end("crashed", 5);
}

static int play_wordless_panic(void)
{
        be_brought_up();
        return 4;
}

static int play_failure(void) { return end("failed", 1); }

static int play_early_exit(void) { return 0; }

static int play_death(void)
{
        be_brought_up();
        fprintf(stderr, "debug something\nerror death: system call 'ptrace' (101) is not allowed here\n");
        (void) raise(SIGKILL);
        return 0;
}

static int play_garbage(void)
{
        be_brought_up();
        say("{\"event\":\"dance\"}");
        (void) pause();
        return 0;
}

static int play_giant(void)
{
        static char text[20000];

        memset(text, ' ', sizeof(text) - 1);
        memcpy(text, "{\"event\":\"ready\"}", 17);
        say(text);
        (void) pause();
        return 0;
}

static int play_sloth(void)
{
        (void) pause();
        return 0;
}

static int play_remains(void)
{
        be_brought_up();
        say("{\"event\":\"ended\",\"how\":\"powered-off\"}");
        (void) pause();
        return 0;
}

static int play_deafness(void)
{
        be_brought_up();
        (void) close(CONTROL);
        (void) pause();
        return 0;
}

static bool is_second;

static int play_reset(void)
{
        be_brought_up();
        return is_second ? end("powered-off", 0) : end("reset", 3);
}

static int play_watchdog(void)
{
        be_brought_up();
        return is_second ? end("powered-off", 0) : end("watchdog", 6);
}

static int play_spin(void)
{
        be_brought_up();
        return end("reset", 3);
}

/* Its second process waits until the test has said what it wants. */
static int play_slow_reset(void)
{
        if (is_second)
                (void) raise(SIGSTOP);
        be_brought_up();
        if (!is_second)
                return end("reset", 3);
        return end("powered-off", 0);
}

static int play_serial(void)
{
        static const char text[] = "[    0.000000] Booting\r\nBus\001bar\n";

        if (write(SERIAL, text, sizeof(text) - 1) < 0)
                return 93;
        be_brought_up();
        return end("powered-off", 0);
}

static int play_flood(void)
{
        be_brought_up();
        for (int i = 0; i < 200; i++)
                say(i % 2 ? "{\"event\":\"running\"}" : "{\"event\":\"ready\"}");
        return end("powered-off", 0);
}

static const struct {
        const char *name;
        int (*play)(void);
} parts[] = {
        { "crash", play_crash },
        { "deafness", play_deafness },
        { "death", play_death },
        { "early-exit", play_early_exit },
        { "failure", play_failure },
        { "flood", play_flood },
        { "garbage", play_garbage },
        { "giant", play_giant },
        { "ordinary-life", play_ordinary_life },
        { "panic", play_panic },
        { "remains", play_remains },
        { "reset", play_reset },
        { "serial", play_serial },
        { "slow-reset", play_slow_reset },
        { "sloth", play_sloth },
        { "spin", play_spin },
        { "watchdog", play_watchdog },
        { "wordless-panic", play_wordless_panic },
};

static int play(int argc, char **argv)
{
        const char *name = "";

        for (int i = 2; i < argc; i++) {
                if (strncmp(argv[i], "--name=", 7) == 0)
                        name = argv[i] + 7;
                if (strncmp(argv[i], "--kernel=", 9) == 0) {
                        int fd = open(argv[i] + 9, O_WRONLY | O_APPEND | O_CLOEXEC);
                        struct stat st;

                        is_second = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
                        if (fd < 0 || write(fd, "x", 1) != 1)
                                return 94;
                }
        }
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (strcmp(parts[i].name, name) == 0)
                        return parts[i].play();
        return 95;
}

/* The supervisor's side. */

static struct fixture {
        struct loop *loop;
        struct platform_instance *instance;
        struct machine machine;
        char kernel[64];
        unsigned n_ready, n_running, n_paused, n_ended;
        enum machine_end how;
        char text[1024];
        bool resumes; /* as soon as it is ready */
} f;

static void on_ready(void *data)
{
        f.n_ready++;
        if (f.resumes)
                assert_int_equal(kvm_platform.resume(f.instance), 0);
}

static void on_running(void *data, bool running)
{
        if (running)
                f.n_running++;
        else
                f.n_paused++;
}

static void on_ended(void *data, enum machine_end how, const char *text)
{
        f.n_ended++;
        f.how = how;
        (void) snprintf(f.text, sizeof(f.text), "%s", text);
}

static int set_up(void **state)
{
        int fd;

        (void) alarm(60); /* a test that hangs fails */
        f = (struct fixture){ .resumes = true };
        (void) snprintf(f.kernel, sizeof(f.kernel), "/tmp/busbar-test.XXXXXX");
        fd = mkstemp(f.kernel);
        if (fd < 0)
                return -1;
        (void) close(fd);
        f.machine = (struct machine){ .kernel = f.kernel, .n_vcpus = 1, .memory_bytes = 4096 };
        return loop_new(&f.loop);
}

static int tear_down(void **state)
{
        if (f.instance)
                f.instance = kvm_platform.free(f.instance);
        f.loop = loop_free(f.loop);
        return unlink(f.kernel);
}

static void bring_up(const char *part)
{
        static const struct platform_events events = { on_ready, on_running, on_ended };
        struct platform_probe probe = { .usable = true };
        char *error = NULL;

        f.machine.id = (char *) part;
        assert_int_equal(kvm_platform.bring_up(f.loop, &f.machine, &probe, &events, NULL, &f.instance, &error), 0);
}

static void await(const unsigned *counter, unsigned n)
{
        uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

        while (*counter < n && clock_now_ns() < deadline_ns)
                assert_int_equal(loop_step(f.loop, STEP_MS), 0);
        assert_int_equal(*counter, n);
}

static void expect_end(const char *part, enum machine_end how, const char *text)
{
        bring_up(part);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, how);
        if (!strstr(f.text, text))
                fail_msg("'%s' does not say '%s'", f.text, text);
}

static void an_ordinary_life_is_told_step_by_step(void **state)
{
        bring_up("ordinary-life");
        await(&f.n_running, 1);
        assert_int_equal(f.n_ready, 1);
        assert_int_equal(kvm_platform.pause(f.instance), 0);
        await(&f.n_paused, 1);
        assert_int_equal(kvm_platform.resume(f.instance), 0);
        await(&f.n_running, 2);
        assert_int_equal(kvm_platform.power_down(f.instance), 0);
        assert_int_equal(kvm_platform.power_down(f.instance), 0);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_POWERED_OFF);
}

static void a_panic_is_told_apart(void **state) { expect_end("panic", END_PANICKED, "why panicked"); }
static void a_crash_is_told_apart(void **state) { expect_end("crash", END_CRASHED, "why crashed"); }

static void an_exit_status_tells_it_without_a_word(void **state) { expect_end("wordless-panic", END_PANICKED, ""); }

static void a_failure_says_why(void **state) { expect_end("failure", END_FAILED, "why failed"); }

static void an_end_before_it_was_ready_is_a_failure(void **state)
{
        expect_end("early-exit", END_FAILED, "the monitor exited with status 0");
}

static void a_death_is_explained_by_the_last_line(void **state)
{
        expect_end("death", END_FAILED,
                   "killed by SIGKILL: error death: system call 'ptrace' (101) is not allowed here");
}

static void an_unknown_event_ends_the_monitor(void **state)
{
        expect_end("garbage", END_FAILED, "the monitor sent what is no event");
}

static void an_oversized_event_ends_the_monitor(void **state)
{
        expect_end("giant", END_FAILED, "the monitor sent what is no event");
        assert_int_equal(f.n_ready, 0);
}

static void a_monitor_that_is_never_ready_is_given_up(void **state)
{
        bring_up("sloth");
        kvm_set_limits(f.instance, 20 * NSEC_PER_MSEC, NSEC_PER_SEC);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_FAILED);
        assert_string_equal(f.text, "the monitor was not ready in time");
}

static void a_monitor_that_does_not_leave_is_killed(void **state)
{
        bring_up("remains");
        kvm_set_limits(f.instance, 60 * NSEC_PER_SEC, 20 * NSEC_PER_MSEC);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_POWERED_OFF);
}

static void a_monitor_without_its_socket_is_killed(void **state)
{
        bring_up("deafness");
        kvm_set_limits(f.instance, 60 * NSEC_PER_SEC, 20 * NSEC_PER_MSEC);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_FAILED);
        assert_string_equal(f.text, "the monitor lived on without its control socket");
}

static void repeated_events_change_nothing(void **state)
{
        expect_end("flood", END_POWERED_OFF, "");
        assert_int_equal(f.n_ready, 1);
}

static void a_kill_is_an_end_of_its_own(void **state)
{
        bring_up("ordinary-life");
        await(&f.n_running, 1);
        assert_int_equal(kvm_platform.kill(f.instance), 0);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_KILLED);
        assert_string_equal(f.text, "");
}

static void an_instance_can_be_freed_at_any_time(void **state)
{
        bring_up("sloth");
        f.instance = kvm_platform.free(f.instance);
        bring_up("ordinary-life");
        await(&f.n_running, 1);
        f.instance = kvm_platform.free(f.instance);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void after_a_reset_the_guest_goes_on_in_a_new_process(void **state)
{
        expect_end("reset", END_POWERED_OFF, "");
        assert_int_equal(f.n_ready, 1);
        assert_int_equal(f.n_running, 2);
}

static void a_watchdog_resets_the_guest(void **state)
{
        expect_end("watchdog", END_POWERED_OFF, "");
        assert_int_equal(f.n_running, 2);
}

static void a_guest_that_resets_at_once_is_let_wait_for_longer_and_longer(void **state)
{
        uint64_t begun = clock_now_ns();

        bring_up("spin");
        await(&f.n_running, 5);
        assert_true(clock_now_ns() - begun > NSEC_PER_SEC);
        assert_int_equal(kvm_platform.kill(f.instance), 0);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_KILLED);
}

/* Return: the second process, which stands still before it is ready. */
static pid_t reset_slowly(void)
{
        siginfo_t info = { 0 };

        bring_up("slow-reset");
        await(&f.n_running, 1);
        while (info.si_pid == 0) {
                assert_int_equal(loop_step(f.loop, 1), 0);
                /* The first process, dead and not yet reaped, is no child that could stop: ECHILD. */
                if (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG | WNOWAIT) < 0)
                        assert_int_equal(errno, ECHILD);
        }
        return info.si_pid;
}

static void what_is_asked_for_during_a_reset_is_done_after_it(void **state)
{
        pid_t second = reset_slowly();

        assert_int_equal(kvm_platform.pause(f.instance), 0);
        assert_int_equal(kill(second, SIGCONT), 0);
        await(&f.n_paused, 1);
        assert_int_equal(f.n_running, 1);
        assert_int_equal(kvm_platform.resume(f.instance), 0);
        await(&f.n_running, 2);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_POWERED_OFF);
}

static void powering_down_during_a_reset_ends_the_machine(void **state)
{
        (void) reset_slowly();
        assert_int_equal(kvm_platform.power_down(f.instance), 0);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_POWERED_OFF);
        assert_int_equal(f.n_running, 1);
}

static void killing_during_a_reset_kills(void **state)
{
        (void) reset_slowly();
        assert_int_equal(kvm_platform.kill(f.instance), 0);
        await(&f.n_ended, 1);
        assert_int_equal(f.how, END_KILLED);
}

static void the_serial_port_goes_to_the_log(void **state)
{
        auto_cleanup(closep) int file = memfd_create("log", MFD_CLOEXEC);
        auto_cleanup(closep) int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        char text[1024] = "";

        assert_true(dup2(file, STDERR_FILENO) >= 0);
        bring_up("serial");
        await(&f.n_ended, 1);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
        assert_non_null(strstr(text, "info serial: [    0.000000] Booting\n"));
        assert_non_null(strstr(text, "info serial: Bus"));
}

int main(int argc, char **argv)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(an_ordinary_life_is_told_step_by_step),
                CASE(a_panic_is_told_apart),
                CASE(a_crash_is_told_apart),
                CASE(an_exit_status_tells_it_without_a_word),
                CASE(a_failure_says_why),
                CASE(an_end_before_it_was_ready_is_a_failure),
                CASE(a_death_is_explained_by_the_last_line),
                CASE(an_unknown_event_ends_the_monitor),
                CASE(an_oversized_event_ends_the_monitor),
                CASE(a_monitor_that_is_never_ready_is_given_up),
                CASE(a_monitor_that_does_not_leave_is_killed),
                CASE(a_monitor_without_its_socket_is_killed),
                CASE(repeated_events_change_nothing),
                CASE(a_kill_is_an_end_of_its_own),
                CASE(an_instance_can_be_freed_at_any_time),
                CASE(after_a_reset_the_guest_goes_on_in_a_new_process),
                CASE(a_watchdog_resets_the_guest),
                CASE(a_guest_that_resets_at_once_is_let_wait_for_longer_and_longer),
                CASE(what_is_asked_for_during_a_reset_is_done_after_it),
                CASE(powering_down_during_a_reset_ends_the_machine),
                CASE(killing_during_a_reset_kills),
                CASE(the_serial_port_goes_to_the_log),
        };
#undef CASE

        if (argc > 1 && strcmp(argv[1], "monitor") == 0)
                return play(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
