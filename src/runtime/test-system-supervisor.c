/* SPDX-License-Identifier: MPL-2.0 */
/* A system of two machines and a shared server, with shell scripts as servers and a platform that is none. */
#include <errno.h>
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
#include "runtime/control-client.h"
#include "runtime/report.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"
#include "runtime/system-supervisor.h"
#include "runtime/test-fake-platform.h"

#define N_MACHINES 2

static struct fixture {
        char root[64], sockets[N_MACHINES][128];
        char *argv[3];
        struct planned_socket planned_sockets[N_MACHINES];
        struct planned_server server;
        struct machine_device devices[N_MACHINES];
        struct planned_machine machines[N_MACHINES];
        size_t depends_on[1];
        struct plan plan;
        struct run_dir dir, dirs[N_MACHINES];
        struct report_reader reader;
        int reports, orders;
        pid_t janitor;
} f;

static char *const ids[] = { (char *) "alpha", (char *) "beta" };

static int set_up(void **state)
{
        (void) alarm(60); /* a test that hangs fails */
        memset(&f, 0, sizeof(f));
        (void) snprintf(f.root, sizeof(f.root), "/tmp/busbar-test.XXXXXX");
        if (!mkdtemp(f.root))
                return -1;
        for (size_t i = 0; i < N_MACHINES; i++) {
                (void) snprintf(f.sockets[i], sizeof(f.sockets[i]), "%s/%s/0.net", f.root, ids[i]);
                f.planned_sockets[i].path = f.sockets[i];
                f.devices[i] = (struct machine_device){ .id = (char *) "eth0",
                                                        .type = DEVICE_NET,
                                                        .socket_path = f.sockets[i] };
                f.machines[i] = (struct planned_machine){
                        .machine = { .id = ids[i],
                                     .platform = (char *) "fake",
                                     .devices = &f.devices[i],
                                     .n_devices = 1 },
                        .bundle_path = (char *) "/bundle",
                        .depends_on = f.depends_on,
                        .n_depends_on = i,
                };
        }
        f.server = (struct planned_server){ .name = (char *) "network.backbone",
                                            .argv = f.argv,
                                            .sockets = f.planned_sockets,
                                            .n_sockets = N_MACHINES };
        f.plan =
                (struct plan){ .machines = f.machines, .n_machines = N_MACHINES, .servers = &f.server, .n_servers = 1 };
        return 0;
}

static int tear_down(void **state)
{
        fd_close(&f.reports);
        fd_close(&f.orders);
        return run_dir_remove(f.root);
}

static void launch(const char *script, const struct platform_ops *platform)
{
        struct system_supervisor_options options;
        int report_fd, orders_fd;

        f.argv[0] = (char *) "-c";
        f.argv[1] = (char *) script;
        assert_int_equal(store_create(f.root, "@pair", &f.dir), 0);
        for (size_t i = 0; i < N_MACHINES; i++)
                assert_int_equal(store_create(f.root, ids[i], &f.dirs[i]), 0);
        assert_int_equal(report_pipe(&f.reports, &report_fd), 0);
        assert_int_equal(report_pipe(&orders_fd, &f.orders), 0);
        options = (struct system_supervisor_options){ .name = "pair",
                                                      .dir = &f.dir,
                                                      .machine_dirs = f.dirs,
                                                      .plan = &f.plan,
                                                      .program = "/bin/sh",
                                                      .report_fd = report_fd,
                                                      .orders_fd = orders_fd,
                                                      .begin_ns = clock_now_ns(),
                                                      .platform = platform };
        f.janitor = system_supervisor_start(&options);
        assert_true(f.janitor > 0);
        (void) close(report_fd);
        (void) close(orders_fd);
        run_dir_deinit(&f.dir);
        for (size_t i = 0; i < N_MACHINES; i++)
                run_dir_deinit(&f.dirs[i]);
}

