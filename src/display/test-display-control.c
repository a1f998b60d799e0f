/* SPDX-License-Identifier: MPL-2.0 */
/* The control socket: what it does, and what callers who misbehave cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/control.h"
#include "base/fd.h"
#include "display/control.h"
#include "display/image.h"
#include "display/test-rig-display.h"
#include "display/writer.h"

#define LIMIT_MS 600000 /* no cover unless a test wants it */

static char path[64];

struct fixture {
        struct rig *rig;
        struct display_control *control;
        size_t n_fds;
};

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct scene_display *d;

        assert_non_null(f);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) snprintf(path, sizeof(path), "/tmp/busbar-display-control.%d", getpid());
        f->n_fds = count_fds();
        assert_int_equal(rig_set_up((void **) &f->rig), 0);
        d = rig_add_display(f->rig, "a", 0, 0, 300, 200);
        rig_add_guard(f->rig, d, "g", RULE_LIT, 0, 0, 10, 10)->limit_ms = LIMIT_MS;
        rig_open(f->rig, 300, 200);
        assert_int_equal(display_control_open(f->rig->loop, path, &f->control), 0);
        assert_int_equal(display_control_add_screen(f->control, f->rig->screen), 0);
        assert_int_equal(display_control_start(f->control), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        display_control_free(f->control);
        rig_tear_down((void **) &f->rig);
        (void) unlink(path);
        assert_int_equal(count_fds(), f->n_fds);
        free(f);
        return 0;
}

static void settle(struct fixture *f)
{
        for (int i = 0; i < 5; i++)
                assert_int_equal(loop_step(f->rig->loop, 0), 0);
}

static int connect_to(struct fixture *f)
{
        int fd = fd_unix_connect(path);

        assert_true(fd >= 0);
        settle(f);
        return fd;
}

static void send_with_fds(int to, const char *text, const int *fds, size_t n_fds)
{
        char control[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { .iov_base = (char *) text, .iov_len = strlen(text) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *h;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                h = CMSG_FIRSTHDR(&message);
                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
        }
        assert_int_equal(sendmsg(to, &message, MSG_NOSIGNAL), strlen(text));
}

/* What has come, waited for; "" at the end of the connection. */
static const char *receive(struct fixture *f, int fd)
{
        static char text[8192];
        ssize_t n;

        for (;;) {
                n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
                if (n >= 0)
                        break;
                assert_true(errno == EAGAIN || errno == ECONNRESET);
                if (errno == ECONNRESET)
                        return "";
                assert_int_equal(loop_step(f->rig->loop, 50), 0);
        }
        text[n] = '\0';
        return text;
}

static const char *ask(struct fixture *f, int fd, const char *request)
{
        send_with_fds(fd, request, NULL, 0);
        return receive(f, fd);
}

static const char *ask_with_fd(struct fixture *f, int fd, const char *request, int given)
{
        send_with_fds(fd, request, &given, 1);
        return receive(f, fd);
}

static void a_screenshot_is_written_into_the_given_file(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        auto_cleanup(closep) int file = memfd_create("shot", MFD_CLOEXEC);
        auto_cleanup(picture_unrefp) struct picture *p = NULL;
        char name[64], *error;

        rig_show(f->rig, rig_view(f->rig, "a"), pattern_new(300, 200, 5));
        assert_string_equal(ask_with_fd(f, fd, "{\"screenshot\": \"main\"}\n", file), "{\"ok\":true}\n");
        (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
        assert_int_equal(image_load(name, 0, &p, &error), 0);
        assert_true(p->width == 300 && p->height == 200);
        for (uint32_t x = 0; x < 300; x++)
                assert_int_equal(((uint32_t *) (void *) p->pixels)[x], pattern_pixel(x, 0, 5));
}

static void a_screenshot_is_written_into_a_pipe(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        int pipe_fds[2];
        char png[8];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_string_equal(ask_with_fd(f, fd, "{\"screenshot\":\"main\"}\n", pipe_fds[1]), "{\"ok\":true}\n");
        (void) close(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], png, sizeof(png)), sizeof(png));
        assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
        (void) close(pipe_fds[0]);
}

