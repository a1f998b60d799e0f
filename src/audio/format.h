/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Samples as guests and host sound systems have them, to and from the mixer's own.
 *
 * The mixer's are doubles, full scale -1 to 1, interleaved: every sample of up to 32 bits and every float has an exact
 * value there, so that what plays alone at unity gain comes out bit for bit as it went in, without a second path for
 * that case.
 *
 * All are little-endian, as are the machines that Busbar runs on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum sample_format {
        SAMPLE_S8,
        SAMPLE_U8,
        SAMPLE_S16,
        SAMPLE_U16,
        SAMPLE_S24_3, /* 3 bytes */
        SAMPLE_S24,   /* the lower 3 of 4 bytes; the fourth is ignored */
        SAMPLE_S32,
        SAMPLE_U32,
        SAMPLE_FLOAT,
        SAMPLE_FLOAT64,
        N_SAMPLE_FORMATS,
};

size_t sample_bytes(enum sample_format f);

/**
 * samples_decode() - to the mixer's
 * @in: need not be aligned
 *
 * Floats beyond full scale are cut, those that are no number are silence: a guest must not be able to drown the others'
 * samples in a sum.
 */
void samples_decode(enum sample_format f, const void *in, double *out, size_t n);

/* Back: rounded to the nearest, cut at full scale. */
void samples_encode(enum sample_format f, const double *in, void *out, size_t n);

/**
 * frames_map() - frames of so many channels to frames of so many others
 *
 * Channels are in the order of channel_positions(). One channel goes to the front ones left and right, or is the mean
 * of them; otherwise each goes to its own place, those that the target lacks are left out, and those that the source
 * lacks are silent.
 */
void frames_map(const double *in, uint32_t n_in, double *out, uint32_t n_out, size_t n_frames);

#define CHANNELS_MAX 8

/* As VIRTIO_SND_CHMAP_*: of @n_channels, 1 to CHANNELS_MAX. */
const uint8_t *channel_positions(uint32_t n_channels);
