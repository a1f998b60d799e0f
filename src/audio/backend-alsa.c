/* SPDX-License-Identifier: MPL-2.0 */
/*
 * ALSA: a PCM of the host, whose clock sets the pace. Everything is opened and negotiated before lock-down; afterwards
 * frames are written, which blocks for as long as the hardware has enough.
 *
 * The buffer is three periods. A PCM that takes frames faster than time passes (ALSA's "null", a file) is held back to
 * 2 % above that, so that guests' streams are not swallowed at once. What is recorded comes from the PCM of the same
 * name; if there is none, it is silence.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <alsa/asoundlib.h>

#include "audio/backend.h"
#include "audio/format.h"
#include "audio/speakers.h"
#include "base/loop.h"
#include "base/macros.h"
#include "scene/scene.h"

#define BUFFER_PERIODS 3

static const struct {
        snd_pcm_format_t alsa;
        enum sample_format sample;
} formats[] = {
        { SND_PCM_FORMAT_S32_LE, SAMPLE_S32 },    { SND_PCM_FORMAT_S24_LE, SAMPLE_S24 },
        { SND_PCM_FORMAT_S24_3LE, SAMPLE_S24_3 }, { SND_PCM_FORMAT_FLOAT_LE, SAMPLE_FLOAT },
        { SND_PCM_FORMAT_S16_LE, SAMPLE_S16 },
};

struct alsa_pcm {
        snd_pcm_t *pcm; /* owned; NULL: none */
        enum sample_format format;
        unsigned rate_hz, n_channels;
        snd_pcm_uframes_t n_period;
};

struct alsa_backend {
        struct sound_backend backend;
        struct alsa_pcm play, record;
        double *mix;   /* owned: a period */
        uint8_t *raw;  /* owned: the same, as ALSA has it */
};

