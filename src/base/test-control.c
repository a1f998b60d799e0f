/* SPDX-License-Identifier: MPL-2.0 */
/* bad-input 18: oversized and partial requests, descriptors, many idle clients, peers that never read. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/control.h"
#include "base/fd.h"
#include "base/macros.h"

static char root[64], path[80];
static struct loop *loop;
static struct control control;
static int n_requests, n_left;

static void on_request(struct control_client *c, const json_t *request)
{
        const char *op = json_string_value(json_object_get(request, "op")) ?: "";

        n_requests++;
        if (strcmp(op, "wait") == 0)
                c->waits_for = 1;
        else if (strcmp(op, "fail") == 0)
                control_fail(c, "bad \xff text");
        else if (strcmp(op, "big") == 0)
                control_answer(c, json_pack("{so}", "text", json_stringn((char[500000]){ 0 }, 500000)));
        else if (strcmp(op, "stay") == 0) {
                c->stays_for = 1;
                control_answer(c, NULL);
        } else if (strcmp(op, "write") == 0 && c->given_fd >= 0)
                control_answer(c, json_pack("{si}", "written", (int) write(c->given_fd, "x", 1)));
        else if (!op[0])
                control_fail(c, "no op");
        else
                control_answer(c, NULL);
}

static void on_left(struct control_client *c) { n_left++; }

static const struct control_ops ops = { .request = on_request, .left = on_left };

static int set_up(void **state)
{
        (void) snprintf(root, sizeof(root), "/tmp/busbar-test.XXXXXX");
        if (!mkdtemp(root) || loop_new(&loop) < 0)
                return -1;
        (void) snprintf(path, sizeof(path), "%s/control", root);
        n_requests = n_left = 0;
        return control_open(&control, loop, path, &ops);
}

static int tear_down(void **state)
{
        control_close(&control);
        loop = loop_free(loop);
        return unlink(path) < 0 || rmdir(root) < 0 ? -1 : 0;
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
        assert_int_equal(n_requests, 2); /* objects */
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

static void events_reach_those_who_read(void **state)
{
        auto_cleanup(closep) int fd = join();
        auto_cleanup(closep) int deaf = -1;
        char buf[256];

        say(fd, "{\"op\": \"stay\"}\n");
        deaf = join();
        say(deaf, "{\"op\": \"stay\"}\n");
        assert_string_equal(take(fd, buf), "{\"ok\":true}\n");
        for (int i = 0; i < 20000 && n_left == 0; i++) {
                control_tell(&control.clients[0], json_pack("{si}", "event", i));
                assert_non_null(strstr(take(fd, buf), "event"));
                control_tell(&control.clients[1], json_pack("{si}", "event", i));
        }
        assert_null(control.clients[1].control);
        assert_non_null(control.clients[0].control);
        assert_int_equal(n_left, 1);
}

static void event_between_request_and_answer_keeps_their_order(void **state)
{
        auto_cleanup(closep) int fd = join();
        char buf[256];

        say(fd, "{\"op\": \"wait\"}\n{\"op\": \"a\"}\n");
        control_tell(&control.clients[0], json_pack("{si}", "event", 1));
        settle();
        assert_string_equal(take(fd, buf), "{\"event\":1}\n");
        control_answer_waiting(&control, 1, "over");
        assert_string_equal(take(fd, buf), "{\"error\":\"over\"}\n{\"ok\":true}\n");
}

static void give(int to, const char *text, int fd, size_t n_fds)
{
        const int fds[] = { fd, fd, fd, fd, fd, fd, fd, fd };
        char bytes[CMSG_SPACE(sizeof(fds))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { .iov_base = (char *) text, .iov_len = strlen(text) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = bytes,
                .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
        };
        struct cmsghdr *h = CMSG_FIRSTHDR(&message);

        *h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                               .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS };
        assert_true(n_fds <= ARRAY_SIZE(fds));
        memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
        assert_int_equal(sendmsg(to, &message, MSG_NOSIGNAL), strlen(text));
        settle();
}

/* The pipe's reader sees the end once nobody holds the other one. */
static void descriptor_lasts_as_long_as_its_request(void **state)
{
        auto_cleanup(closep) int fd = join();
        char buf[256];
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        give(fd, "{\"op\": \"write\"}\n", ends[1], 1);
        assert_string_equal(take(fd, buf), "{\"written\":1}\n");
        say(fd, "{\"op\": \"write\"}\n");
        assert_string_equal(take(fd, buf), "{\"ok\":true}\n");
        give(fd, "{\"op\": \"wait\"}\n", ends[1], 1);
        (void) close(ends[1]);
        assert_int_equal(read(ends[0], buf, sizeof(buf)), 1);
        assert_int_equal(read(ends[0], buf, sizeof(buf)), -1);
        control_answer_waiting(&control, 1, NULL);
        assert_int_equal(read(ends[0], buf, sizeof(buf)), 0);
        (void) close(ends[0]);
}

static void several_descriptors_end_the_caller_and_are_closed(void **state)
{
        for (size_t n = 2; n <= 8; n++) {
                auto_cleanup(closep) int fd = join();
                char buf[256];
                int ends[2];

                assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
                give(fd, "{\"op\": \"a\"}\n", ends[1], n);
                (void) close(ends[1]);
                assert_non_null(strstr(take(fd, buf), "more than one"));
                assert_string_equal(take(fd, buf), "EOF");
                assert_int_equal(read(ends[0], buf, sizeof(buf)), 0);
                (void) close(ends[0]);
        }
        assert_int_equal(n_requests, 0);
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

static void callers_that_wait_or_stay_keep_their_place(void **state)
{
        int waiting[CONTROL_CLIENTS_MAX];
        auto_cleanup(closep) int late = -1;
        char buf[256];

        for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
                waiting[i] = join();
                say(waiting[i], i % 2 ? "{\"op\": \"stay\"}\n" : "{\"op\": \"wait\"}\n");
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
                cmocka_unit_test_setup_teardown(events_reach_those_who_read, set_up, tear_down),
                cmocka_unit_test_setup_teardown(event_between_request_and_answer_keeps_their_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(descriptor_lasts_as_long_as_its_request, set_up, tear_down),
                cmocka_unit_test_setup_teardown(several_descriptors_end_the_caller_and_are_closed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(waiting_caller_is_answered_and_may_leave, set_up, tear_down),
                cmocka_unit_test_setup_teardown(callers_that_wait_or_stay_keep_their_place, set_up, tear_down),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
