/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/voice.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "audio/resample.h"
#include "audio/speakers.h"
#include "audio/voice-private.h"
#include "base/macros.h"

#define RATE_MIN 5512
#define RATE_MAX 384000

int voice_new(struct speakers *s, const struct voice_options *options, struct voice **ret)
{
        struct voice *v = aligned_alloc(64, sizeof(*v));
        int r;

        if (!v)
                return -ENOMEM;
        *v = (struct voice) { .speakers = s, .options = *options };
        v->over_gain = options->over == OVER_DUCK ? gain_from_db(options->duck_db) :
                       options->over == OVER_INTERRUPT ? 0.0 : 1.0;
        atomic_store(&v->wake_at, UINT64_MAX);
        atomic_store(&v->volume, 1.0);
        gain_set(&v->gain, 1.0);
        (void) pthread_mutex_init(&v->lock, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(v->part); i++) {
                v->part[i] = calloc(VOICE_PART * CHANNELS_MAX, sizeof(double));
                if (!v->part[i])
                        goto no_memory;
        }
        r = speakers_add_voice(s, v);
        if (r < 0) {
                v->speakers = NULL;
                voice_free(v);
                return r;
        }
        *ret = v;
        return 0;

no_memory:
        v->speakers = NULL;
        voice_free(v);
        return -ENOMEM;
}

struct voice *voice_free(struct voice *v)
{
        if (!v)
                return NULL;
        if (v->speakers) {
                voice_close(v);
                speakers_remove_voice(v->speakers, v);
        }
        (void) pthread_mutex_destroy(&v->lock);
        for (size_t i = 0; i < ARRAY_SIZE(v->part); i++)
                free(v->part[i]);
        free(v);
        return NULL;
}

int voice_open(struct voice *v, const struct voice_format *f, uint32_t n_buffer)
{
        uint32_t rate = speakers_rate(v->speakers), n_channels = speakers_channels(v->speakers);
        struct resampler *resampler = NULL;
        uint64_t n_frames;
        int r;

        if (f->rate_hz < RATE_MIN || f->rate_hz > RATE_MAX || f->n_channels < 1 || f->n_channels > CHANNELS_MAX ||
            f->sample >= N_SAMPLE_FORMATS || n_buffer == 0 || n_buffer > VOICE_FRAMES_MAX)
                return -EINVAL;
        voice_close(v);
        if (f->rate_hz != rate) {
                r = v->options.capture ? resampler_new(rate, f->rate_hz, n_channels, &resampler) :
                                         resampler_new(f->rate_hz, rate, n_channels, &resampler);
                if (r < 0)
                        return r;
        }
        /* Two periods more than the guest's own: what it is given back it may have filled again before the next is
           mixed. Of more than a second the rest stays with the guest until there is room: it decides the size, and the
           memory is ours. */
        n_frames = MIN((uint64_t) n_buffer * rate / f->rate_hz, (uint64_t) rate) + 2 * speakers_period(v->speakers) + 2;
        (void) pthread_mutex_lock(&v->lock);
        r = frame_ring_open(&v->ring, n_channels, n_frames);
        (void) pthread_mutex_unlock(&v->lock);
        if (r < 0) {
                resampler_free(resampler);
                return r;
        }
        v->format = *f;
        v->resampler = resampler;
        v->n_left = v->left_at = 0;
        v->xrun = false;
        v->open = true;
        atomic_store(&v->dry, false);
        return 0;
}

void voice_close(struct voice *v)
{
        voice_stop(v);
        (void) pthread_mutex_lock(&v->lock);
        frame_ring_close(&v->ring);
        atomic_store(&v->wake_at, UINT64_MAX);
        (void) pthread_mutex_unlock(&v->lock);
        v->resampler = resampler_free(v->resampler);
        v->open = false;
}

void voice_start(struct voice *v)
{
        if (!v->open)
                return;
        atomic_store(&v->running, true);
        speakers_wake(v->speakers);
}

void voice_stop(struct voice *v)
{
        if (!atomic_exchange(&v->running, false))
                return;
        /* Whoever uses the ring just now is done when this is had. */
        (void) pthread_mutex_lock(&v->lock);
        atomic_store(&v->dry, false);
        (void) pthread_mutex_unlock(&v->lock);
}

void voice_drop(struct voice *v)
{
        (void) pthread_mutex_lock(&v->lock);
        atomic_store(&v->ring.read, frame_ring_written(&v->ring));
        atomic_store(&v->dry, false);
        (void) pthread_mutex_unlock(&v->lock);
        if (v->resampler)
                resampler_reset(v->resampler);
        v->n_left = v->left_at = 0;
}

/* Frames of the speakers' kind at @frames: resampled into the ring. Return: how many were taken. */
static size_t put(struct voice *v, const double *frames, size_t n)
{
        size_t n_taken = 0;

        if (!v->resampler) {
                frame_ring_put(&v->ring, frames, n);
                return n;
        }
        for (;;) {
                size_t n_in = n - n_taken, n_out = MIN((size_t) frame_ring_free(&v->ring), (size_t) VOICE_PART);

                if (n_out == 0)
                        return n_taken;
                resampler_run(v->resampler, frames + n_taken * v->ring.n_channels, &n_in, v->part[2], &n_out);
                frame_ring_put(&v->ring, v->part[2], n_out);
                n_taken += n_in;
                if (n_in == 0 && n_out == 0)
                        return n_taken;
        }
}

