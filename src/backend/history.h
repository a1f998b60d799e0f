/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The last bytes of a stream, addressed by their position since its beginning. Each reader keeps a position of its
 * own: one buffer serves them all, and one that falls behind its start has lost something.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct history {
        char *data;      /* owned */
        size_t capacity; /* a power of two */
        uint64_t end;    /* position of the next byte */
};

/* @capacity: a power of two. Return: 0 or -ENOMEM. */
int history_init(struct history *h, size_t capacity);
void history_deinit(struct history *h);

void history_append(struct history *h, const void *buf, size_t n);

/* Position of the oldest byte that is still there. */
static inline uint64_t history_start(const struct history *h)
{
        return h->end > h->capacity ? h->end - h->capacity : 0;
}

/**
 * history_at() - bytes from a position on
 * @position: not before history_start(), not beyond the end
 * @ret_n:    how many follow without a gap; 0 only at the end
 */
const char *history_at(const struct history *h, uint64_t position, size_t *ret_n);
