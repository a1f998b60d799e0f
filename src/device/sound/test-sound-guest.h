/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the sound card: a guest on speakers that a test mixes period by period. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audio/speakers.h"
#include "device/sound/protocol.h"
#include "device/sound/sound.h"
#include "device/test-guest.h"

#define GUEST_QUEUES 4
#define GUEST_QUEUE_SIZE 32
#define GUEST_MEMORY_BYTES (4U << 20)
#define GUEST_REQUEST (1U << 20) /* free memory: requests, their answers, frames */
#define GUEST_ANSWER (GUEST_REQUEST + 0x10000U)
#define GUEST_FRAMES (2U << 20)
#define GUEST_PERIOD 240 /* frames, of the speakers: 48 kHz, two channels */

struct sound_guest {
        struct test_guest vm;
        struct speakers *speakers;
        bool own_speakers;
        double out[GUEST_PERIOD * 2]; /* what was mixed last */
};

/* @options: NULL: two to play, one to record, controls. Return: 0 with all rings started, or a negative errno. */
int sound_guest_init(struct sound_guest *g, uint64_t features, const struct sound_options *options);
/* The same on @speakers, which several guests can share and which are freed after them. */
int sound_guest_init_on(struct sound_guest *g, uint64_t features, const struct sound_options *options,
                        struct speakers *speakers);
void sound_guest_deinit(struct sound_guest *g);

/* One period is heard, and recorded again. */
void sound_guest_mix(struct sound_guest *g);
