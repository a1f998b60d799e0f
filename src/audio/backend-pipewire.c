/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PipeWire: one stream to play and one to record, of floats. The mixing thread runs PipeWire's loop; the graph asks it
 * for frames when it needs them, which sets the pace. Connected before lock-down, and driven there until both streams
 * are known to the server, as libraries are loaded up to then.
 *
 * A graph that does not ask, since nothing is connected to our stream or its device stands still, must not stall the
 * guests: while that lasts a timer mixes at our own clock, and what is mixed is lost.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pipewire/pipewire.h>
#include <spa/param/audio/format-utils.h>
#include <spa/utils/names.h>

#include "audio/backend.h"
#include "audio/format.h"
#include "audio/speakers.h"
#include "base/loop.h"
#include "base/macros.h"
#include "scene/scene.h"

#define CONNECT_NS (3 * NSEC_PER_SEC)
#define SILENT_NS (200 * NSEC_PER_MSEC)

struct pipewire_backend {
        struct sound_backend backend;
        struct speakers *_Atomic speakers; /* borrowed; NULL but for run() */
        atomic_bool ended;                 /* run() is to return */
        struct pw_main_loop *loop; /* owned */
        struct pw_stream *play, *record; /* owned */
        struct spa_source *timer;        /* the loop's */
        /* Owned: keeps a library that a second connection would load, which lock-down forbids. */
        struct spa_handle *mixer;
        uint64_t asked_ns;               /* when the graph last wanted frames, or the timer did in its place */
        double *mix; /* owned: a period */
};

static struct sound_backend *pipewire_free(struct sound_backend *b)
{
        struct pipewire_backend *p = b ? container_of(b, struct pipewire_backend, backend) : NULL;

        if (!p)
                return NULL;
        if (p->play)
                pw_stream_destroy(p->play);
        if (p->record)
                pw_stream_destroy(p->record);
        if (p->mixer)
                (void) pw_unload_spa_handle(p->mixer);
        if (p->timer)
                pw_loop_destroy_source(pw_main_loop_get_loop(p->loop), p->timer);
        if (p->loop)
                pw_main_loop_destroy(p->loop);
        free(p->mix);
        free(p);
        return NULL;
}

static void on_state(void *data, enum pw_stream_state old, enum pw_stream_state state, const char *error)
{
        struct pipewire_backend *p = data;

        if (state != PW_STREAM_STATE_ERROR && state != PW_STREAM_STATE_UNCONNECTED)
                return;
        if (old == PW_STREAM_STATE_UNCONNECTED || p->ended)
                return;
        p->backend.error = -ECONNRESET;
        p->ended = true;
}

/* Frames that are heard before those that are mixed now. */
static size_t frames_ahead(struct pipewire_backend *p)
{
        struct pw_time t;
        uint64_t n;

        if (pw_stream_get_time_n(p->play, &t, sizeof(t)) < 0 || t.rate.denom == 0)
                return 0;
        n = t.queued / (sizeof(float) * p->backend.n_channels) + t.buffered;
        if (t.delay > 0)
                n += (uint64_t) t.delay * t.rate.num * p->backend.rate_hz / t.rate.denom;
        return (size_t) MIN(n, (uint64_t) p->backend.rate_hz);
}

static void on_play(void *data)
{
        struct pipewire_backend *p = data;
        size_t n_bytes = sizeof(float) * p->backend.n_channels, n_frames, n_done = 0, n_ahead;
        struct pw_buffer *b = p->speakers ? pw_stream_dequeue_buffer(p->play) : NULL;
        struct spa_data *d;

        if (!b)
                return;
        d = &b->buffer->datas[0];
        if (!d->data) {
                (void) pw_stream_queue_buffer(p->play, b);
                return;
        }
        n_frames = d->maxsize / n_bytes;
        n_frames = MIN(n_frames, b->requested > 0 ? (size_t) b->requested : p->backend.n_period);
        n_ahead = frames_ahead(p);
        p->asked_ns = clock_now_ns();
        while (n_done < n_frames) {
                size_t n = MIN(n_frames - n_done, p->backend.n_period);

                speakers_mix(p->speakers, p->mix, n, n_ahead + n_done);
                samples_encode(SAMPLE_FLOAT, p->mix, (char *) d->data + n_done * n_bytes, n * p->backend.n_channels);
                n_done += n;
        }
        d->chunk->offset = 0;
        d->chunk->stride = (int32_t) n_bytes;
        d->chunk->size = (uint32_t) (n_frames * n_bytes);
        (void) pw_stream_queue_buffer(p->play, b);
}