static void descriptors_that_cannot_be_written_to_are_refused(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        int bad[] = { open("/proc/self/exe", O_RDONLY | O_CLOEXEC), open("/dev/null", O_WRONLY | O_CLOEXEC),
                      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                      open("/tmp", O_PATH | O_CLOEXEC) };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                assert_true(bad[i] >= 0);
                assert_non_null(strstr(ask_with_fd(f, fd, "{\"screenshot\":\"main\"}\n", bad[i]),
                                       "not a pipe or regular file"));
                assert_non_null(
                        strstr(ask_with_fd(f, fd, "{\"dump\":\"main\"}\n", bad[i]), "not a pipe or regular file"));
                (void) close(bad[i]);
        }
        assert_non_null(strstr(ask(f, fd, "{\"screenshot\":\"main\"}\n"), "without a descriptor"));
}

static void a_descriptor_nobody_asked_for_is_closed(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        int pipe_fds[2], many[4];
        char c;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_non_null(strstr(ask_with_fd(f, fd, "{\"stats\":true}\n", pipe_fds[1]), "screens"));
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = pipe_fds[1];
        send_with_fds(fd, "{\"screenshot\":\"main\"}\n", many, ARRAY_SIZE(many));
        (void) close(pipe_fds[1]);
        assert_non_null(strstr(receive(f, fd), "more than one"));
        assert_string_equal(receive(f, fd), "");
        assert_int_equal(read(pipe_fds[0], &c, 1), 0);
        (void) close(pipe_fds[0]);
}

static void a_file_that_cannot_grow_is_said(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        auto_cleanup(closep) int file = memfd_create("shot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int pipe_fds[2];

        assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), 0);
        assert_non_null(strstr(ask_with_fd(f, fd, "{\"screenshot\":\"main\"}\n", file), "cannot write"));
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        (void) close(pipe_fds[0]);
        assert_non_null(strstr(ask_with_fd(f, fd, "{\"screenshot\":\"main\"}\n", pipe_fds[1]), "cannot write"));
        (void) close(pipe_fds[1]);
}

/* Larger than a pipe holds, because it is noise. */
static void a_reader_that_does_not_read_holds_up_neither_frames_nor_others(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int file = memfd_create("shot", MFD_CLOEXEC);
        int fd = connect_to(f), other = connect_to(f), pipe_fds[2];

        rig_show(f->rig, rig_view(f->rig, "a"), pattern_new(300, 200, 5));
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096) >= 0);
        send_with_fds(fd, "{\"screenshot\":\"main\"}\n", &pipe_fds[1], 1);
        settle(f);
        send_with_fds(other, "{\"screenshot\":\"main\"}\n", &file, 1);
        for (uint32_t i = 0; i < 20; i++) {
                settle(f);
                rig_show(f->rig, rig_view(f->rig, "a"), plain_new(300, 200, i));
                assert_plain(f->rig, 0, 0, 300, 1, i);
        }
        (void) close(fd); /* it gives up: the other's turn */
        assert_string_equal(receive(f, other), "{\"ok\":true}\n");
        assert_true(lseek(file, 0, SEEK_END) > 0);
        (void) close(other);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        settle(f);
}

static void it_ends_in_the_middle_of_a_screenshot(void **state)
{
        struct fixture *f = *state;
        int fd = connect_to(f), pipe_fds[2];

        rig_show(f->rig, rig_view(f->rig, "a"), pattern_new(300, 200, 5));
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        send_with_fds(fd, "{\"screenshot\":\"main\"}\n", &pipe_fds[1], 1);
        settle(f);
        f->control = display_control_free(f->control);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        (void) close(fd);
}

static void no_more_than_a_few_screenshots_wait(void **state)
{
        struct fixture *f = *state;
        int fds[6], pipe_fds[2];
        unsigned n_refused = 0;

        rig_show(f->rig, rig_view(f->rig, "a"), pattern_new(300, 200, 5));
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096) >= 0);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_to(f);
                send_with_fds(fds[i], "{\"screenshot\":\"main\"}\n", &pipe_fds[1], 1);
                settle(f);
        }
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                char c;

                n_refused += recv(fds[i], &c, 1, MSG_DONTWAIT) == 1;
                (void) close(fds[i]);
        }
        assert_int_equal(n_refused, 2);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        settle(f);
}

