/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/speakers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "audio/backend.h"
#include "audio/voice-private.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"
#include "scene/scene.h"

#define RAMP_DOWN_US 2000
#define RAMP_UP_US 50000
#define HOLD_MS 100
#define PAUSE_MS 1000      /* silence between two sounds that counts as heard */
#define SILENCE_LEVEL 3e-5 /* of full scale: less than the last of 16 bits */

struct speakers {
        char *name;                    /* owned */
        struct sound_backend *backend; /* owned */
        double *mix, *input;           /* owned: a period each; the mixing thread's */
        pthread_mutex_t list_lock;     /* of the list; the mixing thread waits for it, and lends its priority */
        struct voice *voices[SPEAKERS_VOICES_MAX]; /* borrowed */
        size_t n_voices;
        pthread_t thread;
        bool started, realtime;
        sem_t up;                      /* the thread has come to its loop */
        int wake_fd;                   /* owned: a voice began to run, or the end */
        atomic_bool stopping, asleep;
        /* When the last period was mixed, and how many frames are heard after that: for the guests' threads. */
        atomic_uint_fast64_t mixed_ns, n_ahead;
        atomic_uint_fast64_t n_periods, n_missed, late_max_ns;
};

const char *speakers_name(const struct speakers *s) { return s->name; }
uint32_t speakers_rate(const struct speakers *s) { return s->backend->rate_hz; }
uint32_t speakers_channels(const struct speakers *s) { return s->backend->n_channels; }
size_t speakers_period(const struct speakers *s) { return s->backend->n_period; }
bool speakers_realtime(const struct speakers *s) { return s->realtime; }
bool speakers_stopping(const struct speakers *s) { return atomic_load(&s->stopping); }

void speakers_get_stats(const struct speakers *s, struct speakers_stats *ret)
{
        *ret = (struct speakers_stats) {
                .n_periods = atomic_load(&s->n_periods),
                .n_missed = atomic_load(&s->n_missed),
                .late_max_ns = atomic_load(&s->late_max_ns),
        };
}

int speakers_new(const struct scene_speakers *scene, struct speakers **ret)
{
        auto_cleanup(speakers_freep) struct speakers *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->wake_fd = -1;
        thread_mutex_init(&s->list_lock);
        (void) sem_init(&s->up, 0, 0);
        s->name = strdup(scene->name ? scene->name : "speakers");
        if (!s->name)
                return -ENOMEM;
        r = sound_backend_open(scene, &s->backend);
        if (r < 0)
                return r;
        if (s->backend->n_period == 0 || s->backend->n_channels == 0 || s->backend->n_channels > CHANNELS_MAX)
                return -EINVAL;
        s->mix = calloc(s->backend->n_period, s->backend->n_channels * sizeof(*s->mix));
        s->input = calloc(s->backend->n_period, s->backend->n_channels * sizeof(*s->input));
        if (!s->mix || !s->input)
                return -ENOMEM;
        s->wake_fd = fd_event();
        if (s->wake_fd < 0)
                return s->wake_fd;
        *ret = take_ptr(&s);
        return 0;
}

struct speakers *speakers_free(struct speakers *s)
{
        if (!s)
                return NULL;
        speakers_stop(s);
        assert(s->n_voices == 0);
        if (s->backend)
                s->backend->ops->free(s->backend);
        closep(&s->wake_fd);
        (void) sem_destroy(&s->up);
        (void) pthread_mutex_destroy(&s->list_lock);
        free(s->mix);
        free(s->input);
        free(s->name);
        free(s);
        return NULL;
}

int speakers_add_voice(struct speakers *s, struct voice *v)
{
        int r = -ENOSPC;

        (void) pthread_mutex_lock(&s->list_lock);
        if (s->n_voices < SPEAKERS_VOICES_MAX) {
                s->voices[s->n_voices++] = v;
                r = 0;
        }
        (void) pthread_mutex_unlock(&s->list_lock);
        return r;
}

void speakers_remove_voice(struct speakers *s, struct voice *v)
{
        (void) pthread_mutex_lock(&s->list_lock);
        for (size_t i = 0; i < s->n_voices; i++) {
                if (s->voices[i] == v) {
                        s->voices[i] = s->voices[--s->n_voices];
                        break;
                }
        }
        (void) pthread_mutex_unlock(&s->list_lock);
}

void speakers_wake(struct speakers *s)
{
        if (atomic_load(&s->asleep))
                fd_event_signal(s->wake_fd);
}

uint64_t speakers_latency(const struct speakers *s)
{
        uint64_t mixed_ns = atomic_load(&s->mixed_ns), n_ahead = atomic_load(&s->n_ahead), now = clock_now_ns(), gone;

        gone = now > mixed_ns ? (now - mixed_ns) * s->backend->rate_hz / NSEC_PER_SEC : 0;
        return gone >= n_ahead ? 0 : n_ahead - gone;
}

/* ---- mixing ---- */

