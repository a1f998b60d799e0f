/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A stream: the host side of a console port. Bytes both ways, no messages.
 *
 *      console port ── stream_write() ──► people, files      never waits: what cannot be kept is dropped and counted
 *                   ◄── stream_read() ─── people             waits in the host until the port wants it
 *
 * Output is never held up by a slow reader, because a guest must not be. Input is never dropped: while the port does
 * not want it, it stays where it is and its sender waits.
 *
 * Implementations: stream-socket.c, pty.c, logfile.c (output only); stream-tee.c makes one of several. All on one
 * loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream;

struct stream_owner {
        /* Input may be there: stream_read() until it returns 0, or stream_want(false). */
        void (*readable)(void *data);
        /* The terminal behind the stream has another size; optional. */
        void (*resized)(void *data, uint16_t columns, uint16_t rows);
        void *data;
};

struct stream_counters {
        uint64_t n_written; /* bytes of output */
        uint64_t n_read;    /* bytes of input */
        uint64_t n_dropped; /* bytes of output that nobody got: disk full, terminal not read */
        uint64_t n_refused; /* connections closed because there are too many, or because they read too slowly */
};

struct stream_ops {
        const char *name;
        void (*write)(struct stream *s, const void *buf, size_t n);
        struct stream *(*free)(struct stream *s); /* NULL ok; returns NULL */

        /* optional: a stream without them has no input */
        ssize_t (*read)(struct stream *s, void *buf, size_t n); /* bytes; 0: none there now */
        void (*want)(struct stream *s, bool on);                /* off at first */
};

struct stream {
        const struct stream_ops *ops;
        struct stream_owner owner; /* zeroed: none */
        struct stream_counters counters;
};

static inline void stream_write(struct stream *s, const void *buf, size_t n)
{
        s->counters.n_written += n;
        s->ops->write(s, buf, n);
}

static inline size_t stream_read(struct stream *s, void *buf, size_t n)
{
        ssize_t r = s->ops->read ? s->ops->read(s, buf, n) : 0;

        s->counters.n_read += (uint64_t) (r > 0 ? r : 0);
        return r > 0 ? (size_t) r : 0;
}

/* Turns input on or off: `readable` is called while it is on and there is some. */
static inline void stream_want(struct stream *s, bool on)
{
        if (s->ops->want)
                s->ops->want(s, on);
}

/* The owner is copied; NULL detaches it. */
static inline void stream_set_owner(struct stream *s, const struct stream_owner *owner)
{
        s->owner = owner ? *owner : (struct stream_owner) { 0 };
}

static inline struct stream *stream_free(struct stream *s) { return s ? s->ops->free(s) : NULL; }
static inline void stream_freep(struct stream **s) { *s = stream_free(*s); }
