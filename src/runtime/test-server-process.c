/* SPDX-License-Identifier: MPL-2.0 */
/* One server that is a shell script, and the log that it writes to. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "runtime/run-dir.h"
#include "runtime/server-process.h"

static struct fixture {
        char folder[64], path[80];
        struct loop *loop;
        struct log_collector log;
        char *argv[3];
        struct planned_socket socket;
        struct planned_server plan;
        struct server_process server;
        char why[2048];
        unsigned n_ready, n_stopped, n_failed;
} f;

static void on_ready(struct server_process *s) { f.n_ready++; }
static void on_changed(struct server_process *s) {}
static void on_stopped(struct server_process *s) { f.n_stopped++; }

static void on_failed(struct server_process *s, const char *why)
{
        f.n_failed++;
        (void) snprintf(f.why, sizeof(f.why), "%s", why);
}

static const struct server_events events = {
        .ready = on_ready, .changed = on_changed, .failed = on_failed, .stopped = on_stopped
};

static int set_up(void **state)
{
        (void) alarm(60); /* a test that hangs fails */
        memset(&f, 0, sizeof(f));
        (void) snprintf(f.folder, sizeof(f.folder), "/tmp/busbar-test.XXXXXX");
        if (!mkdtemp(f.folder) || loop_new(&f.loop) < 0)
                return -1;
        (void) snprintf(f.path, sizeof(f.path), "%s/0.blk", f.folder);
        f.socket.path = f.path;
        f.plan = (struct planned_server){
                .name = (char *) "alpha.root", .argv = f.argv, .sockets = &f.socket, .n_sockets = 1
        };
        return log_collector_open(&f.log, f.folder);
}

static int tear_down(void **state)
{
        server_process_deinit(&f.server);
        log_collector_close(&f.log);
        f.loop = loop_free(f.loop);
        return run_dir_remove(f.folder);
}

static void start(const char *script)
{
        char *error = NULL;

        f.argv[0] = (char *) "-c";
        f.argv[1] = (char *) script;
        assert_int_equal(server_process_init(&f.server, f.loop, &f.plan, "/bin/sh", &f.log, &events, NULL, &error), 0);
        assert_null(error);
}

static void run_until(const unsigned *count, unsigned n)
{
        while (*count < n)
                assert_int_equal(loop_step(f.loop, -1), 0);
}

static char *log_text(void)
{
        char path[80], *text;
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/log", f.folder);
        assert_int_equal(fd_read_file(path, 4U << 20, &text, &n), 0);
        return text;
}

static void server_that_never_gets_ready_is_killed(void **state)
{
        start("echo waiting >&2; exec sleep 1000");
        f.server.ready_limit_ms = 200;
        server_process_start(&f.server);
        run_until(&f.n_failed, 1);
        assert_string_equal(f.why, "was killed by SIGKILL before it was ready: waiting");
}

static void server_that_closes_its_end_is_not_ready(void **state)
{
        start("exec 4>&-; exec sleep 1000");
        f.server.ready_limit_ms = 200;
        server_process_start(&f.server);
        run_until(&f.n_failed, 1);
        assert_int_equal(f.n_ready, 0);
}

static void program_that_is_not_there_is_told_as_an_event(void **state)
{
        start("");
        f.server.program = "/nonexistent/busbar";
        server_process_start(&f.server);
        assert_int_equal(f.n_failed, 1);
        assert_non_null(strstr(f.why, "cannot be started (No such file or directory)"));
}

static void stop_asks_first(void **state)
{
        start("trap 'echo bye >&2; exit 0' TERM; echo READY=1 >&4; while :; do sleep 0.05; done");
        server_process_start(&f.server);
        run_until(&f.n_ready, 1);
        server_process_stop(&f.server);
        run_until(&f.n_stopped, 1);
        {
                auto_cleanup(freep) char *text = log_text();

                assert_non_null(strstr(text, " alpha.root: bye\n"));
        }
}

static void socket_that_is_in_use_is_an_error(void **state)
{
        auto_cleanup(closep) int taken = fd_unix_listen(f.path, 1);
        auto_cleanup(freep) char *error = NULL;
        struct server_process server;

        assert_true(taken >= 0);
        assert_int_equal(server_process_init(&server, f.loop, &f.plan, "/bin/sh", &f.log, &events, NULL, &error),
                         -EADDRINUSE);
        assert_non_null(strstr(error, f.path));
        assert_int_equal(access(f.path, F_OK), 0); /* it is the other's */
}

static void connection_waits_while_the_server_is_away(void **state)
{
        auto_cleanup(closep) int fd = -1;

        start("echo READY=1 >&4; exec sleep 1000");
        server_process_start(&f.server);
        run_until(&f.n_ready, 1);
        assert_int_equal(process_signal(&f.server.process, SIGKILL), 0);
        fd = fd_unix_connect(f.path);
        assert_true(fd >= 0);
        run_until(&f.n_ready, 2);
        assert_int_equal(f.server.n_starts, 2);
}

static void log_cannot_be_spoilt_by_a_server(void **state)
{
        start("printf 'a\\033[2Jb\\n' >&2; head -c 5000 /dev/zero | tr '\\0' x >&2; echo >&2; printf last >&2; exit 1");
        server_process_start(&f.server);
        run_until(&f.n_failed, 1);
        {
                auto_cleanup(freep) char *text = log_text();

                assert_non_null(strstr(text, " alpha.root: a?[2Jb\n"));
                assert_non_null(strstr(text, " alpha.root: last\n"));
                for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                        assert_true(strlen(line) < LOG_LINE_MAX_BYTES + 100);
        }
}

static void log_is_rotated(void **state)
{
        char old[80];
        struct stat st;

        for (unsigned i = 0; i < 2500; i++)
                log_collector_line(&f.log, "x", "%01000u", i);
        (void) snprintf(old, sizeof(old), "%s/log.1", f.folder);
        assert_int_equal(stat(old, &st), 0);
        assert_true(st.st_size <= LOG_FILE_MAX_BYTES);
        assert_true(f.log.size_bytes <= LOG_FILE_MAX_BYTES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(server_that_never_gets_ready_is_killed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(server_that_closes_its_end_is_not_ready, set_up, tear_down),
                cmocka_unit_test_setup_teardown(program_that_is_not_there_is_told_as_an_event, set_up, tear_down),
                cmocka_unit_test_setup_teardown(stop_asks_first, set_up, tear_down),
                cmocka_unit_test_setup_teardown(socket_that_is_in_use_is_an_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(connection_waits_while_the_server_is_away, set_up, tear_down),
                cmocka_unit_test_setup_teardown(log_cannot_be_spoilt_by_a_server, set_up, tear_down),
                cmocka_unit_test_setup_teardown(log_is_rotated, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
