/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See tune.h. A step is an eighth; at each step the score starts notes on voices. A voice turns through a table of one
 * period of its sound, and fades away by a constant factor every 16 frames.
 */
#include "tune.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEP_FRAMES 13714 /* an eighth at 105 beats a minute */
#define BAR_STEPS 8
#define N_BARS 16
#define TABLE 1024
#define FADE_EVERY 16

enum sound { SOUND_BASS, SOUND_PAD, SOUND_PLUCK, SOUND_LEAD, N_SOUNDS };
enum { VOICE_BASS = 0, VOICE_PAD = 1, VOICE_PLUCK = 4, VOICE_LEAD = 7, VOICE_HAT = 9, N_VOICES = 10 };

struct voice {
        uint32_t phase, turn;  /* of 2^32 a period */
        int32_t level, target; /* 2^16 is full */
        int32_t fade;          /* of 2^16, every FADE_EVERY frames, once the target is reached */
        int32_t attack;        /* added every FADE_EVERY frames until then */
        int left, right;       /* of 256 */
        int note;
        enum sound sound;
};

struct tune {
        uint32_t frame;
        struct voice voices[N_VOICES];
        uint32_t noise;
        int next_pluck, next_lead;
        int16_t tables[N_SOUNDS][TABLE];
        uint32_t turns[128]; /* by MIDI note */
};

/* One bar's chord: the bass, and three notes of the pad. */
static const uint8_t chords[4][4] = { { 45, 60, 64, 69 }, { 41, 60, 65, 69 }, { 48, 60, 64, 67 }, { 43, 59, 62, 67 } };

/* Melody by eighths, four bars a line; 0 holds. */
static const uint8_t melody[N_BARS][BAR_STEPS] = {
        { 0 },
        { 0 },
        { 0 },
        { 0 },
        { 76, 0, 0, 72, 0, 74, 76, 0 },
        { 77, 0, 76, 0, 72, 0, 69, 0 },
        { 79, 0, 0, 76, 0, 74, 72, 0 },
        { 74, 0, 0, 0, 71, 0, 67, 0 },
        { 76, 0, 81, 0, 79, 0, 76, 0 },
        { 77, 0, 81, 0, 84, 0, 81, 0 },
        { 83, 0, 79, 0, 76, 0, 74, 0 },
        { 79, 0, 0, 78, 79, 0, 83, 0 },
        { 81, 0, 0, 0, 79, 0, 76, 0 },
        { 77, 0, 0, 0, 76, 0, 72, 0 },
        { 76, 0, 0, 0, 74, 0, 72, 0 },
        { 71, 0, 74, 0, 79, 0, 0, 0 },
};

static void fill_table(int16_t *table, const double *partials, int n)
{
        for (int i = 0; i < TABLE; i++) {
                double sum = 0;

                for (int p = 0; p < n; p++)
                        sum += partials[p] * sin(2 * M_PI * i * (p + 1) / TABLE);
                table[i] = (int16_t) lround(sum * 14000);
        }
}

struct tune *tune_new(void)
{
        static const double bass[] = { 0.9, 0.35, 0.16, 0.06 }, pad[] = { 0.6, 0.25, 0.2, 0.1, 0.08 };
        static const double pluck[] = { 0.7, 0.4, 0.25, 0.18, 0.1, 0.06 }, lead[] = { 0.85, 0.1, 0.22, 0.04, 0.08 };
        struct tune *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        fill_table(t->tables[SOUND_BASS], bass, 4);
        fill_table(t->tables[SOUND_PAD], pad, 5);
        fill_table(t->tables[SOUND_PLUCK], pluck, 6);
        fill_table(t->tables[SOUND_LEAD], lead, 5);
        for (int i = 0; i < 128; i++)
                t->turns[i] = (uint32_t) (440 * pow(2, (i - 69) / 12.0) / TUNE_RATE_HZ * 4294967296.0);
        t->noise = 0x2545f491;
        return t;
}

static void strike(struct tune *t, int voice, enum sound sound, int note, int level, int attack, int fade, int left)
{
        struct voice *v = &t->voices[voice];

        v->turn = t->turns[note & 127];
        v->target = level;
        v->attack = attack;
        v->fade = fade;
        v->left = left;
        v->right = 256 - left;
        v->note = note;
        v->sound = sound;
}

