/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One history serves all clients: each has a position in it, and is sent what follows as its socket takes it. A client
 * whose position has left the history is too slow.
 *
 * Input stays in the writer's socket until the port wants it, so nothing is buffered here and the writer waits. What a
 * client watches follows from its state, see client_events().
 */
#include "backend/stream-socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/history.h"
#include "backend/stream.h"
#include "base/acceptor.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"

struct socket_stream;

struct client {
        struct socket_stream *owner;
        int fd; /* owned; -1: free */
        uint64_t position; /* of the next byte it gets */
        bool blocked;      /* its socket was full */
        bool silent;       /* it closed its sending side */
        bool gone;         /* it closed all, and what it sent last waits for the port */
        struct watch watch;
};

struct socket_stream {
        struct stream stream;
        struct loop *loop; /* borrowed */
        int listen_fd;     /* owned */
        char *path;        /* owned; NULL: not ours to remove */
        struct acceptor acceptor;
        struct history history;
        size_t scrollback_bytes;
        bool wanted;
        struct client *writer; /* NULL: whoever sends first */
        struct client clients[STREAM_SOCKET_CLIENTS_MAX];
};

static void on_client(struct watch *w, uint32_t events);

/* Without input wanted, nobody's input is read: it may become the writer's. */
static uint32_t client_events(const struct client *c)
{
        uint32_t events = c->blocked ? EPOLLOUT : 0;

        if (!c->silent && c->owner->wanted)
                events |= EPOLLIN;
        return events;
}

static void client_close(struct client *c)
{
        struct socket_stream *s = c->owner;

        watch_stop(&c->watch);
        fd_close(&c->fd);
        if (s->writer == c)
                s->writer = NULL;
}

static void client_update(struct client *c)
{
        int r = 0;

        if (c->fd < 0)
                return;
        if (c->gone && !c->owner->wanted)
                watch_stop(&c->watch); /* its end is signalled for ever, and nothing can be done yet */
        else if (!c->watch.loop)
                r = watch_start(&c->watch, c->owner->loop, c->fd, client_events(c), on_client);
        else if (c->watch.events != client_events(c))
                r = watch_set_events(&c->watch, client_events(c));
        if (r < 0)
                client_close(c);
}

/* Sends what there is until the socket is full. */
static void client_flush(struct client *c)
{
        struct socket_stream *s = c->owner;

        c->blocked = false;
        while (c->fd >= 0 && !c->gone && c->position < s->history.end) {
                const char *data;
                ssize_t r;
                size_t n;

                if (c->position < history_start(&s->history)) {
                        s->stream.counters.n_refused++;
                        log_debug("console", "a reader is too slow and was disconnected");
                        client_close(c);
                        return;
                }
                data = history_at(&s->history, c->position, &n);
                r = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (r > 0) {
                        c->position += (uint64_t) r;
                } else if (r < 0 && errno == EAGAIN) {
                        c->blocked = true;
                        break;
                } else if (r < 0 && errno != EINTR) {
                        client_close(c);
                        return;
                }
        }
        client_update(c);
}

static void socket_write(struct stream *stream, const void *buf, size_t n)
{
        struct socket_stream *s = container_of(stream, struct socket_stream, stream);
        const char *from = buf;

        /* In parts, so that a long write alone makes no reader slow. */
        while (n > 0) {
                size_t part = MIN(n, s->history.capacity / 4);

                history_append(&s->history, from, part);
                from += part;
                n -= part;
                for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
                        if (s->clients[i].fd >= 0)
                                client_flush(&s->clients[i]);
        }
}

/* The writer sends no more. */
static void writer_ended(struct client *c)
{
        c->owner->writer = NULL;
        c->silent = true;
        if (c->gone)
                client_close(c);
        else
                client_update(c);
}

