/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sndfile.h>

#include "audio/format.h"
#include "audio/frame-ring.h"
#include "audio/mix.h"
#include "audio/resample.h"
#include "audio/speakers.h"
#include "audio/voice.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"

#define RATE 48000
#define PERIOD 240
#define VOICES 4

/* Speakers that are mixed by the test, period by period, and voices on them. */
struct rig {
        struct speakers *speakers;
        struct voice *voices[VOICES];
        size_t n_voices;
        int wake_fd;
        double out[PERIOD * CHANNELS_MAX];
};

static void make_speakers(struct rig *rig, enum scene_sound_backend backend, uint32_t n_channels, char *file)
{
        struct scene_speakers scene = { .name = (char *) "test", .backend = backend, .rate_hz = RATE, .n_channels = n_channels,
                                        .period_us = 5000, .file = file };

        assert_int_equal(speakers_new(&scene, &rig->speakers), 0);
        rig->wake_fd = fd_event();
}

static int set_up(void **state)
{
        struct rig *rig = calloc(1, sizeof(*rig));

        rig->wake_fd = -1;
        *state = rig;
        return 0;
}

static int tear_down(void **state)
{
        struct rig *rig = *state;

        for (size_t i = 0; i < rig->n_voices; i++)
                voice_free(rig->voices[i]);
        speakers_free(rig->speakers);
        close(rig->wake_fd);
        free(rig);
        return 0;
}

static struct voice *add_voice(struct rig *rig, bool capture, int priority, enum scene_over over)
{
        struct voice_options options = { .capture = capture, .priority = priority, .over = over, .duck_db = 20,
                                         .wake_fd = rig->wake_fd };
        struct voice **v = &rig->voices[rig->n_voices++];

        assert_int_equal(voice_new(rig->speakers, &options, v), 0);
        return *v;
}

static struct voice *open_voice(struct rig *rig, int priority, enum scene_over over, enum sample_format f, uint32_t rate,
                                uint32_t n_channels)
{
        struct voice *v = add_voice(rig, false, priority, over);
        struct voice_format format = { f, rate, n_channels };

        assert_int_equal(voice_open(v, &format, 4800), 0);
        voice_start(v);
        return v;
}

static void mix(struct rig *rig) { speakers_mix(rig->speakers, rig->out, PERIOD, 0); }

static uint32_t random_state = 1;

static uint32_t random32(void)
{
        random_state = random_state * 1664525 + 1013904223;
        return random_state ^ random_state >> 15;
}

static void write_constant(struct voice *v, float value, size_t n)
{
        float frames[4800];

        for (size_t i = 0; i < n; i++)
                frames[i] = value;
        assert_int_equal(voice_write(v, frames, n), n);
}

/* ---- formats ---- */

