/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The sound card as the driver's probe sees it, and its queues.
 *
 * A driver tells the parameters of a stream once. It does not know when the server is killed and started again: its
 * rings go on (with a base other than 0), its buffers are resubmitted. So what it told is kept in `saved`, which a
 * successor maps again, and is taken from there when a ring goes on; when the control queue begins anew, the driver
 * does, too, and it is forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/speakers.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "device/sound/sound-private.h"
#include "virtio/features.h"

static uint64_t sound_features(const struct device *dev)
{
        return to_sound(dev)->controls ? FEATURE(SOUND_FEATURE_CTLS) : 0;
}

static size_t sound_config_size(const struct device *dev) { return sizeof(struct sound_config); }

static void sound_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct sound *s = to_sound(dev);
        struct sound_config config = {
                .jacks = htole32(s->n_jacks),
                .streams = htole32(s->n_streams),
                .chmaps = htole32(s->n_chmaps),
                .controls = htole32(s->controls ? 2 * s->n_streams : 0),
        };

        memcpy(buf, (const char *) &config + offset, n);
}

static void forget_driver(struct sound *s)
{
        for (uint32_t i = 0; i < s->n_streams; i++)
                stream_reset(&s->streams[i]);
        s->known = false;
        s->xruns_due = 0;
}

static int sound_start(struct device *dev, uint64_t negotiated)
{
        forget_driver(to_sound(dev));
        return 0;
}

static void sound_reset(struct device *dev) { forget_driver(to_sound(dev)); }

/* What a predecessor, or the connection before, knew of this driver. */
static void restore(struct sound *s)
{
        struct sound_saved saved = *s->saved;

        s->known = true;
        if (saved.magic != SOUND_SAVED_MAGIC || saved.n_streams != s->n_streams)
                return;
        for (uint32_t i = 0; i < s->n_streams; i++)
                stream_restore(&s->streams[i], &saved.streams[i]);
}

static void forget_saved(struct sound *s)
{
        s->known = true;
        *s->saved = (struct sound_saved) { .n_streams = s->n_streams };
        for (uint32_t i = 0; i < s->n_streams; i++)
                stream_save(&s->streams[i]);
        s->saved->magic = SOUND_SAVED_MAGIC;
}

/* The eventfd is never read: each signal is an edge. */
static void on_wake(struct watch *w, uint32_t events)
{
        struct sound *s = container_of(w, struct sound, wake);

        for (uint32_t i = 0; i < s->n_streams; i++)
                if (s->streams[i].first)
                        transfer_move(&s->streams[i]);
        for (uint16_t i = VIRTIO_SND_VQ_TX; i <= VIRTIO_SND_VQ_RX; i++) {
                struct queue *q = &s->dev.queues[i];

                if (queue_started(q))
                        (void) queue_notify(q);
                if (q->lazy)
                        queue_kick(q);
        }
}

static int sound_queue_start(struct device *dev, struct queue *q)
{
        struct sound *s = to_sound(dev);
        int r;

        if (!s->known && !queue_looks_new(q))
                restore(s);
        else if (!s->known && q->index == VIRTIO_SND_VQ_CONTROL)
                forget_saved(s);
        if (q->index >= VIRTIO_SND_VQ_TX) {
                r = transfer_queue_start(s, q);
                if (r < 0)
                        return r;
        }
        if (s->n_queues_started == 0) {
                r = watch_start(&s->wake, q->loop, s->wake_fd, EPOLLIN | EPOLLET, on_wake);
                if (r < 0) {
                        if (q->index >= VIRTIO_SND_VQ_TX)
                                transfer_queue_stop(s, q);
                        return r;
                }
        }
        s->n_queues_started++;
        return 0;
}

static void sound_queue_stop(struct device *dev, struct queue *q)
{
        struct sound *s = to_sound(dev);

        if (q->index >= VIRTIO_SND_VQ_TX)
                transfer_queue_stop(s, q);
        if (--s->n_queues_started == 0)
                watch_stop(&s->wake);
}

static int sound_handle_queue(struct device *dev, struct queue *q)
{
        struct sound *s = to_sound(dev);

        switch (q->index) {
        case VIRTIO_SND_VQ_CONTROL:
                return sound_handle_requests(s, q);
        case VIRTIO_SND_VQ_EVENT:
                return event_send(s);
        default:
                return transfer_handle_queue(s, q);
        }
}

static struct device *sound_free(struct device *dev)
{
        struct sound *s = dev ? to_sound(dev) : NULL;

        if (!s)
                return NULL;
        for (uint32_t i = 0; i < s->n_streams; i++)
                voice_free(s->streams[i].voice);
        device_deinit(dev);
        closep(&s->wake_fd);
        free(s->streams);
        free(s);
        return NULL;
}

static const struct device_ops sound_ops = {
        .name = "sound",
        .virtio_id = VIRTIO_ID_SOUND_DEVICE,
        .features = sound_features,
        .start = sound_start,
        .handle_queue = sound_handle_queue,
        .reset = sound_reset,
        .free = sound_free,
        .config_size = sound_config_size,
        .config_read = sound_config_read,
        .queue_start = sound_queue_start,
        .queue_stop = sound_queue_stop,
};

static int make_streams(struct sound *s, const struct sound_options *options)
{
        for (uint32_t i = 0; i < s->n_streams; i++) {
                struct voice_options voice = {
                        .capture = i >= s->n_outputs,
                        .priority = options->priority,
                        .over = options->over,
                        .duck_db = options->duck_db,
                        .wake_fd = s->wake_fd,
                };
                int r;

                s->streams[i] = (struct stream) { .sound = s, .id = i, .capture = voice.capture };
                s->streams[i].last = &s->streams[i].first;
                r = voice_new(s->speakers, &voice, &s->streams[i].voice);
                if (r < 0)
                        return r;
                stream_reset(&s->streams[i]);
        }
        return 0;
}

/* Channel maps of a direction: one channel, and every even number up to the most. */
static uint32_t count_maps(const struct sound *s) { return 1 + stream_channels_max(s) / 2; }

int sound_new(struct loop *loop, const char *name, struct speakers *speakers, const struct sound_options *options,
              struct device **ret)
{
        struct sound *s;
        int r;

        if (options->n_outputs < 1 || options->n_outputs > SOUND_OUTPUTS_MAX)
                return -EINVAL;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->wake_fd = -1;
        r = device_init(&s->dev, &sound_ops, name, loop, VIRTIO_SND_VQ_MAX);
        if (r < 0) {
                free(s);
                return r;
        }
        s->speakers = speakers;
        s->controls = options->controls;
        s->saved = options->saved ? options->saved : &s->own_saved;
        s->n_outputs = options->n_outputs;
        s->n_jacks = options->capture ? 2 : 1;
        s->n_chmaps = s->n_jacks * count_maps(s);
        s->streams = calloc(options->n_outputs + options->capture, sizeof(*s->streams));
        r = s->streams ? s->wake_fd = fd_event() : -ENOMEM;
        if (r >= 0) {
                s->n_streams = options->n_outputs + options->capture;
                r = make_streams(s, options);
        }
        if (r < 0) {
                sound_free(&s->dev);
                return r;
        }
        *ret = &s->dev;
        return 0;
}

void sound_get_stats(const struct device *dev, struct sound_stats *ret)
{
        const struct sound *s = to_sound(dev);

        *ret = (struct sound_stats) { .n_running = atomic_load(&s->n_running) };
        for (uint32_t i = 0; i < s->n_streams; i++)
                ret->n_xruns += voice_n_xruns(s->streams[i].voice);
}