static void requests_come_in_pieces_and_many_at_once(void **state)
{
        static const char request[] = "{\"mode\":{\"display\":\"a\",\"size\":[640,480]}}\n";
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        const char *answer;

        for (size_t i = 0; i + 1 < sizeof(request); i++) {
                char c[2] = { request[i], '\0' };

                send_with_fds(fd, c, NULL, 0);
                settle(f);
        }
        assert_string_equal(receive(f, fd), "{\"ok\":true}\n");
        assert_int_equal(view_get_mode(rig_view(f->rig, "a")).width, 640);
        send_with_fds(fd, "{\"watch\":true}\n{\"nothing\":1}\n{\"mode\":1}\n", NULL, 0);
        settle(f);
        answer = receive(f, fd);
        assert_memory_equal(answer, "{\"ok\":true}\n{\"error\":\"unknown request", 37);
        assert_non_null(strstr(answer, "expected {"));
}

static void what_is_no_request_is_answered_with_an_error(void **state)
{
        static const char *const requests[] = {
                "\n",
                "{}\n",
                "[]\n",
                "5\n",
                "{\"stats\":true,\"watch\":true}\n",
                "{\"stats\":false}\n",
                "{\"stats\":1}\n",
                "{\"screenshot\":5}\n",
                "{\"screenshot\":\"other\"}\n",
                "{\"screenshot\":null}\n",
                "{\"dump\":[]}\n",
                "{\"mode\":{\"display\":\"a\"}}\n",
                "{\"mode\":{\"display\":\"a\",\"size\":[1]}}\n",
                "{\"mode\":{\"display\":\"a\",\"size\":[0,1]}}\n",
                "{\"mode\":{\"display\":\"a\",\"size\":[-1,1]}}\n",
                "{\"mode\":{\"display\":\"a\",\"size\":[4294967297,1]}}\n",
                "{\"mode\":{\"display\":\"b\",\"size\":[1,1]}}\n",
                "{\"mode\":{\"display\":\"a\",\"size\":[1,1],\"x\":1}}\n",
                "{\"\\u0000\":1}\n",
                "{\"\xff\":1}\n",
                "{\"a\":1\n",
        };
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);

        for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
                assert_memory_equal(ask(f, fd, requests[i]), "{\"error\":", 9);
        assert_non_null(strstr(ask(f, fd, "{\"stats\":true}\n"), "\"frames\""));
}

static void an_oversized_request_ends_its_connection_only(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        auto_cleanup(closep) int other = connect_to(f);
        char text[CONTROL_REQUEST_MAX + 1];

        memset(text, ' ', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_non_null(strstr(ask(f, fd, text), "longer than"));
        assert_string_equal(receive(f, fd), "");
        assert_non_null(strstr(ask(f, other, "{\"stats\":true}\n"), "\"screens\""));
}

static void idle_callers_shut_nobody_out(void **state)
{
        struct fixture *f = *state;
        int fds[50], watcher = connect_to(f);
        const struct screen_guard_event e = { .display = "a", .guard = "g", .violated = true, .time_ns = 7 };

        assert_string_equal(ask(f, watcher, "{\"watch\":true}\n"), "{\"ok\":true}\n");
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_to(f);
                if (i % 2)
                        send_with_fds(fds[i], "{\"sta", NULL, 0);
        }
        settle(f);
        assert_non_null(strstr(ask(f, fds[48], "{\"stats\":true}\n"), "\"screens\""));
        display_control_tell_guard(f->control, &e);
        assert_string_equal(receive(f, watcher),
                            "{\"event\":\"guard\",\"display\":\"a\",\"guard\":\"g\",\"violated\":true,\"timeNs\":7}\n");
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                (void) close(fds[i]);
        (void) close(watcher);
        settle(f);
}

static void a_watcher_is_told_what_is_violated_already(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);

        rig_frame(f->rig, LIMIT_MS + 100);
        send_with_fds(fd, "{\"watch\":true}\n", NULL, 0);
        settle(f);
        assert_non_null(
                strstr(receive(f, fd), "{\"event\":\"guard\",\"display\":\"a\",\"guard\":\"g\",\"violated\":true,"));
}

static void a_watcher_that_does_not_read_loses_its_place(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int fd = connect_to(f);
        const struct screen_guard_event e = { .display = "a", .guard = "g", .violated = true, .time_ns = 7 };
        size_t n_bytes = 0;
        const char *text;

        assert_string_equal(ask(f, fd, "{\"watch\":true}\n"), "{\"ok\":true}\n");
        for (int i = 0; i < 20000; i++)
                display_control_tell_guard(f->control, &e);
        while ((text = receive(f, fd))[0])
                n_bytes += strlen(text);
        assert_true(n_bytes > 1000 && n_bytes < 1000000);
}

