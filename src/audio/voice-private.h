/* SPDX-License-Identifier: MPL-2.0 */
/* What voice.c and speakers.c share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "audio/frame-ring.h"
#include "audio/mix.h"
#include "audio/voice.h"

struct resampler;

/* Frames that are converted at a time. */
#define VOICE_PART 256

struct voice {
        struct speakers *speakers; /* borrowed */
        struct voice_options options;
        double over_gain; /* of lower voices while this one is heard */

        /* The guest's thread's. */
        struct voice_format format;
        struct resampler *resampler; /* owned; NULL: the rates are the same */
        bool open;
        double *part[3];             /* owned: VOICE_PART frames of CHANNELS_MAX: scratch */
        size_t n_left, left_at;      /* capture: frames in part[2] that were resampled and not yet given */
        bool xrun;

        /* Both threads'. */
        pthread_mutex_t lock; /* held by the guest's to change the ring, by the mixer's, which only tries, to use it */
        struct frame_ring ring;
        atomic_bool running;
        atomic_bool dry;      /* ran dry (over) and no frame came since */
        atomic_uint_fast64_t wake_at; /* UINT64_MAX: no */
        atomic_uint_fast64_t n_xruns;
        _Atomic double volume;

        /* The mixing thread's. */
        struct gain gain;
        bool locked;
        size_t n_now;         /* frames in this period */
        size_t n_hold;        /* frames for which it still counts as heard */
        size_t n_silent;      /* frames that it was silent for, while it played; no more than matter */
        bool wakes;           /* wake_fd is to be signalled after this period */
};

/* For voice.c. */
int speakers_add_voice(struct speakers *s, struct voice *v);
void speakers_remove_voice(struct speakers *s, struct voice *v);
void speakers_wake(struct speakers *s); /* a voice runs now */
/* Frames until the last mixed one will be heard, at the speakers' rate. */
uint64_t speakers_latency(const struct speakers *s);
/* For speakers.c: @position was played or recorded. Return: true if wake_fd is to be signalled. */
bool voice_reached(struct voice *v, uint64_t position);