/* Starts what the score says at a step. */
static void begin_step(struct tune *t, uint32_t step)
{
        static const uint8_t rising[BAR_STEPS] = { 1, 2, 3, 2, 1, 3, 2, 3 };
        uint32_t bar = step / BAR_STEPS, at = step % BAR_STEPS;
        const uint8_t *chord = chords[bar % 4];

        if (at == 0)
                for (int i = 0; i < 3; i++)
                        strike(t, VOICE_PAD + i, SOUND_PAD, chord[i + 1] - 12, 9000, 14, 65500, 80 + 48 * i);
        if (at == 0 || at == 3 || at == 6)
                strike(t, VOICE_BASS, SOUND_BASS, chord[0] - (at == 6 ? 0 : 12), 26000, 3000, 65440, 128);
        if (bar >= 2) {
                strike(t, VOICE_PLUCK + t->next_pluck, SOUND_PLUCK, chord[rising[at]] + (at % 2 ? 12 : 0), 8200, 2400,
                       65200, at % 2 ? 70 : 186);
                t->next_pluck = (t->next_pluck + 1) % 3;
        }
        if (melody[bar][at]) {
                strike(t, VOICE_LEAD + t->next_lead, SOUND_LEAD, melody[bar][at], 17000, 900, 65420, 128);
                t->next_lead = !t->next_lead;
        }
        if (bar >= 4 && at % 2 == 1)
                strike(t, VOICE_HAT, SOUND_BASS, 0, 3600, 3600, 62500, 128);
}

static void fade(struct tune *t)
{
        for (int i = 0; i < N_VOICES; i++) {
                struct voice *v = &t->voices[i];

                if (v->target > 0 && v->level < v->target) {
                        v->level += v->attack;
                        if (v->level >= v->target)
                                v->target = 0;
                } else {
                        v->target = 0;
                        v->level = (int32_t) ((int64_t) v->level * v->fade >> 16);
                }
        }
}

/* Up to FADE_EVERY frames at constant levels. */
static void mix(struct tune *t, int16_t (*frames)[2], unsigned n)
{
        int32_t sums[FADE_EVERY][2] = { 0 };

        for (int i = 0; i < N_VOICES; i++) {
                struct voice *v = &t->voices[i];
                const int16_t *table = t->tables[v->sound];

                if (v->level < 8)
                        continue;
                for (unsigned f = 0; f < n; f++) {
                        int32_t value;

                        if (i == VOICE_HAT) {
                                t->noise ^= t->noise << 13;
                                t->noise ^= t->noise >> 17;
                                t->noise ^= t->noise << 5;
                                value = (int16_t) t->noise / 2;
                        } else {
                                value = table[v->phase >> 22];
                                v->phase += v->turn;
                        }
                        value = (int32_t) ((int64_t) value * v->level >> 15);
                        sums[f][0] += value * v->left >> 7;
                        sums[f][1] += value * v->right >> 7;
                }
        }
        for (unsigned f = 0; f < n; f++)
                for (int c = 0; c < 2; c++)
                        frames[f][c] = (int16_t) (sums[f][c] > 32767    ? 32767
                                                  : sums[f][c] < -32768 ? -32768
                                                                        : sums[f][c]);
}

void tune_play(struct tune *t, int16_t (*frames)[2], unsigned n_frames)
{
        while (n_frames > 0) {
                unsigned n = n_frames < FADE_EVERY ? n_frames : FADE_EVERY, in_step = t->frame % STEP_FRAMES;

                if (in_step == 0)
                        begin_step(t, t->frame / STEP_FRAMES);
                if (n > STEP_FRAMES - in_step)
                        n = STEP_FRAMES - in_step;
                mix(t, frames, n);
                fade(t);
                frames += n;
                n_frames -= n;
                t->frame = (t->frame + n) % tune_length();
        }
}

uint32_t tune_length(void) { return (uint32_t) STEP_FRAMES * BAR_STEPS * N_BARS; }

uint32_t tune_position(const struct tune *t) { return t->frame; }

void tune_seek(struct tune *t, uint32_t frame) { t->frame = frame % tune_length() / STEP_FRAMES * STEP_FRAMES; }

void tune_bands(const struct tune *t, uint8_t bands[TUNE_BANDS])
{
        memset(bands, 0, TUNE_BANDS);
        for (int i = 0; i < N_VOICES; i++) {
                const struct voice *v = &t->voices[i];
                int band = i == VOICE_HAT ? TUNE_BANDS - 1 : (v->note - 31) * (TUNE_BANDS - 1) / 56,
                    level = v->level >> 6;

                for (int d = -1; d <= 1; d++) {
                        int at = band + d, value = d ? level / 2 : level;

                        if (at >= 0 && at < TUNE_BANDS)
                                bands[at] = (uint8_t) (bands[at] + value > 255 ? 255 : bands[at] + value);
                }
        }
}
