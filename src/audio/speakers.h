/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Loudspeakers that several guests share: their voices (voice.h) are summed a period at a time by one thread, which
 * waits for no guest.
 *
 *      voice ─ ring ─┐                               gain: the voice's volume, times what voices of a higher
 *      voice ─ ring ─┼─► × gain ─► sum ─► backend    priority do to it while they play: nothing (mix), so many
 *      voice ─ ring ─┘                               decibels less (duck), silence (interrupt)
 *
 * Clock: period n is mixed at start + n periods, counted in nanoseconds without drift; a thread that was held up for
 * longer than a period lets the missed ones go by instead of emptying the guests' rings in a burst. Backends with a
 * clock of their own (backend.h) set the pace themselves.
 *
 * Ducking begins in the very period in which the chime's first frame is heard, with a ramp of 2 ms. It ends HOLD_MS
 * after the last, so that a row of beeps is one.
 *
 * Threads: made, freed, and voices added on the main thread while nothing is mixed. speakers_start() starts the mixing
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scene_speakers;
struct speakers;

#define SPEAKERS_VOICES_MAX 128
#define SPEAKERS_PRIORITY 10 /* of the mixing thread, SCHED_FIFO, where that is allowed */

struct speakers_stats {
        uint64_t n_periods; /* mixed */
        uint64_t n_missed;  /* that went by because the thread was held up */
        uint64_t late_max_ns;
};

/* Opens the backend. Return: 0; -EOPNOTSUPP if this build lacks its library; a negative errno. */
int speakers_new(const struct scene_speakers *scene, struct speakers **ret);
/* Stops mixing. All voices must be gone. NULL ok; returns NULL. */
struct speakers *speakers_free(struct speakers *s);

static inline void speakers_freep(struct speakers **s) { *s = speakers_free(*s); }

/* Begins to mix. With the right to it, the thread gets real-time priority. Return: 0 or a negative errno. */
int speakers_start(struct speakers *s);
void speakers_stop(struct speakers *s); /* idempotent */

const char *speakers_name(const struct speakers *s);
uint32_t speakers_rate(const struct speakers *s);
uint32_t speakers_channels(const struct speakers *s);
size_t speakers_period(const struct speakers *s); /* frames */
bool speakers_realtime(const struct speakers *s); /* the thread has real-time priority */
void speakers_get_stats(const struct speakers *s, struct speakers_stats *ret);

/**
 * speakers_mix() - one period, for the mixing thread and for backends with a clock of their own
 * @out:   filled; interleaved
 * @n:     frames, up to speakers_period()
 * @delay: frames that the backend holds already and that will be heard before these
 */
void speakers_mix(struct speakers *s, double *out, size_t n, size_t delay);
/* Hands out recorded frames. */
void speakers_record(struct speakers *s, const double *in, size_t n);
/* For run() of a backend. */
bool speakers_stopping(const struct speakers *s);
