/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sound card for a guest: streams that are voices (audio/voice.h) on speakers which it may share. Spec: VIRTIO 1.4,
 * 5.14.
 *
 * Each stream to play is a PCM substream; they, and one to record if the guest may, are one PCM device. There is a jack
 * for each direction, always plugged, and on request volume and mute for each stream.
 *
 * Threads: as of a device (virtio/device.h), but all queues of one card run on the same loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "audio/voice.h"

struct device;
struct loop;
struct speakers;

#define SOUND_OUTPUTS_MAX 8
#define SOUND_STREAMS_MAX (SOUND_OUTPUTS_MAX + 1)

/* What outlives a server that was killed, in memory that its successor gets, too:
   as much as a driver told and would not tell again. */
struct sound_saved {
        uint32_t magic; /* SOUND_SAVED_MAGIC: the rest is valid */
        uint32_t n_streams;
        struct sound_saved_stream {
                uint32_t state; /* enum stream_state, written last */
                uint32_t buffer_bytes, period_bytes, features;
                uint8_t n_channels, format, rate, muted;
                uint32_t volume;
        } streams[SOUND_STREAMS_MAX];
};
#define SOUND_SAVED_MAGIC 0x444e5331u

struct sound_options {
        int priority; /* of all its streams */
        enum scene_over over;
        uint32_t duck_db;
        uint32_t n_outputs; /* 1 to SOUND_OUTPUTS_MAX */
        bool capture;
        bool controls;
        struct sound_saved *saved; /* borrowed; NULL: nothing outlives the process */
};

/**
 * sound_new() - a sound card on some speakers
 * @speakers: borrowed; not started yet
 *
 * Return: 0 and *ret owned by the caller (device_free()); -ENOSPC if the speakers have too many voices; -ENOMEM;
 * -EINVAL.
 */
int sound_new(struct loop *loop, const char *name, struct speakers *speakers, const struct sound_options *options,
              struct device **ret);

struct sound_stats {
        uint64_t n_xruns;
        uint32_t n_running; /* streams */
};

/* Any thread. */
void sound_get_stats(const struct device *dev, struct sound_stats *ret);
