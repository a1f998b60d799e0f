/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Control elements (5.14.6.10): of each stream a volume, in half decibels, and a switch which is 1 while it is heard,
 * as ALSA has them. Element 2 i is the volume of stream i, 2 i + 1 its switch.
 */
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "device/sound/sound-private.h"

static bool is_switch(uint32_t id) { return id % 2 == 1; }

static void make_element(struct sound *s, uint32_t id, void *item)
{
        const struct stream *st = &s->streams[id / 2];
        struct sound_ctl_info *info = item;

        info->role = htole32((is_switch(id) ? SOUND_ROLE_MUTE : SOUND_ROLE_VOLUME) << 1 |
                             (st->capture ? VIRTIO_SND_D_INPUT : VIRTIO_SND_D_OUTPUT));
        info->type = htole32(is_switch(id) ? SOUND_CTL_BOOLEAN : SOUND_CTL_INTEGER);
        info->access = htole32(SOUND_ACCESS_READ | SOUND_ACCESS_WRITE | (is_switch(id) ? 0 : SOUND_ACCESS_TLV_READ));
        info->count = htole32(1);
        info->index = htole32(st->capture ? st->id - s->n_outputs : st->id);
        (void) snprintf((char *) info->name, sizeof(info->name), "%s %s", st->capture ? "Capture" : "PCM Playback",
                        is_switch(id) ? "Switch" : "Volume");
        info->value.integer.max = htole32(is_switch(id) ? 1 : VOLUME_MAX);
        info->value.integer.step = htole32(1);
}

static uint32_t read_value(const struct stream *st, uint32_t id, const struct chain *c, uint32_t *n_more)
{
        uint8_t value[SOUND_CTL_VALUE_BYTES] = { 0 };
        uint32_t v = htole32(is_switch(id) ? !st->params.muted : st->params.volume);
        size_t n = MIN((size_t) c->n_write_bytes - sizeof(struct virtio_snd_hdr), sizeof(value));

        if (n < sizeof(v))
                return VIRTIO_SND_S_BAD_MSG;
        memcpy(value, &v, sizeof(v));
        *n_more = (uint32_t) chain_write(c, sizeof(struct virtio_snd_hdr), value, n);
        return VIRTIO_SND_S_OK;
}

static uint32_t write_value(struct stream *st, uint32_t id, const struct chain *c)
{
        uint32_t v;

        if (chain_read(c, sizeof(struct sound_ctl_hdr), &v, sizeof(v)) < sizeof(v))
                return VIRTIO_SND_S_BAD_MSG;
        v = le32toh(v);
        if (v > (is_switch(id) ? 1U : (uint32_t) VOLUME_MAX))
                return VIRTIO_SND_S_BAD_MSG;
        if (is_switch(id))
                st->params.muted = v == 0;
        else
                st->params.volume = v;
        stream_set_volume(st);
        stream_save(st);
        return VIRTIO_SND_S_OK;
}

/* As much as there is room for. */
static uint32_t read_tlv(uint32_t id, const struct chain *c, uint32_t *n_more)
{
        struct sound_tlv_db_scale tlv = {
                .type = htole32(SOUND_TLV_DB_SCALE),
                .length_bytes = htole32(2 * sizeof(uint32_t)),
                .min_centibels = (int32_t) htole32((uint32_t) (-50 * VOLUME_MAX)),
                .step_and_mute = htole32(50 | SOUND_TLV_MUTE),
        };

        if (is_switch(id))
                return VIRTIO_SND_S_NOT_SUPP;
        *n_more = (uint32_t) chain_write(c, sizeof(struct virtio_snd_hdr), &tlv, sizeof(tlv));
        return VIRTIO_SND_S_OK;
}

uint32_t element_request(struct sound *s, const struct chain *c, uint32_t code, uint32_t *n_more)
{
        struct sound_ctl_hdr head;
        struct stream *st;
        uint32_t id;

        if (code == SOUND_R_CTL_INFO)
                return items_request(s, c, 2 * s->n_streams, sizeof(struct sound_ctl_info), make_element, n_more);
        if (chain_read(c, 0, &head, sizeof(head)) < sizeof(head) || le32toh(head.control_id) >= 2 * s->n_streams)
                return VIRTIO_SND_S_BAD_MSG;
        id = le32toh(head.control_id);
        st = &s->streams[id / 2];
        switch (code) {
        case SOUND_R_CTL_READ:
                return read_value(st, id, c, n_more);
        case SOUND_R_CTL_WRITE:
                return write_value(st, id, c);
        case SOUND_R_CTL_TLV_READ:
                return read_tlv(id, c, n_more);
        default: /* none is an enumeration, or has metadata to write */
                return VIRTIO_SND_S_NOT_SUPP;
        }
}
