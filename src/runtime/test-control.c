/* SPDX-License-Identifier: MPL-2.0 */
/* bad-input 18: oversized and partial requests, many idle clients, peers that never read. */
#include <errno.h>
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
#include "base/macros.h"
#include "runtime/control.h"
#include "runtime/run-dir.h"

static char root[64], path[80];
static struct loop *loop;
static struct control control;
static int n_requests;

static void on_request(struct control_client *c, const char *op, const json_t *request)
{
        n_requests++;
        if (strcmp(op, "wait") == 0)
                c->waits_for = 1;
        else if (strcmp(op, "fail") == 0)
                control_fail(c, "bad \xff text");
        else if (strcmp(op, "big") == 0)
                control_answer(c, json_pack("{so}", "text", json_stringn((char[500000]){ 0 }, 500000)));
        else
                control_answer(c, NULL);
}

static int set_up(void **state)
{
        (void) snprintf(root, sizeof(root), "/tmp/busbar-test.XXXXXX");
        if (!mkdtemp(root) || loop_new(&loop) < 0)
                return -1;
        (void) snprintf(path, sizeof(path), "%s/control", root);
        n_requests = 0;
        return control_open(&control, loop, path, on_request);
}

static int tear_down(void **state)
{
        control_close(&control);
        loop = loop_free(loop);
        return run_dir_remove(root);
}

static void settle(void)
{
        for (int i = 0; i < 8; i++)
                assert_int_equal(loop_step(loop, 0), 0);
}

static int join(void)
{
        int fd = fd_unix_connect(path);

        assert_true(fd >= 0);
        settle();
        return fd;
}

/* What has arrived; "" if nothing, "EOF" at the end. */
static const char *take(int fd, char buf[256])
{
        ssize_t n = recv(fd, buf, 255, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return "EOF";
        buf[MAX(n, 0)] = '\0';
        return buf;
}

static void say(int fd, const char *text)
{
        (void) send(fd, text, strlen(text), MSG_NOSIGNAL);
        settle();
}

static void requests_are_answered_in_order(void **state)
{
        auto_cleanup(closep) int fd = join();
        char buf[256];

        say(fd, "{\"op\": \"a\"}\n{\"op\": \"fail\"}\n{\"op\": \"b\"}\n");
        assert_string_equal(take(fd, buf),
                            "{\"ok\":true}\n{\"error\":\"failed, for a reason that is not valid UTF-8\"}\n"
                            "{\"ok\":true}\n");
        assert_int_equal(n_requests, 3);
}

static void partial_request_is_completed_later(void **state)
{
        auto_cleanup(closep) int fd = join();
        char buf[256];

        say(fd, "{\"op\":");
        assert_string_equal(take(fd, buf), "");
        say(fd, " \"a\"}");
        say(fd, "\n");
        assert_string_equal(take(fd, buf), "{\"ok\":true}\n");
}

static void garbage_gets_an_error_and_goes_on(void **state)
{
        static const char *const garbage[] = { "\n",
                                               "{}\n",
                                               "[]\n",
                                               "{\"op\": 1}\n",
                                               "\xff\xfe\n",
                                               "{\"op\": \"a\"\n",
                                               "{\"op\": \"a\", \"op\": \"b\"}\n",
                                               "[[[[[[[[[[[[[[\n" };
        auto_cleanup(closep) int fd = join();
        char buf[256];

        for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
                say(fd, garbage[i]);
                assert_non_null(strstr(take(fd, buf), "error"));
        }
        assert_int_equal(send(fd, "a\0b\n", 4, 0), 4);
        settle();
        assert_non_null(strstr(take(fd, buf), "error"));
        assert_int_equal(n_requests, 0);
        say(fd, "{\"op\": \"a\"}\n");
        assert_string_equal(take(fd, buf), "{\"ok\":true}\n");
}

static void oversized_request_ends_the_caller(void **state)
{
        auto_cleanup(closep) int fd = join();
        char big[CONTROL_REQUEST_MAX + 1], buf[256];

        memset(big, ' ', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        say(fd, big);
        assert_non_null(strstr(take(fd, buf), "longer than"));
        assert_string_equal(take(fd, buf), "EOF");
}

static void idle_callers_shut_nobody_out(void **state)
{
        int idle[3 * CONTROL_CLIENTS_MAX];
        char buf[256];

        for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
                idle[i] = join();
        say(idle[ARRAY_SIZE(idle) - 1], "{\"op\": \"a\"}\n");
        assert_string_equal(take(idle[ARRAY_SIZE(idle) - 1], buf), "{\"ok\":true}\n");
        assert_string_equal(take(idle[0], buf), "EOF");
        for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
                (void) close(idle[i]);
}

static void peer_that_never_reads_hurts_itself_only(void **state)
{
        auto_cleanup(closep) int deaf = join();
        auto_cleanup(closep) int fd = -1;
        char buf[256];

        say(deaf, "{\"op\": \"big\"}\n{\"op\": \"big\"}\n");
        fd = join();
        say(fd, "{\"op\": \"a\"}\n");
        assert_string_equal(take(fd, buf), "{\"ok\":true}\n");
        assert_int_equal(n_requests, 2); /* the second big one waits for its turn */
}

static void waiting_caller_is_answered_and_may_leave(void **state)
{
        auto_cleanup(closep) int stays = join();
        int leaves = join();
        char buf[256];

        say(stays, "{\"op\": \"wait\"}\n{\"op\": \"a\"}\n");
        say(leaves, "{\"op\": \"wait\"}\n");
        (void) close(leaves);
        settle();
        assert_string_equal(take(stays, buf), "");
        control_answer_waiting(&control, 2, NULL);
        assert_string_equal(take(stays, buf), "");
        control_answer_waiting(&control, 1, "it ended");
        assert_string_equal(take(stays, buf), "{\"error\":\"it ended\"}\n{\"ok\":true}\n");
}

static void callers_that_wait_keep_their_place(void **state)
{
        int waiting[CONTROL_CLIENTS_MAX];
        auto_cleanup(closep) int late = -1;
        char buf[256];

        for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
                waiting[i] = join();
                say(waiting[i], "{\"op\": \"wait\"}\n");
        }
        late = join();
        assert_string_equal(take(late, buf), "EOF");
        control_answer_waiting(&control, 1, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
                assert_string_equal(take(waiting[i], buf), "{\"ok\":true}\n");
                (void) close(waiting[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(requests_are_answered_in_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(partial_request_is_completed_later, set_up, tear_down),
                cmocka_unit_test_setup_teardown(garbage_gets_an_error_and_goes_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(oversized_request_ends_the_caller, set_up, tear_down),
                cmocka_unit_test_setup_teardown(idle_callers_shut_nobody_out, set_up, tear_down),
                cmocka_unit_test_setup_teardown(peer_that_never_reads_hurts_itself_only, set_up, tear_down),
                cmocka_unit_test_setup_teardown(waiting_caller_is_answered_and_may_leave, set_up, tear_down),
                cmocka_unit_test_setup_teardown(callers_that_wait_keep_their_place, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
