/* SPDX-License-Identifier: MPL-2.0 */
/* What VIRTIO 1.4, 5.14, adds to <linux/virtio_snd.h> as Debian 12 has it: control elements, two rates, one field. */
#pragma once

#include <assert.h>
#include <endian.h>
#include <stdint.h>

#include <linux/virtio_snd.h>

#define SOUND_FEATURE_CTLS 0 /* VIRTIO_SND_F_CTLS */

struct sound_config {
        uint32_t jacks, streams, chmaps, controls;
};

enum {
        SOUND_R_CTL_INFO = 0x0300,
        SOUND_R_CTL_ENUM_ITEMS,
        SOUND_R_CTL_READ,
        SOUND_R_CTL_WRITE,
        SOUND_R_CTL_TLV_READ,
        SOUND_R_CTL_TLV_WRITE,
        SOUND_R_CTL_TLV_COMMAND,
};

enum { SOUND_RATE_12000 = 14, SOUND_RATE_24000 = 15 };

enum { SOUND_ROLE_VOLUME = 1, SOUND_ROLE_MUTE = 2 };
enum { SOUND_CTL_BOOLEAN = 0, SOUND_CTL_INTEGER = 1 };
enum { SOUND_ACCESS_READ = 1 << 0, SOUND_ACCESS_WRITE = 1 << 1, SOUND_ACCESS_TLV_READ = 1 << 4 };

struct sound_ctl_hdr {
        uint32_t code, control_id;
};

struct sound_ctl_info {
        uint32_t hda_fn_nid;
        uint32_t role, type, access, count, index;
        uint8_t name[44];
        uint32_t padding; /* as drivers have it: what follows may be 64-bit numbers */
        union {
                struct {
                        uint32_t min, max, step;
                } integer;
                uint64_t integer64[3];
        } value;
};
static_assert(sizeof(struct sound_ctl_info) == 96, "as drivers have it");

#define SOUND_CTL_VALUE_BYTES 512

/* ALSA's: SNDRV_CTL_TLVT_DB_SCALE, lowest value and step in 0.01 dB; the lowest is silence. */
struct sound_tlv_db_scale {
        uint32_t type, length_bytes;
        int32_t min_centibels;
        uint32_t step_and_mute;
};
#define SOUND_TLV_DB_SCALE 1
#define SOUND_TLV_MUTE 0x10000
