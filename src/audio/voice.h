/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One stream of one guest on some speakers: a ring of frames between the guest's thread and the mixing thread.
 *
 *      guest's thread                                        mixing thread
 *      voice_write(): decode, map channels, resample ─► ring ─► × gain ─► sum           playing
 *      voice_read():  resample, map, encode ◄────────── ring ◄─ what the backend heard  recording
 *
 * All work that depends on the guest's parameters is done on the guest's own thread. The mixing thread never waits: a
 * voice whose parameters are being changed just then is not heard in that period. A ring that runs dry is silence, in
 * this voice alone.
 *
 * Positions count frames at the speakers' rate since voice_open().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audio/format.h"
#include "scene/scene.h"

struct speakers;
struct voice;

struct voice_options {
        bool capture;
        int priority;
        enum scene_over over;
        uint32_t duck_db;
        int wake_fd; /* borrowed eventfd: see voice_wake_at() */
};

struct voice_format {
        enum sample_format sample;
        uint32_t rate_hz;    /* 5512 to 384000 */
        uint32_t n_channels; /* 1 to CHANNELS_MAX */
};

#define VOICE_FRAMES_MAX 262144 /* of a buffer */

/* On the main thread, before speakers_start(). Return: 0; -ENOSPC if the speakers have too many; -ENOMEM. */
int voice_new(struct speakers *s, const struct voice_options *options, struct voice **ret);
/* Also while others are mixed. NULL ok; returns NULL. */
struct voice *voice_free(struct voice *v);

/* The others: on the guest's thread. */

/**
 * voice_open() - get ready for frames of this kind
 * @n_buffer: frames, up to VOICE_FRAMES_MAX, that fit in at least, or a second of them if that is less
 *
 * What was in the ring is dropped; it is not running.
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int voice_open(struct voice *v, const struct voice_format *f, uint32_t n_buffer);
void voice_close(struct voice *v); /* idempotent */

void voice_start(struct voice *v);
/* When it returns no more frames are taken or added. Idempotent. */
void voice_stop(struct voice *v);
/* Drops what is in the ring, as voice_open() does. */
void voice_drop(struct voice *v);

/* Return: how many of the @n frames were taken; the rest when there is room again. */
size_t voice_write(struct voice *v, const void *frames, size_t n);
/* Return: how many frames were filled. */
size_t voice_read(struct voice *v, void *frames, size_t n);

/* How many frames the ring must have so that so many of the guest's can be read; at least 1. */
uint64_t voice_frames_for(const struct voice *v, uint64_t n_guest);

uint64_t voice_written(const struct voice *v);
uint64_t voice_played(const struct voice *v);

/**
 * voice_wake_at() - have wake_fd signalled once when so much was played, or recorded
 *
 * Return: false if it is so already: nothing will be signalled.
 */
bool voice_wake_at(struct voice *v, uint64_t position);

/* How long after now the frame at @position, which was played, is heard: in frames of the guest's rate. For recording:
   how long ago the next frame was heard. */
uint64_t voice_latency(const struct voice *v, uint64_t position);

/* True once after each time that the ring ran dry (recording: over) and frames came again. */
bool voice_take_xrun(struct voice *v);
uint64_t voice_n_xruns(const struct voice *v);

/* 1: as it is; moves there in a few milliseconds. */
void voice_set_volume(struct voice *v, double gain);
