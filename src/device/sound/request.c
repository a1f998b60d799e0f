/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control queue. A request that is wrong is answered so; one that leaves no room for an answer breaks the queue.
 * Requests that ask for items (5.14.6.1) are the same for all kinds of items.
 */
#include <errno.h>
#include <string.h>

#include "audio/speakers.h"
#include "base/macros.h"
#include "device/sound/sound-private.h"

/* Of High Definition Audio, 7.3.3.31 and 7.3.4.9. */
#define JACK_LINE_OUT 0x01014010u
#define JACK_MICROPHONE 0x01a19020u
#define PIN_OUTPUT (1u << 4)
#define PIN_INPUT (1u << 5)

/* What a driver may believe the size of an item to be; all are smaller. */
#define ITEM_BYTES_MAX 1024
#define ITEM_BYTES_OURS 128

uint32_t items_request(struct sound *s, const struct chain *c, uint32_t n_items, size_t item_bytes,
                       void (*make)(struct sound *s, uint32_t i, void *item), uint32_t *n_more)
{
        struct virtio_snd_query_info query;
        uint32_t first, count, size;
        uint8_t item[ITEM_BYTES_OURS];

        if (chain_read(c, 0, &query, sizeof(query)) < sizeof(query))
                return VIRTIO_SND_S_BAD_MSG;
        first = le32toh(query.start_id);
        count = le32toh(query.count);
        size = le32toh(query.size);
        if (!range_fits(first, count, n_items) || size == 0 || size > ITEM_BYTES_MAX ||
            (uint64_t) count * size > c->n_write_bytes - sizeof(struct virtio_snd_hdr))
                return VIRTIO_SND_S_BAD_MSG;
        for (uint32_t i = 0; i < count; i++) {
                size_t at = sizeof(struct virtio_snd_hdr) + (size_t) i * size, n = MIN((size_t) size, item_bytes);

                memset(item, 0, sizeof(item));
                make(s, first + i, item);
                (void) chain_write(c, at, item, n);
                (void) chain_zero(c, at + n, size - n);
        }
        *n_more = count * size;
        return VIRTIO_SND_S_OK;
}

static void make_jack(struct sound *s, uint32_t i, void *item)
{
        struct virtio_snd_jack_info *info = item;

        info->hda_reg_defconf = htole32(i == 0 ? JACK_LINE_OUT : JACK_MICROPHONE);
        info->hda_reg_caps = htole32(i == 0 ? PIN_OUTPUT : PIN_INPUT);
        info->connected = 1;
}

static void make_stream(struct sound *s, uint32_t i, void *item)
{
        struct virtio_snd_pcm_info *info = item;

        info->features = htole32(1U << VIRTIO_SND_PCM_F_EVT_XRUNS);
        info->formats = htole64(stream_formats());
        info->rates = htole64(stream_rates());
        info->direction = s->streams[i].capture ? VIRTIO_SND_D_INPUT : VIRTIO_SND_D_OUTPUT;
        info->channels_min = 1;
        info->channels_max = (uint8_t) stream_channels_max(s);
}

static void make_chmap(struct sound *s, uint32_t i, void *item)
{
        struct virtio_snd_chmap_info *info = item;
        uint32_t n_maps = s->n_chmaps / s->n_jacks, n_channels = i % n_maps == 0 ? 1 : i % n_maps * 2;

        info->direction = i < n_maps ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT;
        info->channels = (uint8_t) n_channels;
        memcpy(info->positions, channel_positions(n_channels), n_channels);
}

/* No jack can be remapped. */
static uint32_t remap_jack(struct sound *s, const struct chain *c)
{
        struct virtio_snd_jack_remap request;

        if (chain_read(c, 0, &request, sizeof(request)) < sizeof(request) || le32toh(request.hdr.jack_id) >= s->n_jacks)
                return VIRTIO_SND_S_BAD_MSG;
        return VIRTIO_SND_S_NOT_SUPP;
}

static uint32_t dispatch(struct sound *s, const struct chain *c, uint32_t *n_more)
{
        struct virtio_snd_hdr head;
        uint32_t code;

        if (chain_read(c, 0, &head, sizeof(head)) < sizeof(head))
                return VIRTIO_SND_S_BAD_MSG;
        code = le32toh(head.code);
        switch (code) {
        case VIRTIO_SND_R_JACK_INFO:
                return items_request(s, c, s->n_jacks, sizeof(struct virtio_snd_jack_info), make_jack, n_more);
        case VIRTIO_SND_R_JACK_REMAP:
                return remap_jack(s, c);
        case VIRTIO_SND_R_PCM_INFO:
                return items_request(s, c, s->n_streams, sizeof(struct virtio_snd_pcm_info), make_stream, n_more);
        case VIRTIO_SND_R_PCM_SET_PARAMS:
        case VIRTIO_SND_R_PCM_PREPARE:
        case VIRTIO_SND_R_PCM_RELEASE:
        case VIRTIO_SND_R_PCM_START:
        case VIRTIO_SND_R_PCM_STOP:
                return stream_request(s, c, code);
        case VIRTIO_SND_R_CHMAP_INFO:
                return items_request(s, c, s->n_chmaps, sizeof(struct virtio_snd_chmap_info), make_chmap, n_more);
        default:
                if (code >= SOUND_R_CTL_INFO && code <= SOUND_R_CTL_TLV_COMMAND && sound_has_controls(s))
                        return element_request(s, c, code, n_more);
                return VIRTIO_SND_S_NOT_SUPP;
        }
}

int sound_handle_requests(struct sound *s, struct queue *q)
{
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                struct virtio_snd_hdr answer;
                struct iovec iov[16];
                uint32_t n_more = 0;

                if (chain.n_write_bytes < sizeof(answer))
                        return -EBADMSG;
                /* A release gives other chains of other queues back before it is answered: this one's pieces stay. */
                r = chain_own(&chain, iov, ARRAY_SIZE(iov));
                if (r < 0)
                        return r;
                answer.code = htole32(dispatch(s, &chain, &n_more));
                (void) chain_write(&chain, 0, &answer, sizeof(answer));
                queue_push(q, &chain, (uint32_t) sizeof(answer) + n_more);
                chain_drop(&chain, iov);
        }
        if (r < 0)
                return r;
        return queue_notify(q);
}
