/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where mixed sound goes, and where recorded sound comes from: one file each.
 *
 *   null      nowhere, and silence         wav       a file, and silence
 *   loopback  what is played is recorded   alsa, pipewire   the host's sound system (if the build has it)
 *
 * A backend is opened on the main thread before lock-down and then belongs to the mixing thread of its speakers.
 * Without a run() the speakers' own clock drives it, a period at a time; one with a clock of its own calls
 * speakers_mix() from run().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_call;
struct scene_speakers;
struct sound_backend;
struct speakers;

struct sound_backend_ops {
        const char *name;
        struct sound_backend *(*free)(struct sound_backend *b); /* NULL ok; returns NULL */

        /* optional */
        void (*write)(struct sound_backend *b, const double *frames, size_t n); /* NULL: forgets */
        void (*read)(struct sound_backend *b, double *frames, size_t n);        /* after write(); NULL: silence */
        void (*run)(struct sound_backend *b, struct speakers *s); /* until speakers_stopping() */
        void (*interrupt)(struct sound_backend *b); /* ends run()'s wait; any thread */
};

struct sound_backend {
        const struct sound_backend_ops *ops;
        uint32_t rate_hz, n_channels;
        size_t n_period;      /* frames */
        bool idles;           /* its time need not pass while nobody plays or records */
        int error;            /* why it no longer works: logged once by the speakers */
};

/**
 * sound_backend_open() - by what the system file says
 *
 * May choose a rate or a number of channels that the sound system insists on: see the fields.
 *
 * Return: 0; -EOPNOTSUPP if this build lacks its library; a negative errno.
 */
int sound_backend_open(const struct scene_speakers *scene, struct sound_backend **ret);

/* Each kind's. Return: as sound_backend_open(). */
int sound_null_open(const struct scene_speakers *scene, struct sound_backend **ret);
int sound_loopback_open(const struct scene_speakers *scene, struct sound_backend **ret);
int sound_wav_open(const struct scene_speakers *scene, struct sound_backend **ret);
int sound_alsa_open(const struct scene_speakers *scene, struct sound_backend **ret);
int sound_pipewire_open(const struct scene_speakers *scene, struct sound_backend **ret);