/*
 * Does a voice that plays @v->n_now frames count as heard? From its first sound on, and through pauses: a chime with
 * gaps, or speech, does not let media up in between. A stream that is kept running and plays nothing, or at no volume,
 * has no say.
 */
static bool is_heard(const struct speakers *s, struct voice *v)
{
        size_t n_pause = s->backend->rate_hz / 1000 * PAUSE_MS;
        double volume = atomic_load(&v->volume);

        if (volume > 0 && frame_ring_reaches(&v->ring, v->n_now, SILENCE_LEVEL / volume))
                v->n_silent = 0;
        else
                v->n_silent = v->n_hold == 0 ? n_pause : MIN(v->n_silent + v->n_now, n_pause);
        return v->n_silent < n_pause;
}

/* Who is heard in this period; their rings are locked. */
static void take_voices(struct speakers *s, size_t n)
{
        uint32_t n_hold = s->backend->rate_hz / 1000 * HOLD_MS;

        for (size_t i = 0; i < s->n_voices; i++) {
                struct voice *v = s->voices[i];

                v->n_now = 0;
                v->locked = false;
                if (v->options.capture)
                        continue;
                v->n_hold -= MIN(v->n_hold, n);
                if (!atomic_load(&v->running) || pthread_mutex_trylock(&v->lock) != 0)
                        continue;
                v->locked = true;
                if (!atomic_load(&v->running) || !v->ring.samples)
                        continue;
                v->n_now = MIN(n, (size_t) frame_ring_used(&v->ring));
                if (v->n_now > 0 && v->over_gain < 1.0 && is_heard(s, v))
                        v->n_hold = n + n_hold;
                if (v->n_now < n && frame_ring_read(&v->ring) + v->n_now > 0)
                        atomic_store(&v->dry, true);
        }
}

/* What those of higher priority leave of a voice. */
static double gain_below(const struct speakers *s, const struct voice *v)
{
        double gain = 1.0;

        for (size_t i = 0; i < s->n_voices; i++) {
                const struct voice *other = s->voices[i];

                if (other->n_hold > 0 && other->options.priority > v->options.priority)
                        gain = MIN(gain, other->over_gain);
        }
        return gain;
}

static void add_voice(struct speakers *s, struct voice *v, double *out)
{
        uint32_t n_channels = s->backend->n_channels;
        size_t left = v->n_now;

        while (left > 0) {
                size_t n;
                const double *frames = frame_ring_peek(&v->ring, left, &n);

                mix_add(out, frames, n, n_channels, &v->gain);
                frame_ring_drop(&v->ring, n);
                out += n * n_channels;
                left -= n;
        }
        v->wakes = voice_reached(v, frame_ring_read(&v->ring));
}

/* Each guest once, after all of its voices. */
static void wake_guests(struct speakers *s)
{
        for (size_t i = 0; i < s->n_voices; i++) {
                int fd = s->voices[i]->options.wake_fd;

                if (!s->voices[i]->wakes)
                        continue;
                fd_event_signal(fd);
                for (size_t k = i; k < s->n_voices; k++)
                        if (s->voices[k]->options.wake_fd == fd)
                                s->voices[k]->wakes = false;
        }
}

void speakers_mix(struct speakers *s, double *out, size_t n, size_t delay)
{
        size_t n_down = s->backend->rate_hz * (uint64_t) RAMP_DOWN_US / 1000000;
        size_t n_up = s->backend->rate_hz * (uint64_t) RAMP_UP_US / 1000000;

        memset(out, 0, n * s->backend->n_channels * sizeof(*out));
        (void) pthread_mutex_lock(&s->list_lock);
        /* Before anything is played, so that who asks about a position that was played gets an answer for it. */
        atomic_store(&s->mixed_ns, clock_now_ns());
        atomic_store(&s->n_ahead, n + delay);
        take_voices(s, n);
        for (size_t i = 0; i < s->n_voices; i++) {
                struct voice *v = s->voices[i];
                double target = atomic_load(&v->volume) * gain_below(s, v);

                if (v->n_now == 0)
                        gain_set(&v->gain, target); /* nobody hears it move */
                else
                        gain_move(&v->gain, target, target < v->gain.now ? MIN(n_down, n) : n_up);
                if (v->n_now > 0)
                        add_voice(s, v, out);
                if (v->locked)
                        (void) pthread_mutex_unlock(&v->lock);
        }
        wake_guests(s);
        (void) pthread_mutex_unlock(&s->list_lock);
        atomic_fetch_add(&s->n_periods, 1);
}

void speakers_record(struct speakers *s, const double *in, size_t n)
{
        (void) pthread_mutex_lock(&s->list_lock);
        for (size_t i = 0; i < s->n_voices; i++) {
                struct voice *v = s->voices[i];

                if (!v->options.capture || !atomic_load(&v->running) || pthread_mutex_trylock(&v->lock) != 0)
                        continue;
                if (atomic_load(&v->running) && v->ring.samples) {
                        if (frame_ring_free(&v->ring) < n)
                                atomic_store(&v->dry, true);
                        frame_ring_put(&v->ring, in, MIN(n, (size_t) frame_ring_free(&v->ring)));
                        v->wakes = voice_reached(v, frame_ring_written(&v->ring));
                }
                (void) pthread_mutex_unlock(&v->lock);
        }
        wake_guests(s);
        (void) pthread_mutex_unlock(&s->list_lock);
}

