/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"

#define QMP_LINE_MAX (1U << 20)
#define QMP_PENDING_MAX 16

struct pending {
        qmp_reply_fn fn;
        void *data;
};

struct qmp {
        int fd; /* owned */
        struct loop *loop;
        struct watch watch;
        struct qmp_handlers handlers;
        void *data;
        bool greeted, closed;

        char *line; /* owned: received, not yet handled */
        size_t n_line, line_size;

        struct pending pending[QMP_PENDING_MAX]; /* oldest first */
        size_t n_pending;
};

static void close_connection(struct qmp *q, const char *why)
{
        if (q->closed)
                return;
        q->closed = true;
        watch_stop(&q->watch);
        fd_close(&q->fd);
        q->handlers.closed(why, q->data);
}

static void on_capabilities(json_t *result, const char *error, void *data)
{
        struct qmp *q = data;

        if (!result)
                close_connection(q, error);
        else
                q->handlers.ready(q->data);
}

static void handle_reply(struct qmp *q, json_t *message)
{
        json_t *error = json_object_get(message, "error");
        const char *text = json_string_value(json_object_get(error, "desc"));
        struct pending p;

        if (q->n_pending == 0) {
                close_connection(q, "QEMU sent a reply that nothing asked for");
                return;
        }
        p = q->pending[0];
        q->n_pending--;
        memmove(&q->pending[0], &q->pending[1], q->n_pending * sizeof(q->pending[0]));
        if (!p.fn)
                return;
        if (error)
                p.fn(NULL, text ? text : "QEMU gave no reason", p.data);
        else
                p.fn(json_object_get(message, "return"), NULL, p.data);
}

static void handle_line(struct qmp *q, const char *line, size_t n)
{
        json_t *message = json_loadb(line, n, 0, NULL);
        const char *event = json_string_value(json_object_get(message, "event"));

        if (!json_is_object(message))
                close_connection(q, "QEMU sent a line that is no JSON object");
        else if (!q->greeted && json_object_get(message, "QMP")) {
                q->greeted = true;
                if (qmp_command(q, "qmp_capabilities", NULL, on_capabilities, q) < 0)
                        close_connection(q, "QEMU does not take commands");
        } else if (event)
                q->handlers.event(event, json_object_get(message, "data"), q->data);
        else if (json_object_get(message, "return") || json_object_get(message, "error"))
                handle_reply(q, message);
        else
                close_connection(q, "QEMU sent a message of no known kind");
        json_decref(message);
}

static int read_more(struct qmp *q)
{
        ssize_t n;

        if (q->line_size - q->n_line < 4096) {
                char *bigger;

                if (q->line_size >= QMP_LINE_MAX)
                        return -EMSGSIZE;
                bigger = realloc(q->line, q->line_size + 16384);
                if (!bigger)
                        return -ENOMEM;
                q->line = bigger;
                q->line_size += 16384;
        }
        n = recv(q->fd, q->line + q->n_line, q->line_size - q->n_line, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -EPIPE;
        q->n_line += (size_t) n;
        return 0;
}

static void on_readable(struct watch *w, uint32_t events)
{
        struct qmp *q = container_of(w, struct qmp, watch);
        size_t start = 0;
        int r;

        r = read_more(q);
        if (r < 0) {
                close_connection(q, r == -EPIPE ? "QEMU closed its control connection" : strerror(-r));
                return;
        }
        while (!q->closed) {
                char *end = q->n_line > start ? memchr(q->line + start, '\n', q->n_line - start) : NULL;

                if (!end)
                        break;
                handle_line(q, q->line + start, (size_t) (end - (q->line + start)));
                start = (size_t) (end - q->line) + 1;
        }
        if (start > 0) {
                memmove(q->line, q->line + start, q->n_line - start);
                q->n_line -= start;
        }
}

int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, void *data, struct qmp **ret)
{
        auto_cleanup(closep) int owned_fd = fd;
        struct qmp *q;
        int r;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->handlers = *handlers;
        q->data = data;
        q->loop = loop;
        q->fd = take_fd(&owned_fd);
        r = watch_start(&q->watch, loop, q->fd, EPOLLIN, on_readable);
        if (r < 0) {
                qmp_free(q);
                return r;
        }
        *ret = q;
        return 0;
}

struct qmp *qmp_free(struct qmp *q)
{
        if (!q)
                return NULL;
        watch_stop(&q->watch);
        closep(&q->fd);
        free(q->line);
        free(q);
        return NULL;
}

int qmp_command(struct qmp *q, const char *name, json_t *arguments, qmp_reply_fn fn, void *data)
{
        auto_cleanup(freep) char *text = NULL;
        json_t *message;
        size_t n;

        message = arguments ? json_pack("{s:s, s:o}", "execute", name, "arguments", arguments)
                            : json_pack("{s:s}", "execute", name);
        text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
        if (!text)
                return -ENOMEM;
        if (q->closed)
                return -ENOTCONN;
        if (q->n_pending == QMP_PENDING_MAX)
                return -ENOBUFS;

        /* A handful of short lines: the socket's buffer always has room, unless QEMU no longer reads. */
        n = strlen(text);
        text[n++] = '\n'; /* in place of the terminator */
        if (send(q->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) n)
                return errno == EAGAIN ? -ENOBUFS : -errno;
        q->pending[q->n_pending++] = (struct pending){ fn, data };
        return 0;
}
