/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/backlog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct backlog_entry {
        struct backlog_entry *next;
        struct frame_header header;
        uint32_t n_bytes;
        uint16_t source, queue;
        uint8_t bytes[];
};

int backlog_init(struct backlog *b, uint16_t n_sources, uint32_t n_frames_max, uint32_t n_bytes_max)
{
        *b = (struct backlog) { .n_frames_max = n_frames_max, .n_bytes_max = n_bytes_max, .n_sources = n_sources };
        b->last = &b->first;
        b->shares = calloc(n_sources, sizeof(*b->shares));
        return b->shares ? 0 : -ENOMEM;
}

void backlog_deinit(struct backlog *b)
{
        backlog_clear(b);
        free(b->shares);
        b->shares = NULL;
}

uint32_t backlog_clear(struct backlog *b)
{
        uint32_t n = b->n_frames;

        while (b->first)
                backlog_drop_first(b);
        return n;
}

int backlog_add(struct backlog *b, uint16_t source, const struct frame *f)
{
        struct backlog_share *share = &b->shares[source];
        struct backlog_entry *e;

        assert(source < b->n_sources);
        if (share->n_frames >= b->n_frames_max - b->n_frames)
                return -ENOBUFS;
        if ((uint64_t) share->n_bytes + f->n_bytes > b->n_bytes_max - b->n_bytes)
                return -ENOBUFS;

        e = malloc(sizeof(*e) + f->n_bytes);
        if (!e)
                return -ENOMEM;
        *e = (struct backlog_entry) { .header = f->header, .n_bytes = f->n_bytes, .source = source,
                                      .queue = f->queue };
        frame_copy(f, e->bytes);

        *b->last = e;
        b->last = &e->next;
        b->n_frames++;
        b->n_bytes += f->n_bytes;
        share->n_frames++;
        share->n_bytes += f->n_bytes;
        return 0;
}

struct frame backlog_first(const struct backlog *b, struct iovec *rest)
{
        const struct backlog_entry *e = b->first;
        struct frame f = frame_of_buffer(e->bytes, e->n_bytes, e->header, rest);

        f.queue = e->queue;
        return f;
}

void backlog_drop_first(struct backlog *b)
{
        struct backlog_entry *e = b->first;

        b->first = e->next;
        if (!b->first)
                b->last = &b->first;
        b->n_frames--;
        b->n_bytes -= e->n_bytes;
        b->shares[e->source].n_frames--;
        b->shares[e->source].n_bytes -= e->n_bytes;
        free(e);
}