/* Takes reports until this one ("alpha running", "up", "ended"); fails at the end of the pipe. */
static void await(const char *expected, char *text, size_t n)
{
        char what[128];

        do {
                json_t *message;

                assert_int_equal(report_receive(&f.reader, f.reports, &message), 1);
                if (strcmp(report_text(message, "event"), "machine") == 0)
                        (void) snprintf(what, sizeof(what), "%s %s", report_text(message, "id"),
                                        report_text(message, "what"));
                else
                        (void) snprintf(what, sizeof(what), "%s", report_text(message, "event"));
                if (text)
                        (void) snprintf(text, n, "%s %s", report_text(message, "how"), report_text(message, "text"));
                json_decref(message);
        } while (strcmp(what, expected) != 0);
}

static int ended(void)
{
        json_t *none;
        int status;

        assert_int_equal(report_receive(&f.reader, f.reports, &none), 0);
        assert_int_equal(waitpid(f.janitor, &status, 0), f.janitor);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void nothing_is_left(void)
{
        assert_int_equal(rmdir(f.root), 0);
        assert_int_equal(mkdir(f.root, 0700), 0);
}

static void tell(const char *machine, const char *op, const char *signal_name)
{
        char path[128], *error;

        (void) snprintf(path, sizeof(path), "%s/%s/control", f.root, machine);
        assert_int_equal(control_call(path,
                                      json_pack("{ss, ss*, si}", "op", op, "signal", signal_name, "graceMs", 10000),
                                      10000, NULL, &error),
                         0);
}

static pid_t server_of(const char *machine, unsigned *ret_restarts)
{
        struct machine_state s;
        pid_t pid;

        assert_int_equal(store_load(f.root, machine, &s), 0);
        assert_int_equal(s.n_devices, 1);
        assert_string_equal(s.devices[0].server, "network.backbone");
        pid = s.devices[0].server_pid;
        *ret_restarts = s.devices[0].n_restarts;
        machine_state_deinit(&s);
        return pid;
}

#define SERVE "echo READY=1 >&5; exec sleep 1000"

static void system_ends_when_all_machines_have(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        char text[200];

        launch(SERVE, &fake_platform);
        await("alpha running", NULL, 0);
        await("beta running", NULL, 0);
        await("up", NULL, 0);
        tell("alpha", "kill", "TERM");
        await("alpha ended", text, sizeof(text));
        assert_string_equal(text, "powered-off ");
        assert_int_equal(store_load(f.root, "alpha", &s), 0);
        assert_int_equal(s.status, MACHINE_STOPPED); /* and its log can be read */
        tell("beta", "kill", "TERM");
        await("ended", text, sizeof(text));
        assert_int_equal(ended(), 0);
        nothing_is_left();
}

static void down_ends_all(void **unused)
{
        launch(SERVE, &fake_platform);
        await("up", NULL, 0);
        tell("@pair", "down", NULL);
        await("beta ended", NULL, 0);
        await("ended", NULL, 0);
        assert_int_equal(ended(), 0);
        nothing_is_left();
}

static void restart_policy_is_followed(void **unused)
{
        f.machines[0].restart = RESTART_ALWAYS;
        launch(SERVE, &fake_platform);
        await("up", NULL, 0);
        tell("alpha", "kill", "TERM");
        await("alpha ended", NULL, 0);
        await("alpha running", NULL, 0);
        tell("alpha", "kill", "KILL"); /* on purpose, so no more */
        tell("beta", "kill", "TERM");
        await("ended", NULL, 0);
        assert_int_equal(ended(), 137);
        nothing_is_left();
}

static void shared_server_comes_back_and_machines_know(void **unused)
{
        unsigned n_restarts;
        struct stat before, after;
        pid_t first;

        launch(SERVE, &fake_platform);
        await("up", NULL, 0);
        tell("alpha", "kill", "0"); /* its orders were taken before this was answered */
        first = server_of("alpha", &n_restarts);
        assert_true(first > 0 && n_restarts == 0);
        assert_int_equal(stat(f.sockets[0], &before), 0);
        assert_int_equal(kill(first, SIGKILL), 0);
        await("server-restarted", NULL, 0);
        for (pid_t now = first; now == first || now == 0;)
                now = server_of("beta", &n_restarts);
        assert_int_equal(n_restarts, 1);
        assert_int_equal(stat(f.sockets[0], &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        fd_close(&f.orders);
        await("ended", NULL, 0);
        assert_int_equal(ended(), 1);
        nothing_is_left();
}

static void shared_server_that_cannot_start_fails_the_system(void **unused)
{
        char text[300];

        launch("echo 'no such tap' >&2; exit 2", &fake_platform);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "failed network.backbone: exited with status 2 before it was ready: no such tap");
        assert_int_equal(ended(), 1);
        nothing_is_left();
}

static void machine_that_depends_on_a_failed_one_is_not_started(void **unused)
{
        char text[300];
        struct planned_server servers[2] = { f.server,
                                             { .name = (char *) "alpha.root", .machine = ids[0], .argv = f.argv } };

        f.plan.servers = servers;
        f.plan.n_servers = 2;
        launch("test -e /dev/fd/5 || exit 1; " SERVE, &fake_platform);
        await("beta ended", text, sizeof(text));
        assert_string_equal(text, "failed not started: alpha did not run");
        await("ended", text, sizeof(text));
        assert_int_equal(ended(), 1);
        nothing_is_left();
}

static pid_t system_supervisor_pid(void)
{
        auto_cleanup(freep) char *children = NULL;
        char path[64];
        size_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", f.janitor, f.janitor);
        assert_int_equal(fd_read_file(path, 4096, &children, &n), 0);
        return (pid_t) atol(children);
}

static void killed_system_supervisor_leaves_nothing(void **unused)
{
        char text[300];

        launch(SERVE, &deaf_platform);
        await("up", NULL, 0);
        assert_int_equal(kill(system_supervisor_pid(), SIGKILL), 0);
        await("ended", text, sizeof(text));
        assert_string_equal(text, "failed the supervisor was killed by SIGKILL");
        assert_int_equal(ended(), 1);
        nothing_is_left();
}

static void killed_janitor_leaves_nothing(void **unused)
{
        launch(SERVE, &deaf_platform);
        await("up", NULL, 0);
        assert_int_equal(kill(f.janitor, SIGKILL), 0);
        await("ended", NULL, 0);
        assert_int_equal(ended(), -1);
        nothing_is_left();
}

static void killed_janitor_of_a_machine_fails_that_machine(void **unused)
{
        struct machine_state s;
        char text[300];

        launch(SERVE, &fake_platform);
        await("up", NULL, 0);
        assert_int_equal(store_load(f.root, "alpha", &s), 0);
        assert_int_equal(kill(s.pid, SIGKILL), 0);
        machine_state_deinit(&s);
        await("alpha ended", text, sizeof(text));
        assert_string_equal(text, "killed its janitor was killed");
        tell("beta", "kill", "TERM");
        await("ended", NULL, 0);
        assert_int_equal(ended(), 137);
        nothing_is_left();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(system_ends_when_all_machines_have, set_up, tear_down),
                cmocka_unit_test_setup_teardown(down_ends_all, set_up, tear_down),
                cmocka_unit_test_setup_teardown(restart_policy_is_followed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(shared_server_comes_back_and_machines_know, set_up, tear_down),
                cmocka_unit_test_setup_teardown(shared_server_that_cannot_start_fails_the_system, set_up, tear_down),
                cmocka_unit_test_setup_teardown(machine_that_depends_on_a_failed_one_is_not_started, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_system_supervisor_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_janitor_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killed_janitor_of_a_machine_fails_that_machine, set_up, tear_down),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
