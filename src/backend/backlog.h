/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Frames that wait for a receiver without buffers: a queue bounded in frames and bytes, whose memory exists only
 * while something waits.
 *
 * The bound is shared fairly among sources: each may hold at most as much as is still free. One that floods
 * holds half of the queue at most, n that flood hold 1/(n+1) each, and there is always room for one more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/frame.h"

struct backlog_entry;

struct backlog_share {
        uint32_t n_frames, n_bytes;
};

struct backlog {
        uint32_t n_frames_max, n_bytes_max;
        uint32_t n_frames, n_bytes;
        struct backlog_entry *first, **last; /* owned */
        struct backlog_share *shares;        /* owned: by source */
        uint16_t n_sources;
};

/* @n_sources: sources are 0 to n_sources - 1. Return: 0 or -ENOMEM. */
int backlog_init(struct backlog *b, uint16_t n_sources, uint32_t n_frames_max, uint32_t n_bytes_max);
void backlog_deinit(struct backlog *b);

/* Drops all that waits. Return: the number of frames. */
uint32_t backlog_clear(struct backlog *b);

/* Copies a frame to the end. Return: 0; -ENOBUFS if the bound of all or the source's share is reached; -ENOMEM. */
int backlog_add(struct backlog *b, uint16_t source, const struct frame *f);

static inline bool backlog_is_empty(const struct backlog *b) { return !b->first; }

/* The frame that waits longest; @rest is storage for its second part. Not on an empty backlog. */
struct frame backlog_first(const struct backlog *b, struct iovec *rest);
void backlog_drop_first(struct backlog *b);
