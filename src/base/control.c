/* SPDX-License-Identifier: MPL-2.0 */
#include "base/control.h"

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

#define GIVEN_FDS_MAX 4 /* that one message may bring; more than one is an error */

/* ---- answers ---- */

void control_client_close(struct control_client *c)
{
        if (!c->control)
                return;
        if (c->control->ops->left)
                c->control->ops->left(c);
        watch_stop(&c->watch);
        timer_stop(&c->deadline);
        fd_close(&c->fd);
        fd_close(&c->given_fd);
        free(c->out);
        c->out = NULL;
        c->control = NULL;
}

static void on_deadline(struct timer *t) { control_client_close(container_of(t, struct control_client, deadline)); }

static void arm_deadline(struct control_client *c)
{
        timer_start(&c->deadline, c->control->loop, clock_now_ns() + CONTROL_DEADLINE_MS * NSEC_PER_MSEC, on_deadline);
}

static void handle_requests(struct control_client *c);

/* Sends what waits. */
static void flush_out(struct control_client *c)
{
        while (c->n_out > 0) {
                ssize_t k = send(c->fd, c->out, c->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN) {
                        if (!c->deadline.loop)
                                arm_deadline(c);
                        (void) watch_set_events(&c->watch, EPOLLOUT);
                        return;
                }
                if (k < 0) {
                        control_client_close(c);
                        return;
                }
                timer_stop(&c->deadline);
                c->n_out -= (size_t) k;
                memmove(c->out, c->out + k, c->n_out);
        }
        free(c->out);
        c->out = NULL;
        c->idle_since_ns = clock_now_ns();
        if (c->ends)
                control_client_close(c);
        else /* the end of one that waits is told without events */
                (void) watch_set_events(&c->watch, c->is_handling ? 0 : EPOLLIN);
}

/* @most: how much may wait before it. */
static void send_object(struct control_client *c, json_t *object_take, size_t most)
{
        auto_cleanup(freep) char *text = object_take ? json_dumps(object_take, JSON_COMPACT) : NULL;
        size_t n = text ? strlen(text) : 0;
        char *out = text && c->n_out <= most ? realloc(c->out, c->n_out + n + 1) : NULL;

        json_decref(object_take);
        if (!out) {
                control_client_close(c);
                return;
        }
        memcpy(out + c->n_out, text, n);
        out[c->n_out + n] = '\n';
        c->out = out;
        c->n_out += n + 1;
        flush_out(c);
}

void control_tell(struct control_client *c, json_t *event_take) { send_object(c, event_take, CONTROL_EVENTS_MAX); }

void control_answer(struct control_client *c, json_t *answer_take)
{
        c->is_handling = false;
        c->waits_for = 0;
        fd_close(&c->given_fd);
        send_object(c, answer_take ?: json_pack("{sb}", "ok", 1), SIZE_MAX);
        if (!c->is_called)
                handle_requests(c);
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
        }
}

/* ---- requests ---- */

static void handle_line(struct control_client *c, const char *line, size_t n)
{
        json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

        timer_stop(&c->deadline);
        c->is_handling = true;
        c->is_called = true;
        if (json_is_object(request))
                c->control->ops->request(c, request);
        else
                control_fail(c, "expected a JSON object on a line");
        json_decref(request);
        c->is_called = false;
        if (c->control && c->is_handling && !c->out)
                (void) watch_set_events(&c->watch, 0); /* its end is still told */
}

/* Handles what has come in as far as it may now be handled. */
static void handle_requests(struct control_client *c)
{
        char *end;

        while (c->control && !c->out && !c->is_handling && !c->ends && (end = memchr(c->in, '\n', c->n_in))) {
                char line[CONTROL_REQUEST_MAX];
                size_t n = (size_t) (end - c->in);

                memcpy(line, c->in, n);
                c->n_in -= n + 1;
                memmove(c->in, end + 1, c->n_in);
                handle_line(c, line, n);
        }
        if (!c->control || c->out || c->is_handling || c->ends)
                return;
        if (c->n_in == sizeof(c->in)) {
                c->ends = true;
                control_fail(c, "the request is longer than %d bytes", CONTROL_REQUEST_MAX - 1);
        } else if (c->n_in > 0 && !c->deadline.loop)
                arm_deadline(c);
}

