/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Frames between two threads, one of which writes and one of which reads: neither waits for the other, ever.
 *
 * Positions count frames since the ring was opened and never wrap (2^64 frames are three million years). Each is
 * written by one thread and read by both.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_ring {
        double *samples;     /* owned; NULL: closed */
        uint32_t n_channels;
        uint64_t mask;       /* capacity in frames, a power of two, less one */
        atomic_uint_fast64_t written __attribute__((aligned(64)));
        atomic_uint_fast64_t read __attribute__((aligned(64)));
};

/* Room for @n_frames at least. Neither side may use the ring meanwhile. Return: 0 or -ENOMEM. */
int frame_ring_open(struct frame_ring *r, uint32_t n_channels, uint64_t n_frames);
void frame_ring_close(struct frame_ring *r); /* idempotent */

static inline uint64_t frame_ring_capacity(const struct frame_ring *r) { return r->mask + 1; }

static inline uint64_t frame_ring_written(const struct frame_ring *r)
{
        return atomic_load_explicit(&r->written, memory_order_acquire);
}

static inline uint64_t frame_ring_read(const struct frame_ring *r)
{
        return atomic_load_explicit(&r->read, memory_order_acquire);
}

static inline uint64_t frame_ring_used(const struct frame_ring *r)
{
        return frame_ring_written(r) - frame_ring_read(r);
}

static inline uint64_t frame_ring_free(const struct frame_ring *r)
{
        return frame_ring_capacity(r) - frame_ring_used(r);
}

/* The writer's: @n frames must be free. */
void frame_ring_put(struct frame_ring *r, const double *frames, size_t n);

/* The reader's: up to @n frames that lie together; *ret_n of them, 0 if there are none.
   Gone after frame_ring_drop(). */
const double *frame_ring_peek(struct frame_ring *r, size_t n, size_t *ret_n);
void frame_ring_drop(struct frame_ring *r, size_t n);
/* Is a sample of the next @n frames, which are there, as large as @level or larger? */
bool frame_ring_reaches(const struct frame_ring *r, size_t n, double level);