size_t voice_write(struct voice *v, const void *frames, size_t n)
{
        size_t n_done = 0, bytes = sample_bytes(v->format.sample) * v->format.n_channels;

        if (!v->open)
                return 0;
        while (n_done < n) {
                size_t part = MIN(n - n_done, (size_t) VOICE_PART), n_put;
                const double *mapped = v->part[0];

                if (!v->resampler)
                        part = MIN(part, (size_t) frame_ring_free(&v->ring));
                if (part == 0)
                        break;
                samples_decode(v->format.sample, (const char *) frames + n_done * bytes, v->part[0],
                               part * v->format.n_channels);
                if (v->format.n_channels != v->ring.n_channels) {
                        frames_map(v->part[0], v->format.n_channels, v->part[1], v->ring.n_channels, part);
                        mapped = v->part[1];
                }
                n_put = put(v, mapped, part);
                n_done += n_put;
                if (n_put < part)
                        break;
        }
        if (n_done > 0 && atomic_exchange(&v->dry, false)) {
                atomic_fetch_add(&v->n_xruns, 1);
                v->xrun = true;
        }
        return n_done;
}

/* The next recorded frames at the guest's rate; *ret_n of them. */
static const double *get(struct voice *v, size_t n, size_t *ret_n)
{
        const double *frames;

        if (!v->resampler)
                return frame_ring_peek(&v->ring, n, ret_n);
        while (v->n_left == 0) {
                size_t n_in, n_out = VOICE_PART;

                frames = frame_ring_peek(&v->ring, VOICE_PART, &n_in);
                if (n_in == 0)
                        break;
                resampler_run(v->resampler, frames, &n_in, v->part[2], &n_out);
                frame_ring_drop(&v->ring, n_in);
                v->left_at = 0;
                v->n_left = n_out;
        }
        *ret_n = MIN(n, v->n_left);
        return v->part[2] + v->left_at * v->ring.n_channels;
}

static void got(struct voice *v, size_t n)
{
        if (!v->resampler) {
                frame_ring_drop(&v->ring, n);
                return;
        }
        v->left_at += n;
        v->n_left -= n;
}

size_t voice_read(struct voice *v, void *frames, size_t n)
{
        size_t n_done = 0, bytes = sample_bytes(v->format.sample) * v->format.n_channels;
        double volume = atomic_load(&v->volume);

        if (!v->open)
                return 0;
        while (n_done < n) {
                size_t part;
                const double *from = get(v, MIN(n - n_done, (size_t) VOICE_PART), &part);

                if (part == 0)
                        break;
                frames_map(from, v->ring.n_channels, v->part[0], v->format.n_channels, part);
                if (volume != 1.0)
                        for (size_t i = 0; i < part * v->format.n_channels; i++)
                                v->part[0][i] *= volume;
                samples_encode(v->format.sample, v->part[0], (char *) frames + n_done * bytes,
                               part * v->format.n_channels);
                got(v, part);
                n_done += part;
        }
        if (n_done > 0 && atomic_exchange(&v->dry, false)) {
                atomic_fetch_add(&v->n_xruns, 1);
                v->xrun = true;
        }
        return n_done;
}

uint64_t voice_frames_for(const struct voice *v, uint64_t n_guest)
{
        uint64_t n = n_guest - MIN(n_guest, v->n_left);

        if (v->resampler)
                n = n * speakers_rate(v->speakers) / v->format.rate_hz;
        /* More than fit into the ring never come at once. */
        return MAX(MIN(n, (v->ring.mask + 1) / 2), UINT64_C(1));
}

uint64_t voice_written(const struct voice *v) { return frame_ring_written(&v->ring); }
uint64_t voice_played(const struct voice *v) { return frame_ring_read(&v->ring); }

static bool reached(const struct voice *v, uint64_t position)
{
        return (v->options.capture ? voice_written(v) : voice_played(v)) >= position;
}

bool voice_wake_at(struct voice *v, uint64_t position)
{
        atomic_store(&v->wake_at, position);
        /* The mixer may have passed it before it could see that it was asked. */
        return !reached(v, position);
}

bool voice_reached(struct voice *v, uint64_t position)
{
        if (position < atomic_load(&v->wake_at))
                return false;
        atomic_store(&v->wake_at, UINT64_MAX);
        return true;
}

uint64_t voice_latency(const struct voice *v, uint64_t position)
{
        uint64_t rate = speakers_rate(v->speakers), behind, ahead = speakers_latency(v->speakers);

        if (!v->open)
                return 0;
        if (v->options.capture)
                return (voice_written(v) - voice_played(v) + speakers_period(v->speakers)) * v->format.rate_hz / rate +
                       v->n_left;
        behind = voice_played(v) - position;
        return behind >= ahead ? 0 : (ahead - behind) * v->format.rate_hz / rate;
}

bool voice_take_xrun(struct voice *v)
{
        bool xrun = v->xrun;

        v->xrun = false;
        return xrun;
}

uint64_t voice_n_xruns(const struct voice *v) { return atomic_load(&v->n_xruns); }

void voice_set_volume(struct voice *v, double gain) { atomic_store(&v->volume, gain); }
