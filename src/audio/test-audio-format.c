/* SPDX-License-Identifier: MPL-2.0 */
/* Samples, channels, rates, and the ring between two threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "audio/format.h"
#include "audio/frame-ring.h"
#include "audio/resample.h"
#include "audio/test-audio-rig.h"
#include "base/macros.h"

/* ---- formats ---- */

static void samples_of_every_format_come_back_bit_for_bit(void **state)
{
        static const enum sample_format formats[] = { SAMPLE_S8,    SAMPLE_U8,  SAMPLE_S16, SAMPLE_U16,
                                                      SAMPLE_S24_3, SAMPLE_S32, SAMPLE_U32 };
        uint8_t in[4096], out[4096];
        double middle[4096];

        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                size_t n = sizeof(in) / sample_bytes(formats[i]);

                for (size_t k = 0; k < sizeof(in); k++)
                        in[k] = (uint8_t) random32();
                memset(in, 0xff, 12);
                memset(in + 12, 0x00, 12);
                memset(in + 24, 0x80, 12);
                memset(in + 36, 0x7f, 12);
                samples_decode(formats[i], in, middle, n);
                samples_encode(formats[i], middle, out, n);
                assert_memory_equal(in, out, n * sample_bytes(formats[i]));
        }
}

static void the_fourth_byte_of_24_bits_is_ignored(void **state)
{
        uint32_t in[] = { 0x00800000, 0xff7fffff, 0x12000001 };
        double out[3];

        samples_decode(SAMPLE_S24, in, out, 3);
        assert_true(out[0] == -1.0 && out[1] == 1.0 - 0x1p-23 && out[2] == 0x1p-23);
}

static void floats_that_are_none_are_silence_and_large_ones_are_cut(void **state)
{
        float in[] = { NAN, INFINITY, -INFINITY, 3e30f, -2.0f, 0.25f, -0.0f, 1.0f };
        double want[] = { 0, 1, -1, 1, -1, 0.25, 0, 1 }, out[8];

        samples_decode(SAMPLE_FLOAT, in, out, 8);
        for (size_t i = 0; i < 8; i++)
                assert_true(out[i] == want[i]);
}

static void encoding_rounds_to_the_nearest_and_cuts(void **state)
{
        double in[] = { 1.0, -1.0, 2.0, 1.4 / 32768, 1.6 / 32768, -1.6 / 32768 };
        int16_t out[6], want[] = { 32767, -32768, 32767, 1, 2, -2 };

        samples_encode(SAMPLE_S16, in, out, 6);
        assert_memory_equal(out, want, sizeof(want));
}

static void channels_find_their_places(void **state)
{
        double mono[] = { 0.5 }, stereo[] = { 0.25, 0.75 }, six[6] = { 1, 2, 3, 4, 5, 6 }, out[8];

        frames_map(mono, 1, out, 6, 1);
        assert_true(out[0] == 0.5 && out[1] == 0.5 && out[2] == 0 && out[5] == 0);
        frames_map(stereo, 2, out, 1, 1);
        assert_true(out[0] == 0.5);
        frames_map(six, 6, out, 2, 1);
        assert_true(out[0] == 1 && out[1] == 2);
        frames_map(stereo, 2, out, 4, 1);
        assert_true(out[0] == 0.25 && out[1] == 0.75 && out[2] == 0 && out[3] == 0);
}

/* ---- ring, rates ---- */

static void the_ring_gives_what_it_took_across_its_end(void **state)
{
        struct frame_ring ring = { 0 };
        uint64_t written = 0, read = 0;

        assert_int_equal(frame_ring_open(&ring, 2, 100), 0);
        assert_int_equal(frame_ring_capacity(&ring), 128);
        while (read < 5000) {
                double in[2 * 128];
                size_t n = random32() % (frame_ring_free(&ring) + 1), n_got;
                const double *out;

                for (size_t i = 0; i < 2 * n; i++)
                        in[i] = (double) (2 * written + i);
                frame_ring_put(&ring, in, n);
                written += n;
                out = frame_ring_peek(&ring, random32() % 100, &n_got);
                for (size_t i = 0; i < 2 * n_got; i++)
                        assert_true(out[i] == (double) (2 * read + i));
                frame_ring_drop(&ring, n_got);
                read += n_got;
        }
        frame_ring_close(&ring);
}

/* How much of a sine's power is left when the best-fitting sine of its frequency is taken out: the noise, in dB. */
static double noise_db(const double *x, size_t n, double frequency)
{
        double s = 0, c = 0, all = 0, rest = 0;

        for (size_t i = 0; i < n; i++) {
                s += x[i] * sin(2 * M_PI * frequency * (double) i) * 2 / (double) n;
                c += x[i] * cos(2 * M_PI * frequency * (double) i) * 2 / (double) n;
        }
        for (size_t i = 0; i < n; i++) {
                double phase = 2 * M_PI * frequency * (double) i, e = x[i] - s * sin(phase) - c * cos(phase);

                all += x[i] * x[i];
                rest += e * e;
        }
        return 10 * log10(rest / all);
}

static void rates_from_8_to_192_khz_keep_a_tone_clean(void **state)
{
        static const uint32_t rates[] = { 8000, 11025, 22050, 44100, 96000, 192000 };
        static double in[192000], out[48000 + 1000];

        for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
                struct resampler *r;
                size_t n_in = rates[i], n_out = ARRAY_SIZE(out);

                for (size_t k = 0; k < rates[i]; k++)
                        in[k] = 0.5 * sin(2 * M_PI * 1000 / rates[i] * (double) k);
                assert_int_equal(resampler_new(rates[i], 48000, 1, &r), 0);
                resampler_run(r, in, &n_in, out, &n_out);
                assert_int_equal(n_in, rates[i]);
                assert_in_range(n_out, 47000, 48001);
                assert_true(noise_db(out + 4800, 38400, 1000.0 / 48000) < -90);
                resampler_free(r);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(samples_of_every_format_come_back_bit_for_bit),
                cmocka_unit_test(the_fourth_byte_of_24_bits_is_ignored),
                cmocka_unit_test(floats_that_are_none_are_silence_and_large_ones_are_cut),
                cmocka_unit_test(encoding_rounds_to_the_nearest_and_cuts),
                cmocka_unit_test(channels_find_their_places),
                cmocka_unit_test(the_ring_gives_what_it_took_across_its_end),
                cmocka_unit_test(rates_from_8_to_192_khz_keep_a_tone_clean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
