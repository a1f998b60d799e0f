/* SPDX-License-Identifier: MPL-2.0 */
/* See chime.h. */
#define _GNU_SOURCE
#include "chime.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "card.h"

#define RATE_HZ 48000
#define N_STROKES 3
#define STROKE_FRAMES (RATE_HZ * 45 / 100)
#define N_FRAMES (N_STROKES * STROKE_FRAMES + RATE_HZ / 2)
#define LATENCY_US 120000

static struct {
        pthread_mutex_t mutex;
        pthread_cond_t wanted;
        bool is_wanted;
        int16_t frames[N_FRAMES][2];
} chime = { .mutex = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER };

/* A stroke is a few partials that die away, the higher ones sooner. */
static void compose(void)
{
        static const struct {
                double ratio, level, fade_per_s;
        } partials[] = { { 1, 0.50, 5 }, { 2, 0.20, 7 }, { 3.01, 0.12, 11 }, { 5.4, 0.05, 18 } };
        static const double pitches[N_STROKES] = { 1174.66, 1174.66, 880.0 };
        static float sum[N_FRAMES];

        for (int stroke = 0; stroke < N_STROKES; stroke++) {
                int first = stroke * STROKE_FRAMES;

                for (unsigned p = 0; p < sizeof(partials) / sizeof(*partials); p++) {
                        /* A turning pointer that shrinks: two multiplications instead of a sine and a power. */
                        double turn = 2 * M_PI * pitches[stroke] * partials[p].ratio / RATE_HZ;
                        double shrink = exp(-partials[p].fade_per_s / RATE_HZ), c = cos(turn) * shrink,
                               s = sin(turn) * shrink;
                        double re = partials[p].level, im = 0;

                        for (int i = first; i < N_FRAMES; i++) {
                                double next = re * c - im * s;

                                im = re * s + im * c;
                                re = next;
                                sum[i] += (float) im;
                        }
                }
        }
        for (int i = 0; i < N_FRAMES; i++) {
                double fade_in = (i % STROKE_FRAMES) < 96 ? (i % STROKE_FRAMES) / 96.0 : 1;
                double value =
                        fmin(fmax(sum[i] * (i < N_STROKES * STROKE_FRAMES ? fade_in : 1) * 22000, -32767), 32767);

                chime.frames[i][0] = chime.frames[i][1] = (int16_t) value;
        }
}

static void play(snd_pcm_t *pcm)
{
        snd_pcm_sframes_t done = 0;

        (void) snd_pcm_prepare(pcm);
        while (done < N_FRAMES) {
                snd_pcm_sframes_t n = snd_pcm_writei(pcm, chime.frames[done], (snd_pcm_uframes_t) (N_FRAMES - done));

                if (n < 0)
                        n = card_go_on(pcm, (int) n);
                if (n < 0) {
                        (void) fprintf(stderr, "chime: %s\n", snd_strerror((int) n));
                        break;
                }
                done += n;
        }
        (void) snd_pcm_drain(pcm);
}

static void *run(void *arg)
{
        snd_pcm_t *pcm;
        int r;

        /* Pictures go first: the bell has time until the first warning. */
        (void) setpriority(PRIO_PROCESS, (id_t) gettid(), 15);
        compose();
        (void) setpriority(PRIO_PROCESS, (id_t) gettid(), 0);
        r = snd_pcm_open(&pcm, "hw:0,0", SND_PCM_STREAM_PLAYBACK, 0);
        if (r == 0)
                r = snd_pcm_set_params(pcm, SND_PCM_FORMAT_S16_LE, SND_PCM_ACCESS_RW_INTERLEAVED, 2, RATE_HZ, 0,
                                       LATENCY_US);
        if (r < 0) {
                (void) fprintf(stderr, "the chime is silent: %s\n", snd_strerror(r));
                return arg;
        }
        for (;;) {
                (void) pthread_mutex_lock(&chime.mutex);
                while (!chime.is_wanted)
                        (void) pthread_cond_wait(&chime.wanted, &chime.mutex);
                (void) pthread_mutex_unlock(&chime.mutex);
                play(pcm);
                (void) pthread_mutex_lock(&chime.mutex);
                chime.is_wanted = false;
                (void) pthread_mutex_unlock(&chime.mutex);
        }
}

void chime_init(void)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, run, NULL) == 0)
                (void) pthread_detach(thread);
}

void chime_play(void)
{
        (void) pthread_mutex_lock(&chime.mutex);
        chime.is_wanted = true;
        (void) pthread_cond_signal(&chime.wanted);
        (void) pthread_mutex_unlock(&chime.mutex);
}
