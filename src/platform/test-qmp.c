/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "platform/qmp.h"

struct fixture {
        struct loop *loop;
        struct qmp *qmp;
        int peer;
        int n_ready, n_events, n_closed, n_replies;
        char text[128];
};

static void on_ready(void *data) { ((struct fixture *) data)->n_ready++; }

static void on_event(const char *name, json_t *of_event, void *data)
{
        struct fixture *f = data;

        f->n_events++;
        (void) snprintf(f->text, sizeof(f->text), "%s", name);
}

static void on_closed(const char *why, void *data)
{
        struct fixture *f = data;

        f->n_closed++;
        (void) snprintf(f->text, sizeof(f->text), "%s", why);
}

static void on_reply(json_t *result, const char *error, void *data)
{
        struct fixture *f = data;

        f->n_replies++;
        (void) snprintf(f->text, sizeof(f->text), "%s", result ? "ok" : error);
}

static int setup(void **state)
{
        static const struct qmp_handlers handlers = { on_ready, on_event, on_closed };
        static struct fixture f;
        int ends[2];

        f = (struct fixture){ 0 };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        f.peer = ends[1];
        assert_int_equal(loop_new(&f.loop), 0);
        assert_int_equal(qmp_new(f.loop, ends[0], &handlers, &f, &f.qmp), 0);
        *state = &f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        qmp_free(f->qmp);
        closep(&f->peer);
        loop_free(f->loop);
        return 0;
}

static void say(struct fixture *f, const char *text)
{
        assert_int_equal(fd_write_full(f->peer, text, strlen(text)), 0);
        assert_int_equal(loop_step(f->loop, 1000), 0);
}

static void hear(struct fixture *f, const char *expected)
{
        char buf[256] = "";

        assert_true(recv(f->peer, buf, sizeof(buf) - 1, 0) > 0);
        assert_string_equal(buf, expected);
}

static void greet(struct fixture *f)
{
        say(f, "{\"QMP\": {\"version\": {}}}\r\n");
        hear(f, "{\"execute\":\"qmp_capabilities\"}\n");
        say(f, "{\"return\": {}}\r\n");
        assert_int_equal(f->n_ready, 1);
}

static void greeting_is_answered_and_then_it_is_ready(void **state) { greet(*state); }

static void replies_come_in_order_with_events_between(void **state)
{
        struct fixture *f = *state;

        greet(f);
        assert_int_equal(qmp_command(f->qmp, "stop", NULL, on_reply, f), 0);
        hear(f, "{\"execute\":\"stop\"}\n");
        assert_int_equal(qmp_command(f->qmp, "bad", json_pack("{s:i}", "x", 1), on_reply, f), 0);
        hear(f, "{\"execute\":\"bad\",\"arguments\":{\"x\":1}}\n");
        say(f, "{\"event\": \"STOP\", \"timestamp\": {}}\r\n{\"return\": {}}\r\n{\"err");
        assert_int_equal(f->n_events, 1);
        assert_int_equal(f->n_replies, 1);
        assert_string_equal(f->text, "ok");
        say(f, "or\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\r\n");
        assert_int_equal(f->n_replies, 2);
        assert_string_equal(f->text, "no such thing");
}

static void garbage_and_unasked_replies_end_the_connection(void **state)
{
        struct fixture *f = *state;

        greet(f);
        say(f, "{\"return\": {}}\n{\"event\": \"STOP\"}\n");
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(f->n_events, 0);
        assert_int_equal(qmp_command(f->qmp, "stop", NULL, NULL, NULL), -107 /* ENOTCONN */);
}

static void line_without_end_is_refused_at_the_limit(void **state)
{
        struct fixture *f = *state;
        char chunk[8192];

        memset(chunk, 'x', sizeof(chunk));
        for (int i = 0; i < 200 && f->n_closed == 0; i++) {
                assert_int_equal(fd_write_full(f->peer, chunk, sizeof(chunk)), 0);
                assert_int_equal(loop_step(f->loop, 1000), 0);
        }
        assert_int_equal(f->n_closed, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(greeting_is_answered_and_then_it_is_ready),
                CASE(replies_come_in_order_with_events_between),
                CASE(garbage_and_unasked_replies_end_the_connection),
                CASE(line_without_end_is_refused_at_the_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
