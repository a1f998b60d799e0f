/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

static void client_close(struct control_client *c)
{
        watch_stop(&c->watch);
        timer_stop(&c->deadline);
        fd_close(&c->fd);
        free(c->out);
        c->out = NULL;
        c->control = NULL;
}

static void on_deadline(struct timer *t) { client_close(container_of(t, struct control_client, deadline)); }

static void arm_deadline(struct control_client *c)
{
        timer_start(&c->deadline, c->control->loop, clock_now_ns() + CONTROL_DEADLINE_MS * NSEC_PER_MSEC, on_deadline);
}

static void handle_requests(struct control_client *c);

/* Sends what is left of the answer; once it is out, the next request's turn has come. */
static void flush_answer(struct control_client *c)
{
        while (c->n_sent < c->n_out) {
                ssize_t k = send(c->fd, c->out + c->n_sent, c->n_out - c->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN) {
                        (void) watch_set_events(&c->watch, EPOLLOUT);
                        return;
                }
                if (k < 0) {
                        client_close(c);
                        return;
                }
                c->n_sent += (size_t) k;
        }
        free(c->out);
        c->out = NULL;
        c->idle_since_ns = clock_now_ns();
        if (c->ends)
                client_close(c);
        else
                (void) watch_set_events(&c->watch, EPOLLIN);
}

void control_answer(struct control_client *c, json_t *answer_take)
{
        json_t *answer = answer_take ?: json_pack("{sb}", "ok", 1);
        char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
        int n;

        json_decref(answer);
        c->is_handling = false;
        c->waits_for = 0;
        n = text ? asprintf(&c->out, "%s\n", text) : -1;
        free(text);
        if (n < 0) {
                c->out = NULL;
                client_close(c);
                return;
        }
        c->n_out = (size_t) n;
        c->n_sent = 0;
        arm_deadline(c);
        flush_answer(c);
}

void control_fail(struct control_client *c, const char *format, ...)
{
        char text[1024];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        /* stringn: a text that was cut within a character is answered with a plain one instead. */
        control_answer(c, json_pack("{so}", "error",
                                    json_stringn(text, MIN((size_t) MAX(n, 0), sizeof(text) - 1))
                                            ?: json_string("failed, for a reason that is not valid UTF-8")));
}

void control_answer_waiting(struct control *control, unsigned what, const char *error)
{
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
                struct control_client *c = &control->clients[i];

                if (!c->control || c->waits_for != what)
                        continue;
                if (error)
                        control_fail(c, "%s", error);
                else
                        control_answer(c, NULL);
                if (c->control && !c->out)
                        handle_requests(c);
        }
}

static void handle_line(struct control_client *c, const char *line, size_t n)
{
        json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
        const char *op = json_string_value(json_object_get(request, "op"));

        timer_stop(&c->deadline);
        c->is_handling = true;
        if (op)
                c->control->fn(c, op, request);
        else
                control_fail(c, "expected a JSON object with a string \"op\" on one line");
        json_decref(request);
        if (c->control && c->is_handling)
                (void) watch_set_events(&c->watch, 0); /* its end is still told */
}

static void handle_requests(struct control_client *c)
{
        char *end;

        while (c->control && !c->out && !c->is_handling && !c->ends && (end = memchr(c->in, '\n', c->n_in))) {
                char line[CONTROL_REQUEST_MAX + 1];
                size_t n = (size_t) (end - c->in);

                memcpy(line, c->in, n);
                c->n_in -= n + 1;
                memmove(c->in, end + 1, c->n_in);
                handle_line(c, line, n);
        }
        if (!c->control || c->out || c->is_handling)
                return;
        if (c->n_in >= CONTROL_REQUEST_MAX) {
                c->ends = true;
                control_fail(c, "the request is longer than %d bytes", CONTROL_REQUEST_MAX);
        } else if (!c->deadline.loop || c->n_in == 0)
                arm_deadline(c);
}

static void on_client(struct watch *w, uint32_t events)
{
        struct control_client *c = container_of(w, struct control_client, watch);
        ssize_t k;

        if (c->is_handling) {
                if (events & (EPOLLHUP | EPOLLERR))
                        client_close(c);
                return;
        }
        if (c->out) {
                flush_answer(c);
                if (c->control && !c->out)
                        handle_requests(c);
                return;
        }
        k = recv(c->fd, c->in + c->n_in, CONTROL_REQUEST_MAX - c->n_in, MSG_DONTWAIT);
        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (k <= 0) {
                client_close(c);
                return;
        }
        c->n_in += (size_t) k;
        c->idle_since_ns = clock_now_ns();
        handle_requests(c);
}

/* A free place, or that of the caller idle longest; NULL if nobody is idle. */
static struct control_client *find_place(struct control *control)
{
        struct control_client *idlest = NULL;

        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
                struct control_client *c = &control->clients[i];

                if (!c->control)
                        return c;
                if (!c->is_handling && (!idlest || c->idle_since_ns < idlest->idle_since_ns))
                        idlest = c;
        }
        if (idlest)
                client_close(idlest);
        return idlest;
}

static bool is_permitted(int fd)
{
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return false;
        return peer.uid == geteuid() || peer.uid == 0;
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct control *control = container_of(a, struct control, acceptor);
        auto_cleanup(closep) int fd = connection_fd;
        struct control_client *c;

        if (fd < 0)
                return;
        if (!is_permitted(fd)) {
                static const char refusal[] = "{\"error\": \"not permitted: another user's machine\"}\n";

                (void) send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                return;
        }
        c = find_place(control);
        if (!c)
                return;
        *c = (struct control_client){ .control = control, .fd = fd, .idle_since_ns = clock_now_ns() };
        if (watch_start(&c->watch, control->loop, fd, EPOLLIN, on_client) < 0) {
                c->control = NULL;
                return;
        }
        (void) take_fd(&fd);
        arm_deadline(c);
}

int control_open(struct control *control, struct loop *loop, const char *path, control_fn fn)
{
        int r;

        *control = (struct control){ .loop = loop, .fn = fn };
        control->fd = fd_unix_listen(path, CONTROL_CLIENTS_MAX);
        if (control->fd < 0)
                return control->fd;
        r = acceptor_start(&control->acceptor, loop, control->fd, on_connection);
        if (r < 0)
                fd_close(&control->fd);
        return r;
}

void control_close(struct control *control)
{
        if (!control->loop)
                return;
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                if (control->clients[i].control)
                        client_close(&control->clients[i]);
        acceptor_stop(&control->acceptor);
        fd_close(&control->fd);
        control->loop = NULL;
}
