/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The life of a stream (5.14.6.6.1):
 *
 *        SET_PARAMS          PREPARE              START
 *      new ──────► set ──────────► prepared ──────────► started
 *                   ▲ SET_PARAMS ◄────┘ │ RELEASE         │ ▲ START
 *                   └───────────────────┴──── stopped ◄───┘ │
 *                          RELEASE               └──────────┘   STOP
 *
 * A request that its state does not allow is answered by BAD_MSG, as are parameters that contradict each other; those
 * that are well formed and not offered by NOT_SUPP; IO_ERR says that the host could not.
 */
#include <errno.h>
#include <string.h>

#include "audio/mix.h"
#include "audio/speakers.h"
#include "base/macros.h"
#include "device/sound/sound-private.h"

#define HALF_DECIBEL 0.5

static const struct {
        uint8_t virtio;
        enum sample_format sample;
} formats[] = {
        { VIRTIO_SND_PCM_FMT_S8, SAMPLE_S8 },         { VIRTIO_SND_PCM_FMT_U8, SAMPLE_U8 },
        { VIRTIO_SND_PCM_FMT_S16, SAMPLE_S16 },       { VIRTIO_SND_PCM_FMT_U16, SAMPLE_U16 },
        { VIRTIO_SND_PCM_FMT_S24_3, SAMPLE_S24_3 },   { VIRTIO_SND_PCM_FMT_S24, SAMPLE_S24 },
        { VIRTIO_SND_PCM_FMT_S32, SAMPLE_S32 },       { VIRTIO_SND_PCM_FMT_U32, SAMPLE_U32 },
        { VIRTIO_SND_PCM_FMT_FLOAT, SAMPLE_FLOAT },
};

/* 0: not offered. */
static const uint32_t rates[] = {
        [VIRTIO_SND_PCM_RATE_8000] = 8000,   [VIRTIO_SND_PCM_RATE_11025] = 11025,   [VIRTIO_SND_PCM_RATE_16000] = 16000,
        [VIRTIO_SND_PCM_RATE_22050] = 22050, [VIRTIO_SND_PCM_RATE_32000] = 32000,   [VIRTIO_SND_PCM_RATE_44100] = 44100,
        [VIRTIO_SND_PCM_RATE_48000] = 48000, [VIRTIO_SND_PCM_RATE_64000] = 64000,   [VIRTIO_SND_PCM_RATE_88200] = 88200,
        [VIRTIO_SND_PCM_RATE_96000] = 96000, [VIRTIO_SND_PCM_RATE_176400] = 176400,
        [VIRTIO_SND_PCM_RATE_192000] = 192000,
        [SOUND_RATE_12000] = 12000,          [SOUND_RATE_24000] = 24000,
};

#define OFFERED_FEATURES (1U << VIRTIO_SND_PCM_F_EVT_XRUNS)

uint64_t stream_formats(void)
{
        uint64_t bits = 0;

        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                bits |= UINT64_C(1) << formats[i].virtio;
        return bits;
}

uint64_t stream_rates(void)
{
        uint64_t bits = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
                if (rates[i] > 0)
                        bits |= UINT64_C(1) << i;
        return bits;
}

/* At least two, which are mixed down to one loudspeaker: drivers of one channel only are few. */
uint32_t stream_channels_max(const struct sound *s) { return MAX(2U, speakers_channels(s->speakers)); }

static int find_format(uint8_t virtio, enum sample_format *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                if (formats[i].virtio == virtio) {
                        *ret = formats[i].sample;
                        return 0;
                }
        }
        return -ENOENT;
}