static void samples_of_every_format_come_back_bit_for_bit(void **state)
{
        static const enum sample_format formats[] = { SAMPLE_S8, SAMPLE_U8, SAMPLE_S16, SAMPLE_U16, SAMPLE_S24_3, SAMPLE_S32,
                                                      SAMPLE_U32 };
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
                double e = x[i] - s * sin(2 * M_PI * frequency * (double) i) - c * cos(2 * M_PI * frequency * (double) i);

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

/* ---- mixing ---- */

static void alone_at_unity_every_bit_arrives(void **state)
{
        static const enum sample_format formats[] = { SAMPLE_U8, SAMPLE_S16, SAMPLE_S24_3, SAMPLE_S24, SAMPLE_S32, SAMPLE_FLOAT };
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

        make_speakers(rig, SOUND_NULL, 1, NULL);
        media = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        chime = open_voice(rig, 10, over, SAMPLE_FLOAT, RATE, 1);
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

        make_speakers(rig, SOUND_NULL, 1, NULL);
        media = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        chime = open_voice(rig, 10, OVER_DUCK, SAMPLE_FLOAT, RATE, 1);
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

static void a_chime_that_mixes_leaves_media_as_they_are(void **state)
{
        struct rig *rig = *state;
        struct voice *media, *chime;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        media = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        chime = open_voice(rig, 10, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        write_constant(media, 0.5f, PERIOD);
        write_constant(chime, 0.25f, PERIOD);
        mix(rig);
        for (size_t i = 0; i < PERIOD; i++)
                assert_true(rig->out[i] == 0.75);
}

static void media_never_duck_a_chime(void **state)
{
        struct rig *rig = *state;
        struct voice *media, *chime;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        media = open_voice(rig, 0, OVER_INTERRUPT, SAMPLE_FLOAT, RATE, 1);
        chime = open_voice(rig, 0, OVER_INTERRUPT, SAMPLE_FLOAT, RATE, 1);
        write_constant(media, 0.5f, PERIOD);
        write_constant(chime, 0.25f, PERIOD);
        mix(rig);
        assert_true(rig->out[0] == 0.75 && rig->out[PERIOD - 1] == 0.75);
}

static void volume_moves_without_a_click(void **state)
{
        struct rig *rig = *state;
        struct voice *v;
        double last = 0.5;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        write_constant(v, 0.5f, 2 * PERIOD);
        mix(rig);
        voice_set_volume(v, 0.25);
        mix(rig);
        assert_true(rig->out[PERIOD - 1] == 0.125);
        assert_true(largest_step(rig->out, PERIOD, &last) < 0.01);
}

static void a_voice_that_stalls_is_silent_alone_and_says_so_when_it_goes_on(void **state)
{
        struct rig *rig = *state;
        struct voice *good, *bad;

        make_speakers(rig, SOUND_NULL, 1, NULL);
        good = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        bad = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
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

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
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

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
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

/* ---- backends ---- */

static void wait_for(int fd)
{
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 20000), 1);
        (void) fd_event_take(fd);
}

static void loopback_records_what_is_played(void **state)
{
        struct rig *rig = *state;
        struct voice_format f = { SAMPLE_S16, RATE, 2 };
        static int16_t in[2 * 4800], out[2 * 9600];
        struct voice *capture, *v;
        size_t n = 0, at = 0;

        make_speakers(rig, SOUND_LOOPBACK, 2, NULL);
        capture = add_voice(rig, true, 0, OVER_MIX);
        assert_int_equal(voice_open(capture, &f, 9600), 0);
        for (size_t i = 0; i < ARRAY_SIZE(in); i++)
                in[i] = (int16_t) (random32() | 1);
        v = add_voice(rig, false, 0, OVER_MIX);
        assert_int_equal(voice_open(v, &f, 4800), 0);
        assert_int_equal(voice_write(v, in, 4800), 4800);
        voice_start(capture);
        assert_int_equal(speakers_start(rig->speakers), 0);
        voice_start(v);
        if (voice_wake_at(v, 4800))
                wait_for(rig->wake_fd);
        voice_stop(v);
        while (n < 4800) {
                n += voice_read(capture, out + 2 * n, 9600 - n);
                if (n < 4800 && voice_wake_at(capture, voice_played(capture) + 1))
                        wait_for(rig->wake_fd);
                while (at < n && out[2 * at] == 0) {
                        memmove(out, out + 2, (2 * n - 2) * sizeof(*out));
                        n--;
                }
        }
        speakers_stop(rig->speakers);
        assert_memory_equal(in, out, sizeof(in));
        assert_int_equal(voice_n_xruns(v), 0);
}

static void play_into(struct rig *rig, char *file, const int32_t *frames, size_t n)
{
        struct voice *v;

        make_speakers(rig, SOUND_WAV, 2, file);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_S32, RATE, 2);
        assert_int_equal(voice_write(v, frames, n), n);
        assert_true(voice_wake_at(v, n));
        assert_int_equal(speakers_start(rig->speakers), 0);
        wait_for(rig->wake_fd);
}

static void assert_wav(const char *file, const int32_t *frames, size_t n, size_t n_at_least)
{
        SF_INFO info = { 0 };
        SNDFILE *f = sf_open(file, SFM_READ, &info);
        int32_t *read = calloc(n, 2 * sizeof(*read));
        size_t n_read;

        assert_non_null(f);
        assert_int_equal(info.samplerate, RATE);
        assert_int_equal(info.channels, 2);
        n_read = (size_t) sf_readf_int(f, read, (sf_count_t) n);
        assert_in_range(n_read, n_at_least, n);
        assert_memory_equal(read, frames, n_read * 2 * sizeof(*read));
        sf_close(f);
        free(read);
}

static void a_wav_file_holds_every_bit(void **state)
{
        char file[] = "/tmp/busbar-test-XXXXXX";
        static int32_t frames[2 * 4800];

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = (int32_t) random32();
        close(mkstemp(file));
        play_into(*state, file, frames, 4800);
        speakers_stop(((struct rig *) *state)->speakers);
        assert_wav(file, frames, 4800, 4560);
        unlink(file);
}

static void a_wav_file_is_right_after_a_kill(void **state)
{
        char file[] = "/tmp/busbar-test-XXXXXX";
        static int32_t frames[2 * 20000];
        pid_t child;
        int status;

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = (int32_t) random32();
        close(mkstemp(file));
        child = fork();
        if (child == 0) {
                play_into(*state, file, frames, 4800);
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_wav(file, frames, 4800, 4560);
        unlink(file);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
        struct scene_speakers scene = { .name = (char *) "test", .backend = SOUND_WAV, .rate_hz = RATE, .n_channels = 2,
                                        .period_us = 5000, .file = (char *) "/dev/null" };
        struct speakers *s;

        assert_int_equal(speakers_new(&scene, &s), -EINVAL);
        scene.file = (char *) "/nonexistent/a.wav";
        assert_int_equal(speakers_new(&scene, &s), -ENOENT);
}

static void periods_come_at_their_time(void **state)
{
        struct rig *rig = *state;
        struct speakers_stats stats;
        struct voice *v;
        uint64_t begin_ns;
        static float frames[4800];

        make_speakers(rig, SOUND_NULL, 1, NULL);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_FLOAT, RATE, 1);
        assert_int_equal(voice_write(v, frames, 4800), 4800);
        begin_ns = clock_now_ns();
        assert_true(voice_wake_at(v, 4800));
        assert_int_equal(speakers_start(rig->speakers), 0);
        wait_for(rig->wake_fd);
        /* The first period is mixed at once: 19 more. */
        assert_true(clock_now_ns() - begin_ns >= 95 * NSEC_PER_MSEC);
        voice_stop(v);
        speakers_stop(rig->speakers);
        speakers_get_stats(rig->speakers, &stats);
        assert_in_range(stats.n_periods, 20, 21);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
                CASE(alone_at_unity_every_bit_arrives),
                CASE(two_voices_add_up_within_rounding_and_saturate),
                CASE(a_chime_ducks_media_within_one_period_without_a_click),
                CASE(a_chime_interrupts_media_within_one_period_without_a_click),
                CASE(a_stream_that_plays_silence_does_not_duck_others_for_ever),
                CASE(a_chime_that_mixes_leaves_media_as_they_are),
                CASE(media_never_duck_a_chime),
                CASE(volume_moves_without_a_click),
                CASE(a_voice_that_stalls_is_silent_alone_and_says_so_when_it_goes_on),
                CASE(the_end_of_a_stream_is_no_xrun),
                CASE(a_flood_is_taken_up_to_the_rings_end),
                CASE(a_guest_cannot_make_a_ring_large),
                CASE(who_asked_is_woken_when_his_frames_were_played),
                CASE(a_full_list_of_voices_is_refused),
                CASE(wrong_parameters_are_refused),
                CASE(loopback_records_what_is_played),
                CASE(a_wav_file_holds_every_bit),
                CASE(a_wav_file_is_right_after_a_kill),
                cmocka_unit_test(a_file_that_cannot_be_is_refused),
                CASE(periods_come_at_their_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