/* ---- the thread ---- */

static bool any_runs(struct speakers *s)
{
        bool any = false;

        (void) pthread_mutex_lock(&s->list_lock);
        for (size_t i = 0; i < s->n_voices && !any; i++)
                any = atomic_load(&s->voices[i]->running);
        (void) pthread_mutex_unlock(&s->list_lock);
        return any;
}

/* Waits until a voice runs. */
static void sleep_idle(struct speakers *s)
{
        struct pollfd pfd = { .fd = s->wake_fd, .events = POLLIN };

        atomic_store(&s->asleep, true);
        while (!speakers_stopping(s) && !any_runs(s)) {
                (void) poll(&pfd, 1, -1);
                (void) fd_event_take(s->wake_fd);
        }
        atomic_store(&s->asleep, false);
        (void) pthread_mutex_lock(&s->list_lock);
        for (size_t i = 0; i < s->n_voices; i++)
                s->voices[i]->n_hold = 0;
        (void) pthread_mutex_unlock(&s->list_lock);
}

static void mix_period(struct speakers *s)
{
        struct sound_backend *b = s->backend;

        speakers_mix(s, s->mix, b->n_period, 0);
        if (b->ops->write)
                b->ops->write(b, s->mix, b->n_period);
        if (b->ops->read)
                b->ops->read(b, s->input, b->n_period);
        speakers_record(s, s->input, b->n_period);
}

/* The start of period n. Seconds apart, so that nothing overflows in a lifetime. */
static uint64_t period_start(const struct speakers *s, uint64_t start_ns, uint64_t n)
{
        uint64_t frames = n * s->backend->n_period, rate = s->backend->rate_hz;

        return start_ns + frames / rate * NSEC_PER_SEC + frames % rate * NSEC_PER_SEC / rate;
}

static void wait_until(uint64_t deadline_ns)
{
        struct timespec at = { (time_t) (deadline_ns / NSEC_PER_SEC), (long) (deadline_ns % NSEC_PER_SEC) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
                ;
}

/* Period @n was due at @due_ns. Return: the one that is due now. */
static uint64_t judge_lateness(struct speakers *s, uint64_t n, uint64_t due_ns)
{
        uint64_t late_ns = clock_now_ns() - due_ns,
                 period_ns = s->backend->n_period * NSEC_PER_SEC / s->backend->rate_hz;

        if (late_ns > atomic_load(&s->late_max_ns))
                atomic_store(&s->late_max_ns, late_ns);
        if (late_ns < period_ns)
                return n;
        atomic_fetch_add(&s->n_missed, late_ns / period_ns);
        return n + late_ns / period_ns;
}

static void run_clock(struct speakers *s)
{
        uint64_t start_ns = clock_now_ns(), n = 0;

        while (!speakers_stopping(s)) {
                if (s->backend->idles && !any_runs(s)) {
                        sleep_idle(s);
                        start_ns = clock_now_ns();
                        n = 0;
                        continue;
                }
                wait_until(period_start(s, start_ns, n));
                n = judge_lateness(s, n, period_start(s, start_ns, n)) + 1;
                mix_period(s);
        }
}

static void *speakers_main(void *data)
{
        struct speakers *s = data;

        (void) prctl(PR_SET_TIMERSLACK, 1UL);
        (void) sem_post(&s->up);
        if (s->backend->ops->run) {
                s->backend->ops->run(s->backend, s);
                if (!speakers_stopping(s))
                        log_error("sound", "speakers %s: %s ended (%s): sound goes nowhere from here on", s->name,
                                  s->backend->ops->name, strerror(-s->backend->error));
        }
        /* Guests' streams go on by our own clock also when nobody can hear them any more. */
        run_clock(s);
        return NULL;
}

int speakers_start(struct speakers *s)
{
        struct sched_param priority = { .sched_priority = SPEAKERS_PRIORITY };
        int r, policy;

        atomic_store(&s->stopping, false);
        r = thread_start(&s->thread, s->name, speakers_main, s);
        if (r < 0)
                return r;
        s->started = true;
        /* Without the right to this it keeps what it has from who started it. */
        (void) pthread_setschedparam(s->thread, SCHED_FIFO, &priority);
        s->realtime = pthread_getschedparam(s->thread, &policy, &priority) == 0 && policy != SCHED_OTHER;
        while (sem_wait(&s->up) < 0)
                assert(errno == EINTR);
        return 0;
}

void speakers_stop(struct speakers *s)
{
        if (!s->started)
                return;
        atomic_store(&s->stopping, true);
        fd_event_signal(s->wake_fd);
        if (s->backend->ops->interrupt)
                s->backend->ops->interrupt(s->backend);
        (void) pthread_join(s->thread, NULL);
        s->started = false;
}
