/* SPDX-License-Identifier: MPL-2.0 */
/* One voice and its guest: running dry, floods, wake-ups, wrong parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "audio/test-audio-rig.h"
#include "base/fd.h"
#include "base/macros.h"

static void a_voice_that_stalls_is_silent_alone_and_says_so_when_it_goes_on(void **state)
{
        struct rig *rig = *state;
        struct voice *good, *bad;

        good = open_mono(rig, 0, OVER_MIX);
        bad = open_mono(rig, 0, OVER_MIX);
        write_constant(bad, 0.25f, PERIOD / 2);
        for (int i = 0; i < 10; i++) {
                write_constant(good, 0.5f, PERIOD);
                mix(rig);
                assert_true(rig->out[0] == (i == 0 ? 0.75 : 0.5) && rig->out[PERIOD - 1] == 0.5);
        }
        assert_false(voice_take_xrun(good));
        assert_false(voice_take_xrun(bad));
        write_constant(bad, 0.25f, PERIOD);
        assert_true(voice_take_xrun(bad));
        assert_false(voice_take_xrun(bad));
        assert_int_equal(voice_n_xruns(bad), 1);
        assert_int_equal(voice_n_xruns(good), 0);
}

static void the_end_of_a_stream_is_no_xrun(void **state)
{
        struct rig *rig = *state;
        struct voice *v;

        v = open_mono(rig, 0, OVER_MIX);
        mix(rig); /* nothing came yet */
        write_constant(v, 0.5f, PERIOD + 10);
        for (int i = 0; i < 3; i++)
                mix(rig);
        voice_stop(v);
        assert_int_equal(voice_n_xruns(v), 0);
        voice_drop(v);
        voice_start(v);
        write_constant(v, 0.5f, PERIOD);
        assert_int_equal(voice_n_xruns(v), 0);
}

static void a_flood_is_taken_up_to_the_rings_end(void **state)
{
        struct rig *rig = *state;
        struct voice *v;
        static float frames[100000];
        size_t n;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, 44100, 1);
        n = voice_write(v, frames, ARRAY_SIZE(frames));
        assert_in_range(n, 4800, 10000);
        assert_int_equal(voice_write(v, frames, 100), 0);
        mix(rig);
        assert_in_range(voice_write(v, frames, 1000), 150, 300);
}

static void a_guest_cannot_make_a_ring_large(void **state)
{
        struct rig *rig = *state;
        struct voice_format f = { SAMPLE_U8, 8000, 1 };
        static uint8_t frames[VOICE_FRAMES_MAX];
        struct voice *v;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = add_voice(rig, false, 0, OVER_MIX);
        assert_int_equal(voice_open(v, &f, VOICE_FRAMES_MAX), 0);
        /* A second, rounded up to a power of two. */
        assert_in_range(voice_write(v, frames, sizeof(frames)), 8000, 65536 / 6 + 100);
}

static void who_asked_is_woken_when_his_frames_were_played(void **state)
{
        struct rig *rig = *state;
        struct voice *v;

        v = open_mono(rig, 0, OVER_MIX);
        write_constant(v, 0.5f, 3 * PERIOD);
        assert_true(voice_wake_at(v, 2 * PERIOD));
        mix(rig);
        assert_int_equal(fd_event_take(rig->wake_fd), 0);
        mix(rig);
        assert_int_equal(fd_event_take(rig->wake_fd), 1);
        assert_false(voice_wake_at(v, 2 * PERIOD));
        assert_in_range(voice_latency(v, 2 * PERIOD), 0, PERIOD);
        assert_int_equal(voice_played(v), 2 * PERIOD);
}

static void a_full_list_of_voices_is_refused(void **state)
{
        struct rig *rig = *state;
        struct voice_options options = { .wake_fd = -1 };
        struct voice *voices[SPEAKERS_VOICES_MAX], *one_more;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        for (size_t i = 0; i < SPEAKERS_VOICES_MAX; i++)
                assert_int_equal(voice_new(rig->speakers, &options, &voices[i]), 0);
        assert_int_equal(voice_new(rig->speakers, &options, &one_more), -ENOSPC);
        for (size_t i = 0; i < SPEAKERS_VOICES_MAX; i++)
                voice_free(voices[i]);
}

static void wrong_parameters_are_refused(void **state)
{
        static const struct voice_format wrong[] = {
                { SAMPLE_S16, 5511, 2 }, { SAMPLE_S16, 384001, 2 }, { SAMPLE_S16, RATE, 0 }, { SAMPLE_S16, RATE, 9 },
                { N_SAMPLE_FORMATS, RATE, 2 },
        };
        struct voice_format good = { SAMPLE_S16, RATE, 2 };
        struct rig *rig = *state;
        struct voice *v;

        make_speakers(rig, SOUND_NULL, 2, NULL);
        v = add_voice(rig, false, 0, OVER_MIX);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_int_equal(voice_open(v, &wrong[i], 1000), -EINVAL);
        assert_int_equal(voice_open(v, &good, 0), -EINVAL);
        assert_int_equal(voice_open(v, &good, VOICE_FRAMES_MAX + 1), -EINVAL);
        assert_int_equal(voice_write(v, &good, 1), 0);
        assert_int_equal(voice_open(v, &good, VOICE_FRAMES_MAX), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_voice_that_stalls_is_silent_alone_and_says_so_when_it_goes_on),
                CASE(the_end_of_a_stream_is_no_xrun),
                CASE(a_flood_is_taken_up_to_the_rings_end),
                CASE(a_guest_cannot_make_a_ring_large),
                CASE(who_asked_is_woken_when_his_frames_were_played),
                CASE(a_full_list_of_voices_is_refused),
                CASE(wrong_parameters_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