static void on_record(void *data)
{
        struct pipewire_backend *p = data;
        size_t n_bytes = sizeof(float) * p->backend.n_channels, n_frames, offset;
        struct pw_buffer *b = p->speakers ? pw_stream_dequeue_buffer(p->record) : NULL;
        struct spa_data *d;

        if (!b)
                return;
        d = &b->buffer->datas[0];
        offset = d->data ? MIN(d->chunk->offset, d->maxsize) : 0;
        n_frames = d->data ? MIN((size_t) d->chunk->size, d->maxsize - offset) / n_bytes : 0;
        for (size_t n_done = 0, n; n_done < n_frames; n_done += n) {
                n = MIN(n_frames - n_done, p->backend.n_period);
                samples_decode(SAMPLE_FLOAT, (const char *) d->data + offset + n_done * n_bytes, p->mix,
                               n * p->backend.n_channels);
                speakers_record(p->speakers, p->mix, n);
        }
        (void) pw_stream_queue_buffer(p->record, b);
}

static const struct pw_stream_events play_events = {
        .version = PW_VERSION_STREAM_EVENTS,
        .state_changed = on_state,
        .process = on_play,
};

static const struct pw_stream_events record_events = {
        .version = PW_VERSION_STREAM_EVENTS,
        .process = on_record,
};

/* Once a period. */
static void on_timer(void *data, uint64_t n_expired)
{
        struct pipewire_backend *p = data;
        uint64_t now_ns = clock_now_ns(), period_ns = p->backend.n_period * NSEC_PER_SEC / p->backend.rate_hz;

        if (!p->speakers || now_ns < p->asked_ns + SILENT_NS)
                return;
        speakers_mix(p->speakers, p->mix, p->backend.n_period, 0);
        /* The next one a period later, however long the graph has been silent. */
        p->asked_ns = now_ns - SILENT_NS + period_ns / 2;
}

/*
 * PipeWire's own thread has our callbacks run by the loop as long as a thread is in that, and runs them itself
 * otherwise: so the streams are disconnected, after which there are no callbacks, before the loop is left.
 */
static void pipewire_run(struct sound_backend *b, struct speakers *s)
{
        struct pipewire_backend *p = container_of(b, struct pipewire_backend, backend);
        struct pw_loop *loop = pw_main_loop_get_loop(p->loop);

        pw_loop_enter(loop);
        p->asked_ns = clock_now_ns();
        p->speakers = s;
        while (!p->ended && !speakers_stopping(s)) {
                int r = pw_loop_iterate(loop, -1);

                if (r < 0 && r != -EINTR) {
                        b->error = r;
                        break;
                }
        }
        p->ended = true;
        p->speakers = NULL;
        (void) pw_stream_disconnect(p->play);
        (void) pw_stream_disconnect(p->record);
        pw_loop_leave(loop);
}

static int end(struct spa_loop *loop, bool async, uint32_t seq, const void *data, size_t size, void *user_data)
{
        struct pipewire_backend *p = user_data;

        p->ended = true;
        return 0;
}

static void pipewire_interrupt(struct sound_backend *b)
{
        struct pipewire_backend *p = container_of(b, struct pipewire_backend, backend);

        (void) pw_loop_invoke(pw_main_loop_get_loop(p->loop), end, 0, NULL, 0, false, p);
}

static const struct sound_backend_ops pipewire_ops = {
        .name = "pipewire",
        .free = pipewire_free,
        .run = pipewire_run,
        .interrupt = pipewire_interrupt,
};

