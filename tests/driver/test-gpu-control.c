/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the display server answers on its control socket, in its sandbox; and guards, with a guest that shows nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "display/image.h"
#include "display/picture.h"
#include "display/writer.h"
#include "harness.h"

#define WAIT_MS 20000

static const char system_file[] =
        "{\"screens\": {\"main\": {\"output\": \"headless\", \"size\": [320, 200], \"background\": \"#102030\"}},\n"
        " \"displays\": {\"cluster\": {\"screen\": \"main\", \"region\": [20, 10, 200, 100],\n"
        "   \"fallback\": {\"colour\": \"#204060\"},\n"
        "   \"guards\": [{\"name\": \"telltale\", \"region\": [5, 5, 50, 40], \"rule\": \"fresh\", \"limitMs\": 100,\n"
        "                 \"cover\": {\"colour\": \"#ff8000\"}}]}},\n"
        " \"machines\": {}}\n";

static struct harness harness;

static int setup(void **state)
{
        int fd;

        if (harness_init(&harness) < 0)
                return -1;
        fd = open(harness_path(&harness, "system.json"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || fd_write_full(fd, system_file, sizeof(system_file) - 1) < 0)
                return -1;
        return close(fd);
}

static int teardown(void **state)
{
        harness_deinit(&harness);
        return 0;
}

static void start(void)
{
        char scene[256], control[256], guest[256];
        const char *words[] = { "gpu", scene, control, "--guest", guest, NULL };

        (void) snprintf(scene, sizeof(scene), "--scene=%s", harness_path(&harness, "system.json"));
        (void) snprintf(control, sizeof(control), "--control=%s", harness_path(&harness, "control"));
        (void) snprintf(guest, sizeof(guest), "id=a,socket-path=%s,display=cluster", harness_path(&harness, "a"));
        assert_int_equal(harness_start(&harness, words), 0);
}

static int connect_to_server(void)
{
        int fd = fd_unix_connect(harness_path(&harness, "control"));

        assert_true(fd >= 0);
        return fd;
}

/* Sends a request, with a descriptor unless @given is -1, and waits for a line that contains @expected. */
static void ask(int fd, const char *request, int given, const char *expected)
{
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 }, text[8192];
        struct iovec iov = { .iov_base = (char *) request, .iov_len = strlen(request) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        size_t n = 0;

        if (given >= 0) {
                struct cmsghdr *h;

                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                h = CMSG_FIRSTHDR(&message);
                *h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                       .cmsg_level = SOL_SOCKET,
                                       .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(h), &given, sizeof(given));
        }
        assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), strlen(request));
        for (;;) {
                struct pollfd ready = { .fd = fd, .events = POLLIN };
                ssize_t k;

                assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
                k = recv(fd, text + n, sizeof(text) - 1 - n, 0);
                assert_true(k > 0);
                n += (size_t) k;
                text[n] = '\0';
                if (strstr(text, expected))
                        return;
                assert_true(n < sizeof(text) - 1);
        }
}

static uint32_t pixel(const struct picture *p, uint32_t x, uint32_t y)
{
        return ((const uint32_t *) (const void *) (p->pixels + (size_t) y * p->stride_bytes))[x] & 0xffffff;
}

static void a_guest_that_shows_nothing_is_covered_and_told_of(void **state)
{
        auto_cleanup(closep) int file = memfd_create("shot", MFD_CLOEXEC);
        auto_cleanup(picture_unrefp) struct picture *p = NULL;
        int fd;
        char name[64], *error;

        start();
        fd = connect_to_server();
        ask(fd, "{\"watch\":true}\n", -1, "\"display\":\"cluster\",\"guard\":\"telltale\",\"violated\":true");
        ask(fd, "{\"screenshot\":\"main\"}\n", file, "{\"ok\":true}");
        (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
        assert_int_equal(image_load(name, 0, &p, &error), 0);
        assert_true(p->width == 320 && p->height == 200);
        assert_int_equal(pixel(p, 0, 0), 0x102030);
        assert_int_equal(pixel(p, 20, 10), 0x204060);
        assert_int_equal(pixel(p, 24, 15), 0x204060);
        assert_int_equal(pixel(p, 25, 15), 0xff8000);
        assert_int_equal(pixel(p, 74, 54), 0xff8000);
        assert_int_equal(pixel(p, 75, 54), 0x204060);
        ask(fd, "{\"stats\":true}\n", -1, "\"violations\":1");
        (void) close(fd);
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(access(harness_path(&harness, "control"), F_OK), -1);
}

static void every_request_is_allowed_by_the_sandbox(void **state)
{
        struct writer_frame header;
        int fd, pipe_fds[2];

        start();
        fd = connect_to_server();
        ask(fd, "{\"mode\":{\"display\":\"cluster\",\"size\":[640,480]}}\n", -1, "{\"ok\":true}");
        ask(fd, "{\"stats\":true}\n", -1, "\"frames\"");
        ask(fd, "{\"screenshot\":\"main\"}\n", -1, "without a descriptor");
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        ask(fd, "{\"screenshot\":\"main\"}\n", pipe_fds[1], "{\"ok\":true}");
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        (void) close(take_fd(&pipe_fds[0]));
        ask(fd, "{\"screenshot\":\"main\"}\n", pipe_fds[1], "cannot write");
        (void) close(pipe_fds[1]);
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        ask(fd, "{\"dump\":\"main\"}\n", pipe_fds[1], "{\"ok\":true}");
        (void) close(pipe_fds[1]);
        assert_int_equal(fd_read_full(pipe_fds[0], &header, sizeof(header)), 0);
        assert_memory_equal(header.magic, WRITER_MAGIC, sizeof(header.magic));
        assert_true(header.width == 320 && header.height == 200);
        (void) close(fd);
        (void) close(pipe_fds[0]);
        fd = connect_to_server();
        ask(fd, "{\"stats\":true}\n", -1, "\"frames\"");
        (void) close(fd);
        assert_int_equal(harness_stop(&harness), 0);
}

static void a_reader_that_never_reads_does_not_keep_it_from_ending(void **state)
{
        int fd, pipe_fds[2];

        start();
        fd = connect_to_server();
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        ask(fd, "{\"dump\":\"main\"}\n", pipe_fds[1], "{\"ok\":true}");
        assert_int_equal(harness_stop(&harness), 0);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        (void) close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_guest_that_shows_nothing_is_covered_and_told_of),
                CASE(every_request_is_allowed_by_the_sandbox),
                CASE(a_reader_that_never_reads_does_not_keep_it_from_ending),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
