/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "runtime/guard-watch.h"
#include "runtime/test-folder.h"

#define LIMIT_NS (10 * NSEC_PER_SEC)

struct fixture {
        struct test_folder folder;
        char path[256];
        struct loop *loop;
        struct log_collector log;
        struct guard_watch watch;
        struct timer limit;
        int listen_fd, fd; /* the server's */
        unsigned n_changes, wanted;
        struct guard_state last;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->listen_fd = f->fd = -1;
        test_folder_init(&f->folder);
        (void) snprintf(f->path, sizeof(f->path), "%s", test_folder_path(&f->folder, "displays.control"));
        assert_int_equal(loop_new(&f->loop), 0);
        assert_int_equal(log_collector_open(&f->log, f->folder.path), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        guard_watch_stop(&f->watch);
        timer_stop(&f->limit);
        fd_close(&f->fd);
        fd_close(&f->listen_fd);
        log_collector_close(&f->log);
        loop_free(f->loop);
        test_folder_deinit(&f->folder);
        free(f);
        return 0;
}

static void on_limit(struct timer *t) { loop_quit(container_of(t, struct fixture, limit)->loop, -1); }

static void on_change(const struct guard_state *g, void *data)
{
        struct fixture *f = data;

        f->last = *g;
        if (++f->n_changes == f->wanted)
                loop_quit(f->loop, 0);
}

static void wait_for_changes(struct fixture *f, unsigned n)
{
        f->wanted = n;
        timer_start(&f->limit, f->loop, clock_now_ns() + LIMIT_NS, on_limit);
        if (f->n_changes < n)
                assert_int_equal(loop_run(f->loop), 0);
        timer_stop(&f->limit);
}

static void listen_there(struct fixture *f)
{
        f->listen_fd = fd_unix_listen(f->path, 4);
        assert_true(f->listen_fd >= 0);
}

static void accept_watcher(struct fixture *f)
{
        struct pollfd ready = { .fd = f->listen_fd, .events = POLLIN };
        uint64_t end_ns = clock_now_ns() + LIMIT_NS;
        char text[64] = "";

        while (poll(&ready, 1, 0) == 0) {
                assert_true(clock_now_ns() < end_ns);
                assert_true(loop_step(f->loop, 100) >= 0);
        }
        fd_close(&f->fd);
        f->fd = accept(f->listen_fd, NULL, NULL);
        assert_true(f->fd >= 0);
        assert_int_equal(recv(f->fd, text, sizeof(text) - 1, 0), 15);
        assert_string_equal(text, "{\"watch\":true}\n");
}

static void say(struct fixture *f, const char *text)
{
        assert_int_equal(send(f->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

#define EVENT(guard, violated) \
        "{\"event\":\"guard\",\"display\":\"cluster\",\"guard\":\"" guard "\",\"violated\":" violated ",\"timeNs\":7}\n"

static void start(struct fixture *f) { guard_watch_start(&f->watch, f->loop, &f->log, f->path, on_change, f); }

static char *read_log(struct fixture *f)
{
        char *text;
        size_t n;

        assert_int_equal(fd_read_file(test_folder_path(&f->folder, "log"), 1 << 20, &text, &n), 0);
        return text;
}

static void violations_are_told_logged_and_kept(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(freep) char *json = NULL, *log = NULL;
        json_t *all;

        listen_there(f);
        start(f);
        accept_watcher(f);
        say(f, EVENT("telltale", "true") EVENT("telltale", "false") EVENT("speed", "true") EVENT("telltale", "true"));
        wait_for_changes(f, 4);
        assert_string_equal(f->last.name, "telltale");
        assert_true(f->last.is_violated);
        assert_int_equal(f->last.time_ns, 7);
        all = guard_watch_to_json(&f->watch);
        json = json_dumps(all, JSON_COMPACT);
        json_decref(all);
        assert_string_equal(json,
                            "[{\"display\":\"cluster\",\"guard\":\"telltale\",\"violated\":true,\"violations\":2},"
                            "{\"display\":\"cluster\",\"guard\":\"speed\",\"violated\":true,\"violations\":1}]");
        log = read_log(f);
        assert_non_null(strstr(log, "guard: display cluster: guard telltale is violated"));
        assert_non_null(strstr(log, "guard: display cluster: guard telltale holds again"));
}

static void what_is_no_change_is_not_told(void **state)
{
        struct fixture *f = *state;

        listen_there(f);
        start(f);
        accept_watcher(f);
        say(f, "{\"ok\":true}\nno json\n[]\n{\"event\":\"other\"}\n{\"event\":\"guard\",\"violated\":true}\n" EVENT(
                       "telltale", "false") EVENT("../x", "true") EVENT("speed", "true") EVENT("speed", "true"));
        say(f, EVENT("speed", "false"));
        wait_for_changes(f, 2);
        assert_false(f->last.is_violated);
        assert_int_equal(f->last.n_violations, 1);
}

static void a_server_that_comes_later_or_anew_is_found(void **state)
{
        struct fixture *f = *state;

        start(f);
        listen_there(f);
        accept_watcher(f);
        say(f, EVENT("speed", "true"));
        wait_for_changes(f, 1);

        /* It is started again: nothing of the old one is known, and the guard is violated anew. */
        start(f);
        assert_int_equal(f->watch.n_guards, 0);
        accept_watcher(f);
        say(f, EVENT("speed", "true"));
        wait_for_changes(f, 2);
}

static void a_lost_connection_is_made_again(void **state)
{
        struct fixture *f = *state;
        char flood[GUARD_WATCH_LINE_MAX + 1];

        listen_there(f);
        start(f);
        accept_watcher(f);
        say(f, EVENT("speed", "true"));
        wait_for_changes(f, 1);
        memset(flood, 'x', sizeof(flood));
        /* A line without an end is not the server's. */
        assert_int_equal(send(f->fd, flood, sizeof(flood), MSG_NOSIGNAL), sizeof(flood));
        accept_watcher(f);
        say(f, EVENT("speed", "false"));
        wait_for_changes(f, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(violations_are_told_logged_and_kept, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_change_is_not_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_server_that_comes_later_or_anew_is_found, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_lost_connection_is_made_again, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
