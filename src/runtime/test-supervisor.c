/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor of a machine with a platform that is none (a process that sleeps stands for the monitor) and servers
 * that are shell scripts: life cycle, and what is left when each of its processes is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "runtime/control-client.h"
#include "runtime/report.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"
#include "runtime/test-fake-platform.h"

#define SERVE "echo READY=1 >&4; exec sleep 1000"

/* One machine "alpha" with one server. */
static struct fixture {
        char root[64], control[128], socket[128];
        char *argv[3];
        struct planned_socket sockets[1];
        struct planned_server server;
        struct machine_device device;
        struct planned_machine machine;
        struct plan plan;
        struct run_dir dir;
        struct report_reader reader;
        int reports, orders;
        pid_t janitor;
} f;

static int set_up(void **state)
{
        (void) alarm(60); /* a test that hangs fails */
        memset(&f, 0, sizeof(f));
        (void) snprintf(f.root, sizeof(f.root), "/tmp/busbar-test.XXXXXX");
        if (!mkdtemp(f.root))
                return -1;
        (void) snprintf(f.control, sizeof(f.control), "%s/alpha/control", f.root);
        (void) snprintf(f.socket, sizeof(f.socket), "%s/alpha/0.blk", f.root);
        f.sockets[0].path = f.socket;
        f.server = (struct planned_server){ .name = (char *) "alpha.root",
                                            .machine = (char *) "alpha",
                                            .argv = f.argv,
                                            .sockets = f.sockets,
                                            .n_sockets = 1 };
        f.device = (struct machine_device){ .id = (char *) "root", .socket_path = f.socket };
        f.machine = (struct planned_machine){
                .machine = { .id = (char *) "alpha",
                             .platform = (char *) "fake",
                             .devices = &f.device,
                             .n_devices = 1 },
                .bundle_path = (char *) "/bundle",
        };
        f.plan = (struct plan){ .machines = &f.machine, .n_machines = 1, .servers = &f.server, .n_servers = 1 };
        f.dir = RUN_DIR_NONE;
        f.orders = f.reports = -1;
        return 0;
}

static int tear_down(void **state)
{
        fd_close(&f.reports);
        fd_close(&f.orders);
        run_dir_deinit(&f.dir);
        return run_dir_remove(f.root);
}

static void launch(const char *script, enum janitor_mode mode, const struct platform_ops *platform)
{
        int report_fd, orders_fd;
        struct supervisor_options options;

        f.argv[0] = (char *) "-c";
        f.argv[1] = (char *) script;
        assert_int_equal(store_create(f.root, "alpha", &f.dir), 0);
        assert_int_equal(report_pipe(&f.reports, &report_fd), 0);
        assert_int_equal(report_pipe(&orders_fd, &f.orders), 0);
        options = (struct supervisor_options){ .dir = &f.dir,
                                               .machine = &f.machine,
                                               .plan = &f.plan,
                                               .program = "/bin/sh",
                                               .mode = mode,
                                               .report_fd = report_fd,
                                               .orders_fd = orders_fd,
                                               .begin_ns = clock_now_ns(),
                                               .platform = platform };
        f.janitor = supervisor_start(&options);
        assert_true(f.janitor > 0);
        (void) close(report_fd);
        (void) close(orders_fd);
        run_dir_deinit(&f.dir);
}

/* Takes reports until this one; fails at the end of the pipe. */
static void await(const char *event, char *text, size_t n)
{
        json_t *message;
        bool found;

        do {
                assert_int_equal(report_receive(&f.reader, f.reports, &message), 1);
                found = strcmp(report_text(message, "event"), event) == 0;
                if (found && text)
                        (void) snprintf(text, n, "%s %s", report_text(message, "how"), report_text(message, "text"));
                json_decref(message);
        } while (!found);
}

