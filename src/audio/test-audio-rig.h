/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests of this folder: speakers that are mixed by the test, period by period, and voices on them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audio/format.h"
#include "audio/speakers.h"
#include "audio/voice.h"

#define RATE 48000
#define PERIOD 240
#define VOICES 4

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct rig {
        struct speakers *speakers;
        struct voice *voices[VOICES];
        size_t n_voices;
        int wake_fd;
        double out[PERIOD * CHANNELS_MAX];
};

/* The state of a test is its struct rig. */
int set_up(void **state);
int tear_down(void **state);

void make_speakers(struct rig *rig, enum scene_sound_backend backend, uint32_t n_channels, char *file);
/* Gone with the rig. */
struct voice *add_voice(struct rig *rig, bool capture, int priority, enum scene_over over);
/* One that plays already. */
struct voice *open_voice(struct rig *rig, int priority, enum scene_over over, enum sample_format f, uint32_t rate,
                         uint32_t n_channels);
/* One of floats, on null speakers with one channel, which the first one makes. */
struct voice *open_mono(struct rig *rig, int priority, enum scene_over over);
/* A period, into rig->out. */
void mix(struct rig *rig);

void write_constant(struct voice *v, float value, size_t n);
uint32_t random32(void);
