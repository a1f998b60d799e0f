/* SPDX-License-Identifier: MPL-2.0 */
/* What is heard of several voices: sums, priorities, volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "audio/format.h"
#include "audio/mix.h"
#include "audio/test-audio-rig.h"
#include "base/macros.h"

static void alone_at_unity_every_bit_arrives(void **state)
{
        static const enum sample_format formats[] = { SAMPLE_U8,  SAMPLE_S16, SAMPLE_S24_3,
                                                      SAMPLE_S24, SAMPLE_S32, SAMPLE_FLOAT };
        struct rig *rig = *state;
        struct voice *v;

        make_speakers(rig, SOUND_NULL, 2, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_S16, RATE, 2);
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                struct voice_format f = { formats[i], RATE, 2 };
                size_t bytes = 2 * sample_bytes(formats[i]);
                uint8_t in[10 * PERIOD * 8], out[10 * PERIOD * 8];

                for (size_t k = 0; k < sizeof(in); k++)
                        in[k] = (uint8_t) random32();
                for (size_t k = 0; k < 20 * PERIOD && formats[i] == SAMPLE_FLOAT; k++) {
                        float x = (float) (int32_t) random32() * 0x1p-31f * (float) (1 + random32() % 100) * 0.01f;

                        memcpy(in + 4 * k, &x, 4);
                }
                for (size_t k = 0; k < 20 * PERIOD && formats[i] == SAMPLE_S24; k++)
                        in[4 * k + 3] = in[4 * k + 2] & 0x80 ? 0xff : 0;
                assert_int_equal(voice_open(v, &f, 4800), 0);
                voice_start(v);
                assert_int_equal(voice_write(v, in, 10 * PERIOD), 10 * PERIOD);
                for (size_t k = 0; k < 10; k++) {
                        mix(rig);
                        samples_encode(formats[i], rig->out, out + k * PERIOD * bytes, 2 * PERIOD);
                }
                assert_memory_equal(in, out, 10 * PERIOD * bytes);
        }
}

static void two_voices_add_up_within_rounding_and_saturate(void **state)
{
        struct rig *rig = *state;
        struct voice *a, *b;
        int16_t x[2 * PERIOD], y[2 * PERIOD], sum[2 * PERIOD];

        make_speakers(rig, SOUND_NULL, 2, NULL);
        a = open_voice(rig, 0, OVER_MIX, SAMPLE_S16, RATE, 2);
        b = open_voice(rig, 0, OVER_MIX, SAMPLE_S16, RATE, 2);
        for (size_t i = 0; i < 2 * PERIOD; i++) {
                x[i] = (int16_t) random32();
                y[i] = (int16_t) random32();
        }
        assert_int_equal(voice_write(a, x, PERIOD), PERIOD);
        assert_int_equal(voice_write(b, y, PERIOD), PERIOD);
        mix(rig);
        samples_encode(SAMPLE_S16, rig->out, sum, 2 * PERIOD);
        for (size_t i = 0; i < 2 * PERIOD; i++)
                assert_int_equal(sum[i], MIN(MAX(x[i] + y[i], -32768), 32767));
}

static double largest_step(const double *x, size_t n, double *last)
{
        double step = 0;

        for (size_t i = 0; i < n; i++) {
                step = MAX(step, fabs(x[i] - *last));
                *last = x[i];
        }
        return step;
}

static void check_chime_over(struct rig *rig, enum scene_over over, double want)
{
        struct voice *media, *chime;
        double last = 0.5, loud = 0.0;

        media = open_mono(rig, 0, OVER_MIX);
        chime = open_mono(rig, 10, over);
        write_constant(media, 0.5f, 2 * PERIOD);
        mix(rig);
        assert_true(rig->out[0] == 0.5 && rig->out[PERIOD - 1] == 0.5);
        /* But for one faint sample the chime's frames are silent, so that what is heard is the media alone. */
        write_constant(chime, 1e-4f, 1);
        write_constant(chime, 0.0f, PERIOD - 1);
        mix(rig);
        assert_true(rig->out[PERIOD - 1] == want);
        assert_true(largest_step(rig->out, PERIOD, &last) < 0.5 / 90);
        /* No longer than needed, and up again without a click. */
        for (int i = 0; i < 60 && loud < 0.4999; i++) {
                write_constant(media, 0.5f, PERIOD);
                mix(rig);
                assert_true(largest_step(rig->out, PERIOD, &last) < 0.5 / 90);
                loud = last;
                if (i < 19)
                        assert_true(loud == want);
        }
        assert_true(fabs(loud - 0.5) < 1e-9);
}

static void a_chime_ducks_media_within_one_period_without_a_click(void **state)
{
        check_chime_over(*state, OVER_DUCK, 0.5 * gain_from_db(20));
}

static void a_chime_interrupts_media_within_one_period_without_a_click(void **state)
{
        check_chime_over(*state, OVER_INTERRUPT, 0.0);
}

/* Return: what is left of media at 0.5 after the chime's stream played @value for so many periods. */
static double media_beside(struct rig *rig, struct voice *media, struct voice *chime, float value, int n_periods)
{
        for (int i = 0; i < n_periods; i++) {
                write_constant(media, 0.5f, PERIOD);
                write_constant(chime, value, PERIOD);
                mix(rig);
        }
        return rig->out[PERIOD - 1] - (double) value;
}

