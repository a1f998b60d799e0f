/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/frame-ring.h"

#include <assert.h>
#include <math.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

int frame_ring_open(struct frame_ring *r, uint32_t n_channels, uint64_t n_frames)
{
        uint64_t capacity = 64;
        double *samples;

        while (capacity < n_frames)
                capacity *= 2;
        samples = calloc(capacity, n_channels * sizeof(*samples));
        if (!samples)
                return -ENOMEM;
        free(r->samples);
        r->samples = samples;
        r->n_channels = n_channels;
        r->mask = capacity - 1;
        atomic_store(&r->written, 0);
        atomic_store(&r->read, 0);
        return 0;
}

void frame_ring_close(struct frame_ring *r)
{
        free(r->samples);
        r->samples = NULL;
        r->mask = 0;
        atomic_store(&r->written, 0);
        atomic_store(&r->read, 0);
}

void frame_ring_put(struct frame_ring *r, const double *frames, size_t n)
{
        uint64_t at = atomic_load_explicit(&r->written, memory_order_relaxed);
        size_t n_first = MIN(n, (size_t) (r->mask + 1 - (at & r->mask)));

        assert(n <= frame_ring_free(r));
        memcpy(r->samples + (at & r->mask) * r->n_channels, frames, n_first * r->n_channels * sizeof(*frames));
        memcpy(r->samples, frames + n_first * r->n_channels, (n - n_first) * r->n_channels * sizeof(*frames));
        atomic_store_explicit(&r->written, at + n, memory_order_release);
}

const double *frame_ring_peek(struct frame_ring *r, size_t n, size_t *ret_n)
{
        uint64_t at = atomic_load_explicit(&r->read, memory_order_relaxed);
        uint64_t n_used = frame_ring_written(r) - at;

        *ret_n = MIN(MIN(n, (size_t) n_used), (size_t) (r->mask + 1 - (at & r->mask)));
        return r->samples + (at & r->mask) * r->n_channels;
}

void frame_ring_drop(struct frame_ring *r, size_t n)
{
        uint64_t at = atomic_load_explicit(&r->read, memory_order_relaxed);

        atomic_store_explicit(&r->read, at + n, memory_order_release);
}

bool frame_ring_reaches(const struct frame_ring *r, size_t n, double level)
{
        uint64_t at = atomic_load_explicit(&r->read, memory_order_relaxed);

        for (size_t i = 0; i < n; i++) {
                const double *frame = r->samples + ((at + i) & r->mask) * r->n_channels;

                for (uint32_t c = 0; c < r->n_channels; c++)
                        if (fabs(frame[c]) >= level)
                                return true;
        }
        return false;
}
