/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

void terminal_open(struct terminal *t, int socket_fd)
{
        struct termios raw;

        *t = (struct terminal){ .socket_fd = socket_fd };
        if (socket_fd < 0 || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->saved) < 0)
                return;
        raw = t->saved;
        cfmakeraw(&raw);
        t->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void terminal_close(struct terminal *t)
{
        if (t->is_raw)
                (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
        t->is_raw = false;
        fd_close(&t->socket_fd);
}

int terminal_input_fd(const struct terminal *t) { return t->socket_fd < 0 || t->input_ended ? -1 : STDIN_FILENO; }

/* The console server is the one who reads; it may be starting again at this moment, so a failure is no end. */
static void pass_on(struct terminal *t, const char *text, size_t n)
{
        while (n > 0) {
                ssize_t k = send(t->socket_fd, text, n, MSG_NOSIGNAL);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return;
                text += k;
                n -= (size_t) k;
        }
}

bool terminal_take_input(struct terminal *t)
{
        char buf[4096], *escape;
        ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

        if (n <= 0) {
                t->input_ended = n == 0 || errno != EINTR;
                return false;
        }
        escape = t->is_raw ? memchr(buf, TERMINAL_ESCAPE, (size_t) n) : NULL;
        pass_on(t, buf, escape ? (size_t) (escape - buf) : (size_t) n);
        return escape;
}

bool terminal_take_output(struct terminal *t)
{
        char buf[16384];
        ssize_t n = recv(t->socket_fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        if (n <= 0) {
                fd_close(&t->socket_fd);
                return false;
        }
        /* Nobody to print to any more is no reason to disturb the guest. */
        (void) fd_write_full(STDOUT_FILENO, buf, (size_t) n);
        return true;
}

void terminal_drain(struct terminal *t)
{
        char buf[16384];
        ssize_t n;

        while (t->socket_fd >= 0 && ((n = recv(t->socket_fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)))
                if (n > 0)
                        (void) fd_write_full(STDOUT_FILENO, buf, (size_t) n);
        fd_close(&t->socket_fd);
}
