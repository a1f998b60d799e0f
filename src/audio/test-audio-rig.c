/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/test-audio-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

void make_speakers(struct rig *rig, enum scene_sound_backend backend, uint32_t n_channels, char *file)
{
        struct scene_speakers scene = { .name = (char *) "test", .backend = backend, .rate_hz = RATE,
                                        .n_channels = n_channels, .period_us = 5000, .file = file };

        assert_int_equal(speakers_new(&scene, &rig->speakers), 0);
        rig->wake_fd = fd_event();
}

int set_up(void **state)
{
        struct rig *rig = calloc(1, sizeof(*rig));

        rig->wake_fd = -1;
        *state = rig;
        return 0;
}

int tear_down(void **state)
{
        struct rig *rig = *state;

        for (size_t i = 0; i < rig->n_voices; i++)
                voice_free(rig->voices[i]);
        speakers_free(rig->speakers);
        close(rig->wake_fd);
        free(rig);
        return 0;
}

struct voice *add_voice(struct rig *rig, bool capture, int priority, enum scene_over over)
{
        struct voice_options options = { .capture = capture, .priority = priority, .over = over, .duck_db = 20,
                                         .wake_fd = rig->wake_fd };
        struct voice **v = &rig->voices[rig->n_voices++];

        assert_int_equal(voice_new(rig->speakers, &options, v), 0);
        return *v;
}

struct voice *open_voice(struct rig *rig, int priority, enum scene_over over, enum sample_format f, uint32_t rate,
                         uint32_t n_channels)
{
        struct voice *v = add_voice(rig, false, priority, over);
        struct voice_format format = { f, rate, n_channels };

        assert_int_equal(voice_open(v, &format, 4800), 0);
        voice_start(v);
        return v;
}

struct voice *open_mono(struct rig *rig, int priority, enum scene_over over)
{
        if (!rig->speakers)
                make_speakers(rig, SOUND_NULL, 1, NULL);
        return open_voice(rig, priority, over, SAMPLE_FLOAT, RATE, 1);
}

void mix(struct rig *rig) { speakers_mix(rig->speakers, rig->out, PERIOD, 0); }

uint32_t random32(void)
{
        static uint32_t random_state = 1;

        random_state = random_state * 1664525 + 1013904223;
        return random_state ^ random_state >> 15;
}

void write_constant(struct voice *v, float value, size_t n)
{
        float frames[4800];

        for (size_t i = 0; i < n; i++)
                frames[i] = value;
        assert_int_equal(voice_write(v, frames, n), n);
}
