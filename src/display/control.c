/* SPDX-License-Identifier: MPL-2.0 */
#include "display/control.h"

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
#include "display/control-private.h"
#include "display/dump.h"
#include "display/writer.h"

#define OUT_BYTES_MAX (64u << 10) /* that wait for a caller to read */
#define GIVEN_FDS_MAX 4           /* that one message may bring; more than one is an error */

void client_close(struct display_client *c)
{
        if (!c->control)
                return;
        client_forget(c);
        watch_stop(&c->watch);
        timer_stop(&c->deadline);
        fd_close(&c->fd);
        fd_close(&c->given_fd);
        free(c->out);
        c->out = NULL;
        c->control = NULL;
}

static void on_deadline(struct timer *t) { client_close(container_of(t, struct display_client, deadline)); }

static void arm_deadline(struct display_client *c)
{
        timer_start(&c->deadline, c->control->loop, clock_now_ns() + DISPLAY_CONTROL_DEADLINE_MS * NSEC_PER_MSEC,
                    on_deadline);
}

/* Sends what waits. False: closed. */
static bool flush_out(struct display_client *c)
{
        while (c->n_out > 0) {
                ssize_t k = send(c->fd, c->out, c->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN) {
                        if (!c->deadline.loop)
                                arm_deadline(c);
                        (void) watch_set_events(&c->watch, EPOLLOUT);
                        return true;
                }
                if (k < 0) {
                        client_close(c);
                        return false;
                }
                timer_stop(&c->deadline);
                c->n_out -= (size_t) k;
                memmove(c->out, c->out + k, c->n_out);
        }
        free(c->out);
        c->out = NULL;
        c->idle_since_ns = clock_now_ns();
        if (c->ends) {
                client_close(c);
                return false;
        }
        (void) watch_set_events(&c->watch, c->wanted ? 0 : EPOLLIN);
        return true;
}

void client_send(struct display_client *c, json_t *object_take)
{
        auto_cleanup(freep) char *text = object_take ? json_dumps(object_take, JSON_COMPACT) : NULL;
        size_t n = text ? strlen(text) : 0;
        char *out;

        json_decref(object_take);
        out = text && c->n_out + n + 1 <= OUT_BYTES_MAX ? realloc(c->out, c->n_out + n + 1) : NULL;
        if (!out) {
                client_close(c);
                return;
        }
        memcpy(out + c->n_out, text, n);
        out[c->n_out + n] = '\n';
        c->out = out;
        c->n_out += n + 1;
        (void) flush_out(c);
}

void client_send_ok(struct display_client *c) { client_send(c, json_pack("{sb}", "ok", 1)); }

