/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: the control socket. Input is a list of steps of up to three callers: a byte whose lowest two bits name the
 * caller (3: nobody) and whose other bits say what: 0 leave, 1 everyone who waits is answered, otherwise how many of
 * the next bytes to send. After all of it a fresh caller must still get its answer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/control.h"
#include "base/fd.h"
#include "base/macros.h"

#define N_CALLERS 3

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct control control;
static char path[64];

static void on_request(struct control_client *c, const json_t *request)
{
        const char *op = json_string_value(json_object_get(request, "op")) ?: "";

        if (strcmp(op, "wait") == 0)
                c->waits_for = 1;
        else if (strcmp(op, "fail") == 0)
                control_fail(c, "%s", op);
        else
                control_answer(c, NULL);
}

static const struct control_ops ops = { .request = on_request };

static void set_up(void)
{
        (void) snprintf(path, sizeof(path), "/tmp/busbar-fuzz-control.%d", getpid());
        expect(loop_new(&loop) == 0 && control_open(&control, loop, path, &ops) == 0);
}

static void settle(void)
{
        for (int i = 0; i < 3; i++)
                expect(loop_step(loop, 0) == 0);
}

static void send_text(int fd, const void *text, size_t n)
{
        char drain[4096];

        if (send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return;
        settle();
        while (recv(fd, drain, sizeof(drain), MSG_DONTWAIT) > 0)
                ;
}

static void expect_answer(void)
{
        static const char request[] = "{\"op\": \"last\"}\n";
        auto_cleanup(closep) int fd = fd_unix_connect(path);
        char answer[64];

        expect(fd >= 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
        settle();
        expect(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == 12 && memcmp(answer, "{\"ok\":true}\n", 12) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fds[N_CALLERS] = { -1, -1, -1 };

        if (!loop)
                set_up();
        for (size_t at = 0; at < size;) {
                unsigned who = data[at] & 3, what = data[at] >> 2;
                size_t n = MIN((size_t) what * what, size - at - 1); /* up to 3969: nearly a whole request */

                at++;
                if (who == N_CALLERS || what == 1) {
                        control_answer_waiting(&control, 1, what == 1 ? "over" : NULL);
                        continue;
                }
                if (what == 0) {
                        fd_close(&fds[who]);
                        continue;
                }
                if (fds[who] < 0)
                        fds[who] = fd_unix_connect(path);
                expect(fds[who] >= 0);
                send_text(fds[who], data + at, n);
                at += n;
        }
        expect_answer();
        for (size_t i = 0; i < N_CALLERS; i++)
                fd_close(&fds[i]);
        settle();
        /* So that the next input meets nothing of this one; the file stays until the process ends. */
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                expect(!control.clients[i].control);
        return 0;
}

static void __attribute__((destructor)) remove_socket(void)
{
        if (path[0])
                (void) unlink(path);
}
