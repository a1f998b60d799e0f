/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/stream-tee.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/stream.h"
#include "base/macros.h"

struct tee {
        struct stream stream;
        struct stream *parts[STREAM_TEE_MAX]; /* owned */
        size_t n_parts;
        size_t next; /* that is asked first for input, so that none starves another */
};

static void part_readable(void *data)
{
        struct tee *t = data;

        if (t->stream.owner.readable)
                t->stream.owner.readable(t->stream.owner.data);
}

static void part_resized(void *data, uint16_t columns, uint16_t rows)
{
        struct tee *t = data;

        if (t->stream.owner.resized)
                t->stream.owner.resized(t->stream.owner.data, columns, rows);
}

static void tee_write(struct stream *s, const void *buf, size_t n)
{
        struct tee *t = container_of(s, struct tee, stream);

        for (size_t i = 0; i < t->n_parts; i++)
                stream_write(t->parts[i], buf, n);
}

static ssize_t tee_read(struct stream *s, void *buf, size_t n)
{
        struct tee *t = container_of(s, struct tee, stream);

        for (size_t i = 0; i < t->n_parts; i++) {
                size_t at = (t->next + i) % t->n_parts, got = stream_read(t->parts[at], buf, n);

                if (got > 0) {
                        t->next = at + 1;
                        return (ssize_t) got;
                }
        }
        return 0;
}

static void tee_want(struct stream *s, bool on)
{
        struct tee *t = container_of(s, struct tee, stream);

        for (size_t i = 0; i < t->n_parts; i++)
                stream_want(t->parts[i], on);
}

static struct stream *tee_free(struct stream *s)
{
        struct tee *t = s ? container_of(s, struct tee, stream) : NULL;

        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_parts; i++)
                t->parts[i] = stream_free(t->parts[i]);
        free(t);
        return NULL;
}

static const struct stream_ops tee_ops = {
        .name = "tee",
        .write = tee_write,
        .free = tee_free,
        .read = tee_read,
        .want = tee_want,
};

int stream_tee_new(struct stream *const *streams, size_t n, struct stream **ret)
{
        struct stream_owner owner = { .readable = part_readable, .resized = part_resized };
        struct tee *t;

        if (n > STREAM_TEE_MAX)
                return -EINVAL;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->stream.ops = &tee_ops;
        owner.data = t;
        for (size_t i = 0; i < n; i++) {
                t->parts[t->n_parts++] = streams[i];
                stream_set_owner(streams[i], &owner);
        }
        *ret = &t->stream;
        return 0;
}