/* Takes the descriptor of a message. False: there was more than one, all are closed. */
static bool take_given_fd(struct control_client *c, struct msghdr *message)
{
        bool ok = !(message->msg_flags & MSG_CTRUNC);

        for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
                        if (c->given_fd < 0)
                                c->given_fd = fd;
                        else {
                                (void) close(fd);
                                ok = false;
                        }
                }
        }
        return ok;
}

/* Return: bytes; 0 at the end; -EAGAIN; -EBADMSG: more than one descriptor; a negative errno. */
static ssize_t receive(struct control_client *c)
{
        char control[CMSG_SPACE(GIVEN_FDS_MAX * sizeof(int))] __attribute__((aligned(8)));
        struct iovec iov = { .iov_base = c->in + c->n_in, .iov_len = sizeof(c->in) - c->n_in };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        ssize_t k = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (k < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        return take_given_fd(c, &message) ? k : -EBADMSG;
}

static void on_client(struct watch *w, uint32_t events)
{
        struct control_client *c = container_of(w, struct control_client, watch);
        ssize_t k;

        if (c->out) {
                flush_out(c);
                handle_requests(c);
                return;
        }
        if (c->is_handling) {
                if (events & (EPOLLHUP | EPOLLERR))
                        control_client_close(c);
                return;
        }
        k = receive(c);
        if (k == -EAGAIN)
                return;
        if (k == -EBADMSG) {
                c->ends = true;
                control_fail(c, "more than one descriptor with one request");
                return;
        }
        if (k <= 0) {
                control_client_close(c);
                return;
        }
        c->n_in += (size_t) k;
        c->idle_since_ns = clock_now_ns();
        handle_requests(c);
}

/* ---- callers ---- */

/* A free place, or that of the caller idle longest; NULL if nobody is idle. */
static struct control_client *find_place(struct control *control)
{
        struct control_client *idlest = NULL;

        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
                struct control_client *c = &control->clients[i];

                if (!c->control)
                        return c;
                if (!c->is_handling && !c->stays_for && (!idlest || c->idle_since_ns < idlest->idle_since_ns))
                        idlest = c;
        }
        if (idlest)
                control_client_close(idlest);
        return idlest;
}

static bool is_permitted(const struct control *control, int fd)
{
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return false;
        return peer.uid == control->uid || peer.uid == 0;
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct control *control = container_of(a, struct control, acceptor);
        auto_cleanup(closep) int fd = connection_fd;
        struct control_client *c;

        if (fd < 0)
                return;
        if (!is_permitted(control, fd)) {
                static const char refusal[] = "{\"error\": \"not permitted: it is another user's\"}\n";

                (void) send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                return;
        }
        c = find_place(control);
        if (!c)
                return;
        *c = (struct control_client){ .control = control, .fd = fd, .given_fd = -1, .idle_since_ns = clock_now_ns() };
        if (watch_start(&c->watch, control->loop, fd, EPOLLIN, on_client) < 0) {
                c->control = NULL;
                return;
        }
        (void) take_fd(&fd);
}

int control_open(struct control *control, struct loop *loop, const char *path, const struct control_ops *ops)
{
        int r;

        *control = (struct control){ .loop = loop, .ops = ops, .uid = geteuid() };
        json_object_seed(0); /* reads a file, which a server cannot open later */
        r = control->fd = fd_unix_listen(path, CONTROL_CLIENTS_MAX);
        if (r >= 0)
                r = acceptor_start(&control->acceptor, loop, control->fd, on_connection);
        if (r < 0)
                control_close(control);
        return MIN(r, 0);
}

void control_close(struct control *control)
{
        if (!control->loop)
                return;
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                control_client_close(&control->clients[i]);
        acceptor_stop(&control->acceptor);
        fd_close(&control->fd);
        control->loop = NULL;
}