void client_send_error(struct display_client *c, const char *format, ...)
{
        char text[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        client_send(c, json_pack("{so}", "error",
                                 json_stringn(text, MIN((size_t) MAX(n, 0), sizeof(text) - 1))
                                         ?: json_string("failed, for a reason that is not valid UTF-8")));
}

static void handle_line(struct display_client *c, const char *line, size_t n)
{
        json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

        timer_stop(&c->deadline);
        if (json_is_object(request) && json_object_size(request) == 1)
                client_handle(c, request);
        else
                client_send_error(c, "expected a JSON object with one member on a line");
        json_decref(request);
        if (c->control && !c->wanted)
                fd_close(&c->given_fd);
}

void client_go_on(struct display_client *c)
{
        char *end;

        while (c->control && !c->out && !c->wanted && !c->ends && (end = memchr(c->in, '\n', c->n_in))) {
                char line[DISPLAY_CONTROL_REQUEST_MAX];
                size_t n = (size_t) (end - c->in);

                memcpy(line, c->in, n);
                c->n_in -= n + 1;
                memmove(c->in, end + 1, c->n_in);
                handle_line(c, line, n);
        }
        if (!c->control || c->out || c->wanted)
                return;
        if (c->n_in == sizeof(c->in)) {
                c->ends = true;
                client_send_error(c, "the request is longer than %d bytes", DISPLAY_CONTROL_REQUEST_MAX - 1);
        } else if (c->n_in > 0 && !c->deadline.loop)
                arm_deadline(c);
}

/* Takes the descriptors of a message. False: there were too many, all are closed. */
static bool take_fds(struct display_client *c, struct msghdr *message)
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

static ssize_t receive(struct display_client *c)
{
        char control[CMSG_SPACE(GIVEN_FDS_MAX * sizeof(int))] __attribute__((aligned(8)));
        struct iovec iov = { .iov_base = c->in + c->n_in, .iov_len = sizeof(c->in) - c->n_in };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        ssize_t k = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (k < 0)
                return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
        return take_fds(c, &message) ? k : -EBADMSG;
}

static void on_client(struct watch *w, uint32_t events)
{
        struct display_client *c = container_of(w, struct display_client, watch);
        ssize_t k;

        if (events & EPOLLOUT) {
                if (flush_out(c) && !c->out)
                        client_go_on(c);
                return;
        }
        if (c->wanted || c->out) { /* its end is all that is watched for */
                if (events & (EPOLLHUP | EPOLLERR))
                        client_close(c);
                else
                        (void) watch_set_events(w, c->out ? EPOLLOUT : 0);
                return;
        }
        k = receive(c);
        if (k == -EAGAIN)
                return;
        if (k == -EBADMSG) {
                c->ends = true;
                client_send_error(c, "more than one descriptor with one request");
                return;
        }
        if (k <= 0) {
                client_close(c);
                return;
        }
        c->n_in += (size_t) k;
        c->idle_since_ns = clock_now_ns();
        client_go_on(c);
}

/* A free place, or that of the caller idle longest; NULL if nobody is idle. */
static struct display_client *find_place(struct display_control *control)
{
        struct display_client *idlest = NULL;

        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX; i++) {
                struct display_client *c = &control->clients[i];

                if (!c->control)
                        return c;
                if (!c->is_watching && !c->wanted && control->dumps_for != c &&
                    (!idlest || c->idle_since_ns < idlest->idle_since_ns))
                        idlest = c;
        }
        if (idlest)
                client_close(idlest);
        return idlest;
}

static bool is_permitted(const struct display_control *control, int fd)
{
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return false;
        return peer.uid == control->uid || peer.uid == 0;
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct display_control *control = container_of(a, struct display_control, acceptor);
        auto_cleanup(closep) int fd = connection_fd;
        struct display_client *c;

        if (fd < 0 || !is_permitted(control, fd))
                return;
        c = find_place(control);
        if (!c)
                return;
        *c = (struct display_client){ .control = control, .fd = fd, .given_fd = -1, .idle_since_ns = clock_now_ns() };
        if (watch_start(&c->watch, control->loop, fd, EPOLLIN, on_client) < 0) {
                c->control = NULL;
                return;
        }
        (void) take_fd(&fd);
}

int display_control_open(struct loop *loop, const char *path, struct display_control **ret)
{
        struct display_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (struct display_control){ .loop = loop, .uid = geteuid(), .fd = -1, .writing_fd = -1 };
        json_object_seed(0); /* reads a file, which cannot be opened later */
        r = writer_new(loop, display_control_on_written, c, &c->writer);
        if (r == 0)
                r = dump_new(loop, display_control_on_dump_ended, c, &c->dump);
        if (r == 0)
                r = c->fd = fd_unix_listen(path, DISPLAY_CONTROL_CLIENTS_MAX);
        if (r >= 0)
                r = acceptor_start(&c->acceptor, loop, c->fd, on_connection);
        if (r < 0) {
                display_control_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int display_control_add_screen(struct display_control *c, struct screen *screen)
{
        struct screen **screens = realloc(c->screens, (c->n_screens + 1) * sizeof(struct screen *));

        if (!screens)
                return -ENOMEM;
        c->screens = screens;
        c->screens[c->n_screens++] = screen;
        return 0;
}

int display_control_start(struct display_control *c)
{
        int r = writer_start(c->writer);

        return r == 0 ? dump_start(c->dump) : r;
}

struct display_control *display_control_free(struct display_control *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX; i++)
                client_close(&c->clients[i]);
        acceptor_stop(&c->acceptor);
        fd_close(&c->fd);
        dump_free(c->dump);
        writer_free(c->writer);
        fd_close(&c->writing_fd);
        free(c->screens);
        free(c);
        return NULL;
}