static ssize_t socket_read(struct stream *stream, void *buf, size_t n)
{
        struct socket_stream *s = container_of(stream, struct socket_stream, stream);
        struct client *c = s->writer;
        ssize_t r;

        if (!c)
                return 0;
        r = recv(c->fd, buf, n, MSG_DONTWAIT);
        if (r > 0)
                return r;
        if (r == 0)
                writer_ended(c);
        else if (errno != EAGAIN && errno != EINTR)
                client_close(c);
        return 0;
}

static void socket_want(struct stream *stream, bool on)
{
        struct socket_stream *s = container_of(stream, struct socket_stream, stream);

        if (s->wanted == on)
                return;
        s->wanted = on;
        for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
                client_update(&s->clients[i]);
}

static void discard_input(struct client *c)
{
        char buf[4096];
        ssize_t r = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (r == 0) {
                c->silent = true;
                client_update(c);
        } else if (r < 0 && errno != EAGAIN && errno != EINTR) {
                client_close(c);
        }
}

static bool has_input(const struct client *c)
{
        char byte;

        return !c->silent && recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

static void on_client(struct watch *w, uint32_t events)
{
        struct client *c = container_of(w, struct client, watch);
        struct socket_stream *s = c->owner;

        if (events & (EPOLLHUP | EPOLLERR)) {
                /* It may have sent its last words before. */
                if ((s->writer && s->writer != c) || !has_input(c)) {
                        client_close(c);
                        return;
                }
                s->writer = c;
                c->gone = true;
                client_update(c);
        }
        if (events & EPOLLOUT)
                client_flush(c);
        if (c->fd < 0 || !(events & EPOLLIN) || !s->wanted)
                return;
        if (!s->writer && has_input(c))
                s->writer = c;
        if (s->writer != c)
                discard_input(c);
        else if (s->stream.owner.readable)
                s->stream.owner.readable(s->stream.owner.data);
}

static void client_init(struct socket_stream *s, struct client *c, int fd)
{
        uint64_t start = history_start(&s->history);

        *c = (struct client) { .owner = s, .fd = fd, .position = start };
        if (s->history.end - start > s->scrollback_bytes)
                c->position = s->history.end - s->scrollback_bytes;
        client_flush(c);
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct socket_stream *s = container_of(a, struct socket_stream, acceptor);
        auto_cleanup(closep) int fd = connection_fd;

        if (fd < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++) {
                if (s->clients[i].fd < 0) {
                        client_init(s, &s->clients[i], take_fd(&fd));
                        return;
                }
        }
        s->stream.counters.n_refused++;
}

static struct stream *socket_free(struct stream *stream)
{
        struct socket_stream *s = stream ? container_of(stream, struct socket_stream, stream) : NULL;

        if (!s)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
                client_close(&s->clients[i]);
        acceptor_stop(&s->acceptor);
        if (s->path && s->listen_fd >= 0)
                (void) unlink(s->path);
        free(s->path);
        fd_close(&s->listen_fd);
        history_deinit(&s->history);
        free(s);
        return NULL;
}

static const struct stream_ops socket_ops = {
        .name = "socket",
        .write = socket_write,
        .free = socket_free,
        .read = socket_read,
        .want = socket_want,
};

int stream_socket_new(struct loop *loop, int listen_fd, const char *path, size_t scrollback_bytes,
                      struct stream **ret)
{
        auto_cleanup(stream_freep) struct stream *stream = NULL;
        struct socket_stream *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->stream.ops = &socket_ops;
        s->loop = loop;
        s->listen_fd = -1;
        s->scrollback_bytes = scrollback_bytes;
        for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
                s->clients[i] = (struct client) { .owner = s, .fd = -1 };
        stream = &s->stream;
        s->path = path ? strdup(path) : NULL;
        if (path && !s->path)
                return -ENOMEM;
        r = history_init(&s->history, STREAM_SOCKET_BUFFER);
        if (r < 0)
                return r;
        r = acceptor_start(&s->acceptor, loop, listen_fd, on_connection);
        if (r < 0)
                return r;
        s->listen_fd = listen_fd;
        *ret = take_ptr(&stream);
        return 0;
}