static void a_stream_that_plays_silence_does_not_duck_others_for_ever(void **state)
{
        struct rig *rig = *state;
        double ducked = 0.5 * gain_from_db(20), second = (double) RATE / PERIOD;
        struct voice *media, *chime;

        media = open_mono(rig, 0, OVER_MIX);
        chime = open_mono(rig, 10, OVER_DUCK);
        /* Never heard, even so faint. */
        assert_true(media_beside(rig, media, chime, 0.0f, 10) == 0.5);
        assert_true(fabs(media_beside(rig, media, chime, 1e-5f, 10) - 0.5) < 1e-9);
        /* Heard at once, and through a pause. */
        assert_true(fabs(media_beside(rig, media, chime, 0.25f, 1) - ducked) < 1e-9);
        assert_true(media_beside(rig, media, chime, 0.0f, (int) (0.9 * second)) == ducked);
        assert_true(fabs(media_beside(rig, media, chime, 0.25f, 1) - ducked) < 1e-9);
        /* Not for ever: a second, the hold and the way up. */
        assert_true(media_beside(rig, media, chime, 0.0f, (int) (0.9 * second)) == ducked);
        assert_true(fabs(media_beside(rig, media, chime, 0.0f, (int) (0.3 * second)) - 0.5) < 1e-9);
        /* Nor at no volume. */
        voice_set_volume(chime, 0.0);
        mix(rig);
        for (int i = 0; i < 10; i++) {
                write_constant(media, 0.5f, PERIOD);
                write_constant(chime, 0.25f, PERIOD);
                mix(rig);
        }
        assert_true(rig->out[PERIOD - 1] == 0.5);
}

/* Two voices that begin together and change nothing of each other. */
static void check_sum(struct rig *rig, struct voice *a, struct voice *b)
{
        write_constant(a, 0.5f, PERIOD);
        write_constant(b, 0.25f, PERIOD);
        mix(rig);
        for (size_t i = 0; i < PERIOD; i++)
                assert_true(rig->out[i] == 0.75);
}

static void a_chime_that_mixes_leaves_media_as_they_are(void **state)
{
        struct voice *media = open_mono(*state, 0, OVER_MIX);
        struct voice *chime = open_mono(*state, 10, OVER_MIX);

        check_sum(*state, media, chime);
}

/* Media at 0.5 and a chime at 0.25, one of them a period later: both are heard in full, in every frame. */
static void check_chime_beside(struct rig *rig, enum scene_over media_over, bool media_first)
{
        struct voice *first = open_mono(rig, media_first ? 0 : 10, media_first ? media_over : OVER_MIX);
        struct voice *second;
        float value = media_first ? 0.5f : 0.25f;

        write_constant(first, value, 4 * PERIOD);
        mix(rig);
        for (size_t i = 0; i < PERIOD; i++)
                assert_true(rig->out[i] == (double) value);
        second = open_mono(rig, media_first ? 10 : 0, media_first ? OVER_MIX : media_over);
        write_constant(second, 0.75f - value, 3 * PERIOD);
        for (int k = 0; k < 3; k++) {
                mix(rig);
                for (size_t i = 0; i < PERIOD; i++)
                        assert_true(rig->out[i] == 0.75);
        }
}

static void media_never_duck_a_chime(void **state)
{
        check_chime_beside(*state, OVER_DUCK, true);
        check_chime_beside(*state, OVER_DUCK, false);
}

static void media_never_interrupt_a_chime(void **state)
{
        check_chime_beside(*state, OVER_INTERRUPT, true);
        check_chime_beside(*state, OVER_INTERRUPT, false);
}

static void voices_of_one_priority_leave_each_other_as_they_are(void **state)
{
        struct voice *a = open_mono(*state, 10, OVER_INTERRUPT);
        struct voice *b = open_mono(*state, 10, OVER_DUCK);

        check_sum(*state, a, b);
}

static void volume_moves_without_a_click(void **state)
{
        struct rig *rig = *state;
        struct voice *v;
        double last = 0.5;

        v = open_mono(rig, 0, OVER_MIX);
        write_constant(v, 0.5f, 2 * PERIOD);
        mix(rig);
        voice_set_volume(v, 0.25);
        mix(rig);
        assert_true(rig->out[PERIOD - 1] == 0.125);
        assert_true(largest_step(rig->out, PERIOD, &last) < 0.01);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(alone_at_unity_every_bit_arrives),
                CASE(two_voices_add_up_within_rounding_and_saturate),
                CASE(a_chime_ducks_media_within_one_period_without_a_click),
                CASE(a_chime_interrupts_media_within_one_period_without_a_click),
                CASE(a_stream_that_plays_silence_does_not_duck_others_for_ever),
                CASE(a_chime_that_mixes_leaves_media_as_they_are),
                CASE(media_never_duck_a_chime),
                CASE(media_never_interrupt_a_chime),
                CASE(voices_of_one_priority_leave_each_other_as_they_are),
                CASE(volume_moves_without_a_click),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