static int ended(void)
{
        int status;

        assert_int_equal(waitpid(f.janitor, &status, 0), f.janitor);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int ask(const char *op, const char *signal_name, char **ret_error)
{
        return control_call(f.control, json_pack("{ss, ss*}", "op", op, "signal", signal_name), 10000, NULL, ret_error);
}

static void tell(const char *op, const char *signal_name)
{
        char *error;

        assert_int_equal(ask(op, signal_name, &error), 0);
}

static void refuses(const char *op, const char *signal_name, const char *expected)
{
        char *error;

        assert_int_equal(ask(op, signal_name, &error), -EREMOTEIO);
        assert_non_null(strstr(error, expected));
        free(error);
}

static void look(struct machine_state *s) { assert_int_equal(store_load(f.root, "alpha", s), 0); }

static bool exists(const char *name)
{
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/alpha/%s", f.root, name);
        return access(path, F_OK) == 0;
}

static void life_cycle_follows_oci(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        char text[200];

        launch(SERVE, JANITOR_KEEP, &fake_platform);
        await("created", NULL, 0);
        look(&s);
        assert_int_equal(s.status, MACHINE_CREATED);
        assert_int_equal(s.pid, f.janitor);
        assert_true(s.devices[0].server_pid > 0);
        assert_string_equal(s.platform, "fake");
        machine_state_deinit(&s);
        refuses("pause", NULL, "it is created, not running");
        refuses("resume", NULL, "it is created, not paused");
        refuses("kill", "HUP", "HUP");
        refuses("dance", NULL, "unknown op");
        tell("start", NULL);
        refuses("start", NULL, "it is running, not created");
        tell("pause", NULL);
        look(&s);
        assert_int_equal(s.status, MACHINE_PAUSED);
        machine_state_deinit(&s);
        tell("resume", NULL);
        tell("kill", "0");
        tell("kill", "TERM");
        await("ended", text, sizeof(text));
        assert_string_equal(text, "powered-off ");
        assert_int_equal(ended(), 0);
        look(&s);
        assert_int_equal(s.status, MACHINE_STOPPED);
        assert_string_equal(s.end, "powered-off");
        assert_true(s.running_ms >= s.created_ms && s.created_ms >= s.servers_ready_ms);
        assert_true(exists("log"));
        assert_false(exists("control") || exists("0.blk"));
        assert_int_equal(store_delete(f.root, "alpha"), 0);
}

/* Its server gets ready once this test says so, by a fifo: the platform is ready long before. */
static void a_platform_that_waits_by_itself_is_brought_up_beside_its_servers(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        auto_cleanup(freep) char *children = NULL;
        char fifo[96], script[256], path[64];
        bool has_monitor = false;
        int fd;

        (void) snprintf(fifo, sizeof(fifo), "%s/go", f.root);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        (void) snprintf(script, sizeof(script), "read go <%s; " SERVE, fifo);
        launch(script, JANITOR_REMOVE, &eager_platform);
        fd = open(fifo, O_WRONLY | O_CLOEXEC); /* waits for the server */
        assert_true(fd >= 0);
        machine_state_init(&s);
        while (!has_monitor) {
                size_t n;

                machine_state_deinit(&s);
                look(&s);
                assert_int_equal(s.status, MACHINE_CREATING);
                (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", s.supervisor_pid, s.supervisor_pid);
                freep(&children);
                assert_int_equal(fd_read_file(path, 4096, &children, &n), 0);
                has_monitor = strchr(children, ' ') != strrchr(children, ' ');
        }
        assert_int_equal(write(fd, "\n", 1), 1);
        (void) close(fd);
        await("servers-ready", NULL, 0);
        await("created", NULL, 0);
        tell("start", NULL);
        tell("kill", "KILL");
        await("ended", NULL, 0);
        assert_int_equal(ended(), 137);
}

static void kill_ends_a_machine_at_once(void **unused)
{
        launch(SERVE, JANITOR_REMOVE, &fake_platform);
        await("created", NULL, 0);
        tell("start", NULL);
        tell("kill", "KILL");
        await("ended", NULL, 0);
        assert_int_equal(ended(), 137);
        assert_false(exists(""));
}

static void guest_that_does_not_react_is_ended_after_the_grace(void **unused)
{
        char text[200], *error;

        launch(SERVE, JANITOR_REMOVE, &deaf_platform);
        await("created", NULL, 0);
        tell("start", NULL);
        tell("kill", "TERM"); /* without effect, and without a deadline */
        assert_int_equal(
                control_call(f.control, json_pack("{ss, si}", "op", "stop", "graceMs", 20), 10000, NULL, &error), 0);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "killed it did not power down in time");
        assert_int_equal(ended(), 137);
}

static void monitor_that_dies_fails_the_machine(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        char text[200];
        long pid = 0;

        launch("echo READY=1 >&4; exec sleep 1000", JANITOR_KEEP, &fake_platform);
        await("created", NULL, 0);
        look(&s);
        /* The monitor is the supervisor's other child. */
        (void) snprintf(text, sizeof(text), "/proc/%d/task/%d/children", s.supervisor_pid, s.supervisor_pid);
        {
                auto_cleanup(freep) char *children = NULL;
                size_t n;

                assert_int_equal(fd_read_file(text, 4096, &children, &n), 0);
                for (char *at = strtok(children, " "); at; at = strtok(NULL, " "))
                        if (atol(at) != s.devices[0].server_pid)
                                pid = atol(at);
        }
        assert_true(pid > 0);
        assert_int_equal(kill((pid_t) pid, SIGKILL), 0);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "failed the monitor died");
        assert_int_equal(ended(), 1);
}