/* Return: VIRTIO_SND_S_OK with format and frame_bytes filled. */
static uint32_t check_params(const struct stream *st, const struct sound_saved_stream *p, struct voice_format *format,
                             uint32_t *frame_bytes)
{
        if (p->buffer_bytes == 0 || p->period_bytes == 0 || p->buffer_bytes % p->period_bytes != 0)
                return VIRTIO_SND_S_BAD_MSG;
        if (p->n_channels < 1 || p->n_channels > stream_channels_max(st->sound) || p->rate >= ARRAY_SIZE(rates) ||
            rates[p->rate] == 0 || find_format(p->format, &format->sample) < 0 || p->features & ~OFFERED_FEATURES ||
            p->buffer_bytes > SOUND_BUFFER_BYTES_MAX)
                return VIRTIO_SND_S_NOT_SUPP;
        format->rate_hz = rates[p->rate];
        format->n_channels = p->n_channels;
        *frame_bytes = (uint32_t) sample_bytes(format->sample) * p->n_channels;
        return p->period_bytes % *frame_bytes == 0 ? VIRTIO_SND_S_OK : VIRTIO_SND_S_BAD_MSG;
}

static void set_state(struct stream *st, enum stream_state state)
{
        if ((st->state == STREAM_STARTED) != (state == STREAM_STARTED)) {
                if (state == STREAM_STARTED)
                        atomic_fetch_add(&st->sound->n_running, 1);
                else
                        atomic_fetch_sub(&st->sound->n_running, 1);
        }
        st->state = state;
        stream_save(st);
}

void stream_save(const struct stream *st)
{
        struct sound_saved_stream *saved = &st->sound->saved->streams[st->id];

        if (!st->sound->known)
                return;
        /* A server that is killed in here leaves a stream whose driver has to begin anew, rather than a mixture. */
        *(volatile uint32_t *) &saved->state = STREAM_NEW;
        saved->buffer_bytes = st->params.buffer_bytes;
        saved->period_bytes = st->params.period_bytes;
        saved->features = st->params.features;
        saved->n_channels = st->params.n_channels;
        saved->format = st->params.format;
        saved->rate = st->params.rate;
        saved->muted = st->params.muted;
        saved->volume = st->params.volume;
        atomic_signal_fence(memory_order_seq_cst);
        *(volatile uint32_t *) &saved->state = st->state;
}

/* Parameters that were accepted: frames can come. Return: 0 or a negative errno. */
static int open_voice(struct stream *st)
{
        uint32_t n_frames = MIN(st->params.buffer_bytes / st->frame_bytes, (uint32_t) VOICE_FRAMES_MAX);

        return voice_open(st->voice, &st->format, n_frames);
}

void stream_restore(struct stream *st, const struct sound_saved_stream *saved)
{
        st->params.volume = MIN(saved->volume, (uint32_t) VOLUME_MAX);
        st->params.muted = saved->muted != 0;
        stream_set_volume(st);
        if (saved->state < STREAM_SET || saved->state > STREAM_STOPPED ||
            check_params(st, saved, &st->format, &st->frame_bytes) != VIRTIO_SND_S_OK)
                return;
        st->params = *saved;
        st->params.volume = MIN(saved->volume, (uint32_t) VOLUME_MAX);
        st->params.muted = saved->muted != 0;
        if (saved->state >= STREAM_PREPARED && open_voice(st) < 0)
                return;
        if (saved->state == STREAM_STARTED)
                voice_start(st->voice);
        set_state(st, (enum stream_state) saved->state);
}

void stream_reset(struct stream *st)
{
        bool known = st->sound->known;

        voice_close(st->voice);
        st->sound->known = false; /* what is saved is for a driver that comes back */
        set_state(st, STREAM_NEW);
        st->sound->known = known;
        st->params = (struct sound_saved_stream) { .volume = VOLUME_MAX };
        stream_set_volume(st);
}

void stream_set_volume(struct stream *st)
{
        double db_less = HALF_DECIBEL * (VOLUME_MAX - (int) st->params.volume);

        voice_set_volume(st->voice, st->params.muted || st->params.volume == 0 ? 0.0 :
                                    st->params.volume == VOLUME_MAX ? 1.0 : gain_from_db(db_less));
}

/* ---- requests ---- */