static int make_stream(struct pipewire_backend *p, const struct scene_speakers *scene, bool record)
{
        enum pw_direction direction = record ? PW_DIRECTION_INPUT : PW_DIRECTION_OUTPUT;
        struct spa_audio_info_raw info = { .format = SPA_AUDIO_FORMAT_F32,
                                           .rate = scene->rate_hz,
                                           .channels = scene->n_channels };
        const struct spa_pod *params[1];
        struct pw_properties *properties;
        struct spa_pod_builder builder;
        struct pw_stream **stream = record ? &p->record : &p->play;
        uint8_t buffer[1024];

        properties = pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY,
                                       record ? "Capture" : "Playback", PW_KEY_MEDIA_ROLE, "Production",
                                       PW_KEY_NODE_NAME, record ? "busbar-record" : "busbar", NULL);
        if (!properties)
                return -ENOMEM;
        (void) pw_properties_set(properties, PW_KEY_NODE_DESCRIPTION, scene->name);
        (void) pw_properties_setf(properties, PW_KEY_NODE_LATENCY, "%zu/%u", p->backend.n_period, scene->rate_hz);
        if (scene->device)
                (void) pw_properties_set(properties, PW_KEY_TARGET_OBJECT, scene->device);
        *stream = pw_stream_new_simple(pw_main_loop_get_loop(p->loop), record ? "busbar-record" : "busbar", properties,
                                       record ? &record_events : &play_events, p);
        if (!*stream)
                return -errno;
        spa_pod_builder_init(&builder, buffer, sizeof(buffer));
        params[0] = spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info);
        return pw_stream_connect(*stream, direction, PW_ID_ANY, PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS,
                                 params, 1);
}

static int start_timer(struct pipewire_backend *p)
{
        struct pw_loop *loop = pw_main_loop_get_loop(p->loop);
        struct timespec period = { 0, (long) (p->backend.n_period * NSEC_PER_SEC / p->backend.rate_hz) };

        p->timer = pw_loop_add_timer(loop, on_timer, p);
        if (!p->timer)
                return -errno;
        return pw_loop_update_timer(loop, p->timer, &period, &period, false);
}

/* Runs the loop until the server knows the stream. Return: 0 or a negative errno. */
static int wait_known(struct pipewire_backend *p, struct pw_stream *stream)
{
        struct pw_loop *loop = pw_main_loop_get_loop(p->loop);
        uint64_t deadline_ns = clock_now_ns() + CONNECT_NS;
        const char *error;
        int r = 0;

        pw_loop_enter(loop);
        for (;;) {
                enum pw_stream_state state = pw_stream_get_state(stream, &error);

                if (state == PW_STREAM_STATE_PAUSED || state == PW_STREAM_STATE_STREAMING)
                        break;
                if (state == PW_STREAM_STATE_ERROR || p->backend.error < 0)
                        r = -ECONNREFUSED;
                else if (clock_now_ns() > deadline_ns)
                        r = -ETIMEDOUT;
                if (r < 0 || (r = pw_loop_iterate(loop, 100)) < 0)
                        break;
        }
        pw_loop_leave(loop);
        return MIN(r, 0);
}

int sound_pipewire_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        struct pipewire_backend *p = calloc(1, sizeof(*p));
        int r = -ENOMEM;

        if (!p)
                return -ENOMEM;
        pw_init(NULL, NULL);
        p->backend = (struct sound_backend) {
                .ops = &pipewire_ops,
                .rate_hz = scene->rate_hz,
                .n_channels = scene->n_channels,
                .n_period = scene_period_frames(scene),
        };
        p->mix = calloc(p->backend.n_period, scene->n_channels * sizeof(*p->mix));
        p->loop = pw_main_loop_new(NULL);
        if (p->mix && p->loop)
                r = make_stream(p, scene, false);
        if (r >= 0)
                r = make_stream(p, scene, true);
        if (r >= 0)
                r = wait_known(p, p->play);
        if (r >= 0)
                r = wait_known(p, p->record);
        if (r >= 0)
                r = start_timer(p);
        p->mixer = pw_load_spa_handle("audiomixer/libspa-audiomixer", SPA_NAME_AUDIO_MIXER_DSP, NULL, 0, NULL);
        if (r < 0) {
                pipewire_free(&p->backend);
                return r;
        }
        *ret = &p->backend;
        return 0;
}
