/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: the control socket of the display server. Input is a list of steps of up to three callers: a byte whose
 * lowest two bits name the caller (3: something happens on the screen) and whose other bits say what: 0 leave, 1 to 7
 * the next bytes come with that many kinds of descriptors, otherwise how many of the next bytes to send. After all of
 * it a fresh caller must still get its answer and its screenshot.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/control.h"
#include "display/picture.h"
#include "display/surface.h"
#include "display/screen.h"
#include "display/view.h"
#include "scene/scene.h"

#define N_CALLERS 3
#define N_KINDS 7 /* of descriptors */

/* Checked in release builds too. */
#define expect(condition)         \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scene_guard guard = { .name = (char *) "g", .rule = RULE_LIT, .region = { 0, 0, 4, 4 }, .limit_ms = 100 };
static struct scene_screen screen_config = { .name = (char *) "main", .width = 16, .height = 16, .rate_hz = 1000 };
static struct scene_display display = {
        .name = (char *) "a", .region = { 0, 0, 16, 16 }, .width = 16, .height = 16, .guards = &guard, .n_guards = 1
};
static struct scene scene = { .screens = &screen_config, .n_screens = 1, .displays = &display, .n_displays = 1 };
static struct loop *loop;
static struct screen *screen;
static struct surface *surface;
static char path[64];

static void set_up(void)
{
        struct picture *picture;
        char *error;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) snprintf(path, sizeof(path), "/tmp/busbar-fuzz-display.%d", getpid());
        expect(loop_new(&loop) == 0 && screen_new(loop, &scene, 0, &screen, &error) == 0);
        expect(picture_new(PIXMAN_x8r8g8b8, 16, 16, &picture) == 0 && surface_new(picture, &surface) == 0);
        expect(view_show(screen_find_view(screen, "a"), surface, &(struct rectangle){ 0, 0, 16, 16 }) == 0);
}

static void settle(void)
{
        for (int i = 0; i < 4; i++)
                expect(loop_step(loop, 0) == 0);
}

static int new_descriptor(unsigned kind)
{
        int fds[2];

        switch (kind) {
        case 1:
                return memfd_create("fuzz", MFD_CLOEXEC);
        case 2:
                expect(pipe2(fds, O_CLOEXEC) == 0);
                (void) close(fds[0]);
                return fds[1];
        case 3:
                expect(pipe2(fds, O_CLOEXEC) == 0);
                (void) close(fds[1]);
                return fds[0];
        case 4:
                return open("/dev/null", O_WRONLY | O_CLOEXEC);
        case 5:
                return open("/tmp", O_PATH | O_CLOEXEC);
        default:
                return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        }
}

/* @kind: 0: none; N_KINDS: several at once. */
static void send_bytes(int to, const void *bytes, size_t n, unsigned kind)
{
        char control[CMSG_SPACE(6 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { .iov_base = (void *) bytes, .iov_len = n };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        size_t n_fds = kind == 0 ? 0 : kind == N_KINDS ? 6 : 1;
        int fds[6];
        char drain[8192];

        for (size_t i = 0; i < n_fds; i++)
                expect((fds[i] = new_descriptor(n_fds == 1 ? kind : (unsigned) i + 1)) >= 0);
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
        (void) sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        for (size_t i = 0; i < n_fds; i++)
                (void) close(fds[i]);
        settle();
        while (recv(to, drain, sizeof(drain), MSG_DONTWAIT) > 0)
                ;
}

static void happen(struct display_control *control, unsigned what)
{
        const struct screen_guard_event e = { .display = "a", .guard = "g", .violated = what & 1, .time_ns = what };

        view_flush(screen_find_view(screen, "a"), &(struct rectangle){ what % 16, what % 16, 1, 1 });
        (void) screen_compose_now(screen);
        display_control_tell_guard(control, &e);
        settle();
}

static void expect_answer(const char *request, unsigned kind)
{
        auto_cleanup(closep) int fd = fd_unix_connect(path);
        auto_cleanup(closep) int file = kind ? new_descriptor(kind) : -1;
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { .iov_base = (void *) request, .iov_len = strlen(request) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        char answer[64];
        ssize_t n;

        expect(fd >= 0);
        if (kind) {
                struct cmsghdr *h;

                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                h = CMSG_FIRSTHDR(&message);
                *h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                       .cmsg_level = SOL_SOCKET,
                                       .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(h), &file, sizeof(file));
        }
        expect(sendmsg(fd, &message, MSG_NOSIGNAL) > 0);
        while ((n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) < 0)
                expect(loop_step(loop, 100) == 0);
        expect(n == 12 && memcmp(answer, "{\"ok\":true}\n", 12) == 0);
        expect(!kind || lseek(file, 0, SEEK_END) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fds[N_CALLERS] = { -1, -1, -1 };
        struct display_control *control;

        if (!loop)
                set_up();
        expect(display_control_open(loop, path, &control) == 0);
        expect(display_control_add_screen(control, screen) == 0 && display_control_start(control) == 0);
        for (size_t at = 0; at < size;) {
                unsigned who = data[at] & 3, what = data[at] >> 2, kind = what <= N_KINDS ? what : 0;
                size_t n = MIN(kind ? (size_t) 32 : (size_t) what * what,
                               size - at - 1); /* up to 3969: nearly a whole request */

                at++;
                if (who == N_CALLERS) {
                        happen(control, what);
                        continue;
                }
                if (what == 0) {
                        fd_close(&fds[who]);
                        continue;
                }
                if (fds[who] < 0)
                        fds[who] = fd_unix_connect(path);
                expect(fds[who] >= 0);
                settle();
                send_bytes(fds[who], data + at, n, kind);
                at += n;
        }
        for (size_t i = 0; i < N_CALLERS; i++)
                fd_close(&fds[i]);
        settle();
        expect_answer("{\"mode\":{\"display\":\"a\",\"size\":[16,16]}}\n", 0);
        expect_answer("{\"screenshot\":\"main\"}\n", 1);
        display_control_free(control);
        return 0;
}

static void __attribute__((destructor)) remove_socket(void)
{
        if (path[0])
                (void) unlink(path);
}