static uint32_t set_params(struct stream *st, const struct chain *c)
{
        struct virtio_snd_pcm_set_params request;
        struct sound_saved_stream p = st->params;
        struct voice_format format;
        uint32_t frame_bytes, r;

        if (chain_read(c, 0, &request, sizeof(request)) < sizeof(request) || st->state >= STREAM_STARTED)
                return VIRTIO_SND_S_BAD_MSG;
        p.buffer_bytes = le32toh(request.buffer_bytes);
        p.period_bytes = le32toh(request.period_bytes);
        p.features = le32toh(request.features);
        p.n_channels = request.channels;
        p.format = request.format;
        p.rate = request.rate;
        r = check_params(st, &p, &format, &frame_bytes);
        if (r != VIRTIO_SND_S_OK)
                return r;
        voice_close(st->voice);
        transfer_give_back(st);
        st->params = p;
        st->format = format;
        st->frame_bytes = frame_bytes;
        set_state(st, STREAM_SET);
        return VIRTIO_SND_S_OK;
}

static uint32_t prepare(struct stream *st)
{
        if (st->state == STREAM_PREPARED)
                return VIRTIO_SND_S_OK;
        if (st->state != STREAM_SET)
                return VIRTIO_SND_S_BAD_MSG;
        if (open_voice(st) < 0)
                return VIRTIO_SND_S_IO_ERR;
        set_state(st, STREAM_PREPARED);
        return VIRTIO_SND_S_OK;
}

static uint32_t start(struct stream *st)
{
        if (st->state != STREAM_PREPARED && st->state != STREAM_STOPPED)
                return VIRTIO_SND_S_BAD_MSG;
        /* What the driver queued before is in the ring before the first period. */
        queue_kick(&st->sound->dev.queues[st->capture ? VIRTIO_SND_VQ_RX : VIRTIO_SND_VQ_TX]);
        set_state(st, STREAM_STARTED);
        voice_start(st->voice);
        transfer_move(st);
        return VIRTIO_SND_S_OK;
}

static uint32_t stop(struct stream *st)
{
        if (st->state != STREAM_STARTED)
                return VIRTIO_SND_S_BAD_MSG;
        voice_stop(st->voice);
        set_state(st, STREAM_STOPPED);
        /* Nothing wakes us for this stream any more: its driver has to kick again. */
        queue_kick(&st->sound->dev.queues[st->capture ? VIRTIO_SND_VQ_RX : VIRTIO_SND_VQ_TX]);
        return VIRTIO_SND_S_OK;
}

/* 5.14.6.6.5.1: all its transfers are completed first, also those that were not popped yet. */
static uint32_t release(struct stream *st)
{
        if (st->state != STREAM_PREPARED && st->state != STREAM_STOPPED)
                return VIRTIO_SND_S_BAD_MSG;
        queue_kick(&st->sound->dev.queues[st->capture ? VIRTIO_SND_VQ_RX : VIRTIO_SND_VQ_TX]);
        voice_close(st->voice);
        transfer_give_back(st);
        set_state(st, STREAM_SET);
        return VIRTIO_SND_S_OK;
}

uint32_t stream_request(struct sound *s, const struct chain *c, uint32_t code)
{
        struct virtio_snd_pcm_hdr head;
        struct stream *st;

        if (chain_read(c, 0, &head, sizeof(head)) < sizeof(head) || le32toh(head.stream_id) >= s->n_streams)
                return VIRTIO_SND_S_BAD_MSG;
        st = &s->streams[le32toh(head.stream_id)];
        switch (code) {
        case VIRTIO_SND_R_PCM_SET_PARAMS:
                return set_params(st, c);
        case VIRTIO_SND_R_PCM_PREPARE:
                return prepare(st);
        case VIRTIO_SND_R_PCM_RELEASE:
                return release(st);
        case VIRTIO_SND_R_PCM_START:
                return start(st);
        default:
                return stop(st);
        }
}