static void killed_server_comes_back_with_the_same_socket(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        struct stat before, after;
        pid_t first;

        launch(SERVE, JANITOR_REMOVE, &fake_platform);
        await("created", NULL, 0);
        assert_int_equal(stat(f.socket, &before), 0);
        for (unsigned i = 1; i <= 4; i++) {
                look(&s);
                first = s.devices[0].server_pid;
                machine_state_deinit(&s);
                assert_int_equal(kill(first, SIGKILL), 0);
                await("server-restarted", NULL, 0);
                look(&s);
                assert_int_equal(s.devices[0].n_restarts, i);
                assert_int_not_equal(s.devices[0].server_pid, first);
                machine_state_deinit(&s);
        }
        assert_int_equal(stat(f.socket, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        tell("kill", "KILL");
        assert_int_equal(ended(), 137);
}

static void server_that_cannot_start_fails_and_leaves_nothing(void **unused)
{
        char text[300];

        launch("echo 'error blk: root.img: No such file or directory' >&2; exit 1", JANITOR_KEEP, &fake_platform);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "failed alpha.root: exited with status 1 before it was ready: "
                                  "error blk: root.img: No such file or directory");
        assert_int_equal(ended(), 1);
        assert_false(exists(""));
}

static void server_that_keeps_dying_fails_the_machine(void **unused)
{
        char text[300], script[200];

        /* Ready once; from then on it ends before it is ready. */
        (void) snprintf(script, sizeof(script), "mkdir %s/once || exit 7; echo READY=1 >&4; sleep 0.3; exit 3", f.root);
        launch(script, JANITOR_REMOVE, &fake_platform);
        await("created", NULL, 0);
        await("ended", text, sizeof(text));
        assert_non_null(strstr(text, "failed alpha.root: exited with status 7; it did not get ready"));
        assert_int_equal(ended(), 1);
}

/* All processes of the machine, to see that they are gone. */
static size_t family(pid_t *pids)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        auto_cleanup(freep) char *children = NULL;
        char path[64];
        size_t n, n_pids = 0;

        look(&s);
        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", s.supervisor_pid, s.supervisor_pid);
        assert_int_equal(fd_read_file(path, 4096, &children, &n), 0);
        pids[n_pids++] = s.supervisor_pid;
        for (char *at = strtok(children, " "); at && n_pids < 8; at = strtok(NULL, " "))
                pids[n_pids++] = (pid_t) atol(at);
        assert_int_equal(n_pids, 3);
        return n_pids;
}

static void nobody_is_left(const pid_t *pids, size_t n)
{
        for (size_t i = 0; i < n; i++)
                assert_true(kill(pids[i], 0) < 0 && errno == ESRCH);
}

static void killed_supervisor_leaves_nothing(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        pid_t pids[8];
        char text[200];
        size_t n;

        launch(SERVE, JANITOR_KEEP, &fake_platform);
        await("created", NULL, 0);
        n = family(pids);
        assert_int_equal(kill(pids[0], SIGKILL), 0);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "failed the supervisor was killed by SIGKILL");
        assert_int_equal(ended(), 1);
        nobody_is_left(pids, n);
        look(&s);
        assert_int_equal(s.status, MACHINE_STOPPED);
        assert_false(exists("control") || exists("0.blk"));
}

static void killed_janitor_leaves_nothing(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        json_t *none;
        pid_t pids[8];
        char text[200];
        size_t n;
        int status;

        launch(SERVE, JANITOR_KEEP, &fake_platform);
        await("created", NULL, 0);
        n = family(pids);
        assert_int_equal(kill(f.janitor, SIGKILL), 0);
        assert_int_equal(waitpid(f.janitor, &status, 0), f.janitor);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "killed its janitor was killed");
        assert_int_equal(report_receive(&f.reader, f.reports, &none), 0);
        assert_int_equal(run_dir_wait(f.dir.path ?: f.root, 0), 0);
        nobody_is_left(pids + 1, n - 1);
        look(&s);
        assert_int_equal(s.status, MACHINE_STOPPED);
        assert_false(exists("control") || exists("0.blk"));
}

static void machine_ends_with_its_starter(void **unused)
{
        pid_t pids[8];
        size_t n;

        launch(SERVE, JANITOR_REMOVE, &fake_platform);
        await("created", NULL, 0);
        n = family(pids);
        fd_close(&f.orders);
        await("ended", NULL, 0);
        assert_int_equal(ended(), 137);
        nobody_is_left(pids, n);
        assert_false(exists(""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(life_cycle_follows_oci, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_platform_that_waits_by_itself_is_brought_up_beside_its_servers,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(kill_ends_a_machine_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(guest_that_does_not_react_is_ended_after_the_grace, set_up, tear_down),
                cmocka_unit_test_setup_teardown(monitor_that_dies_fails_the_machine, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_server_comes_back_with_the_same_socket, set_up, tear_down),
                cmocka_unit_test_setup_teardown(server_that_cannot_start_fails_and_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(server_that_keeps_dying_fails_the_machine, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_supervisor_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_janitor_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(machine_ends_with_its_starter, set_up, tear_down),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