static int negotiate(struct alsa_pcm *p)
{
        snd_pcm_uframes_t n_buffer = BUFFER_PERIODS * p->n_period;
        snd_pcm_hw_params_t *hw;
        int r;

        snd_pcm_hw_params_alloca(&hw);
        r = snd_pcm_hw_params_any(p->pcm, hw);
        if (r >= 0)
                r = snd_pcm_hw_params_set_access(p->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
        if (r < 0)
                return r;
        r = -EINVAL;
        for (size_t i = 0; i < ARRAY_SIZE(formats) && r < 0; i++) {
                r = snd_pcm_hw_params_set_format(p->pcm, hw, formats[i].alsa);
                p->format = formats[i].sample;
        }
        if (r >= 0)
                r = snd_pcm_hw_params_set_rate_near(p->pcm, hw, &p->rate_hz, NULL);
        if (r >= 0)
                r = snd_pcm_hw_params_set_channels_near(p->pcm, hw, &p->n_channels);
        if (r >= 0)
                r = snd_pcm_hw_params_set_period_size_near(p->pcm, hw, &p->n_period, NULL);
        if (r >= 0)
                r = snd_pcm_hw_params_set_buffer_size_near(p->pcm, hw, &n_buffer);
        return r < 0 ? r : snd_pcm_hw_params(p->pcm, hw);
}

static int open_pcm(const char *name, snd_pcm_stream_t direction, struct alsa_pcm *p)
{
        int r = snd_pcm_open(&p->pcm, name, direction, direction == SND_PCM_STREAM_CAPTURE ? SND_PCM_NONBLOCK : 0);

        if (r < 0) {
                p->pcm = NULL;
                return r;
        }
        r = negotiate(p);
        if (r < 0) {
                (void) snd_pcm_close(p->pcm);
                p->pcm = NULL;
        }
        return r;
}

static struct sound_backend *alsa_free(struct sound_backend *b)
{
        struct alsa_backend *a = b ? container_of(b, struct alsa_backend, backend) : NULL;

        if (!a)
                return NULL;
        if (a->play.pcm)
                (void) snd_pcm_close(a->play.pcm);
        if (a->record.pcm)
                (void) snd_pcm_close(a->record.pcm);
        (void) snd_config_update_free_global();
        free(a->mix);
        free(a->raw);
        free(a);
        return NULL;
}

/* Return: 0, or a negative errno when the PCM cannot be brought back. */
static int write_period(struct alsa_backend *a)
{
        size_t n_left = a->backend.n_period;
        const uint8_t *at = a->raw;

        while (n_left > 0) {
                snd_pcm_sframes_t n = snd_pcm_writei(a->play.pcm, at, n_left);

                if (n < 0) {
                        n = snd_pcm_recover(a->play.pcm, (int) n, 1);
                        if (n < 0)
                                return (int) n;
                        continue;
                }
                at += (size_t) n * sample_bytes(a->play.format) * a->backend.n_channels;
                n_left -= (size_t) n;
        }
        return 0;
}

static void record(struct alsa_backend *a, struct speakers *s)
{
        snd_pcm_sframes_t n = 0;

        if (!a->record.pcm)
                return;
        /* Never more than two periods in one: a PCM that is not hardware may have frames without end. */
        for (int i = 0; i < 2 && (n = snd_pcm_readi(a->record.pcm, a->raw, a->backend.n_period)) > 0; i++) {
                samples_decode(a->record.format, a->raw, a->mix, (size_t) n * a->backend.n_channels);
                speakers_record(s, a->mix, (size_t) n);
                if ((size_t) n < a->backend.n_period)
                        return;
        }
        if (n < 0 && n != -EAGAIN &&
            (snd_pcm_recover(a->record.pcm, (int) n, 1) < 0 || snd_pcm_start(a->record.pcm) < 0)) {
                (void) snd_pcm_close(a->record.pcm);
                a->record.pcm = NULL;
        }
}

/* So many frames were written since @start_ns: waits while that is more than can have been heard. */
static void hold_back(const struct alsa_backend *a, uint64_t start_ns, uint64_t n_frames)
{
        uint64_t n_ahead = (BUFFER_PERIODS + 1) * a->backend.n_period, at_ns;
        struct timespec at;

        if (n_frames <= n_ahead)
                return;
        at_ns = start_ns + (uint64_t) ((double) (n_frames - n_ahead) * 1e9 / a->backend.rate_hz / 1.02);
        at = (struct timespec) { (time_t) (at_ns / NSEC_PER_SEC), (long) (at_ns % NSEC_PER_SEC) };
        if (clock_now_ns() < at_ns)
                (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void alsa_run(struct sound_backend *b, struct speakers *s)
{
        struct alsa_backend *a = container_of(b, struct alsa_backend, backend);
        uint64_t start_ns = clock_now_ns(), n_frames = 0;
        snd_pcm_sframes_t delay;

        if (a->record.pcm)
                (void) snd_pcm_start(a->record.pcm);
        while (!speakers_stopping(s) && b->error == 0) {
                if (snd_pcm_delay(a->play.pcm, &delay) < 0 || delay < 0)
                        delay = 0;
                speakers_mix(s, a->mix, b->n_period, (size_t) delay);
                samples_encode(a->play.format, a->mix, a->raw, b->n_period * b->n_channels);
                b->error = write_period(a);
                n_frames += b->n_period;
                record(a, s);
                hold_back(a, start_ns, n_frames);
        }
}

static const struct sound_backend_ops alsa_ops = {
        .name = "alsa",
        .free = alsa_free,
        .run = alsa_run,
};

int sound_alsa_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        const char *name = scene->device ? scene->device : "default";
        struct alsa_backend *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->backend.ops = &alsa_ops;
        a->play = (struct alsa_pcm) { .rate_hz = scene->rate_hz, .n_channels = scene->n_channels,
                                      .n_period = scene_period_frames(scene) };
        r = open_pcm(name, SND_PCM_STREAM_PLAYBACK, &a->play);
        if (r < 0) {
                alsa_free(&a->backend);
                return r;
        }
        a->backend.rate_hz = a->play.rate_hz;
        a->backend.n_channels = a->play.n_channels;
        a->backend.n_period = a->play.n_period;
        a->record = a->play;
        a->record.pcm = NULL;
        /* Only if it is of the same kind. */
        if (open_pcm(name, SND_PCM_STREAM_CAPTURE, &a->record) == 0 &&
            (a->record.rate_hz != a->play.rate_hz || a->record.n_channels != a->play.n_channels)) {
                (void) snd_pcm_close(a->record.pcm);
                a->record.pcm = NULL;
        }
        a->mix = calloc(a->backend.n_period, a->backend.n_channels * sizeof(*a->mix));
        a->raw = calloc(a->backend.n_period, a->backend.n_channels * sizeof(int32_t));
        if (!a->mix || !a->raw) {
                alsa_free(&a->backend);
                return -ENOMEM;
        }
        *ret = &a->backend;
        return 0;
}