static void watchers_are_limited(void **state)
{
        struct fixture *f = *state;
        int fds[CONTROL_CLIENTS_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_to(f);
                assert_memory_equal(ask(f, fds[i], "{\"watch\":true}\n"),
                                    i < CONTROL_CLIENTS_MAX / 2 ? "{\"ok\":true}" : "{\"error\":\"8", 11);
        }
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                (void) close(fds[i]);
        settle(f);
}

static void read_all(struct fixture *f, int fd, void *buf, size_t n)
{
        uint8_t *to = buf;

        while (n > 0) {
                ssize_t k = read(fd, to, n);

                if (k < 0) {
                        assert_int_equal(errno, EAGAIN);
                        assert_int_equal(loop_step(f->rig->loop, 1), 0);
                        continue;
                }
                assert_true(k > 0);
                to += k;
                n -= (size_t) k;
        }
}

static void a_dump_has_raw_frames_and_always_the_last(void **state)
{
        struct fixture *f = *state;
        int fd = connect_to(f), pipe_fds[2];
        struct writer_frame header;
        uint32_t pixels[300 * 200], n_seen = 0, last = 0;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_string_equal(ask_with_fd(f, fd, "{\"dump\":\"main\"}\n", pipe_fds[1]), "{\"ok\":true}\n");
        assert_non_null(strstr(ask_with_fd(f, fd, "{\"dump\":\"main\"}\n", pipe_fds[1]), "another dump"));
        (void) close(pipe_fds[1]);
        for (uint32_t i = 1; i <= 100; i++)
                rig_show(f->rig, rig_view(f->rig, "a"), plain_new(300, 200, 0xff000000 | i));
        while (last != 100) {
                read_all(f, pipe_fds[0], &header, sizeof(header));
                assert_memory_equal(header.magic, WRITER_MAGIC, sizeof(header.magic));
                assert_true(header.width == 300 && header.height == 200 && header.sequence == n_seen++);
                read_all(f, pipe_fds[0], pixels, sizeof(pixels));
                for (size_t i = 1; i < ARRAY_SIZE(pixels); i++)
                        assert_int_equal(pixels[i], pixels[0]);
                assert_true(pixels[0] >= last && pixels[0] <= 100);
                last = pixels[0];
        }
        (void) close(pipe_fds[0]);
        rig_show(f->rig, rig_view(f->rig, "a"), plain_new(300, 200, 3));
        assert_string_equal(receive(f, fd), "");
        (void) close(fd);
}

static void a_dump_ends_with_its_caller(void **state)
{
        struct fixture *f = *state;
        int fd = connect_to(f), pipe_fds[2];
        char drain[4096];
        ssize_t n;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_string_equal(ask_with_fd(f, fd, "{\"dump\":\"main\"}\n", pipe_fds[1]), "{\"ok\":true}\n");
        (void) close(pipe_fds[1]);
        for (int i = 0; i < 3; i++)
                rig_show(f->rig, rig_view(f->rig, "a"), pattern_new(300, 200, 3));
        (void) close(fd);
        while (f->rig->screen->n_outputs > 1)
                assert_int_equal(loop_step(f->rig->loop, 10), 0);
        while ((n = read(pipe_fds[0], drain, sizeof(drain))) != 0) {
                assert_true(n > 0 || errno == EAGAIN);
                assert_int_equal(loop_step(f->rig->loop, n > 0 ? 0 : 10), 0);
        }
        (void) close(pipe_fds[0]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_screenshot_is_written_into_the_given_file),
                CASE(a_screenshot_is_written_into_a_pipe),
                CASE(descriptors_that_cannot_be_written_to_are_refused),
                CASE(a_descriptor_nobody_asked_for_is_closed),
                CASE(a_file_that_cannot_grow_is_said),
                CASE(a_reader_that_does_not_read_holds_up_neither_frames_nor_others),
                CASE(it_ends_in_the_middle_of_a_screenshot),
                CASE(no_more_than_a_few_screenshots_wait),
                CASE(requests_come_in_pieces_and_many_at_once),
                CASE(what_is_no_request_is_answered_with_an_error),
                CASE(an_oversized_request_ends_its_connection_only),
                CASE(idle_callers_shut_nobody_out),
                CASE(a_watcher_is_told_what_is_violated_already),
                CASE(a_watcher_that_does_not_read_loses_its_place),
                CASE(watchers_are_limited),
                CASE(a_dump_has_raw_frames_and_always_the_last),
                CASE(a_dump_ends_with_its_caller),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
