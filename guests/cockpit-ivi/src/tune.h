/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The music: a tune of our own that is made as it is played, with whole numbers only, since those cost an emulated CPU
 * a tenth of what floating point does. It repeats after 16 bars.
 */
#pragma once

#include <stdint.h>

#define TUNE_RATE_HZ 48000
#define TUNE_BANDS 16

struct tune;

struct tune *tune_new(void);

/* The next frames of two channels. */
void tune_play(struct tune *tune, int16_t (*frames)[2], unsigned n_frames);

/* Frames of one round, and where in it the next frame is. */
uint32_t tune_length(void);
uint32_t tune_position(const struct tune *tune);
void tune_seek(struct tune *tune, uint32_t frame);

/* How loud it is just now from low to high notes, 0 to 255. */
void tune_bands(const struct tune *tune, uint8_t bands[TUNE_BANDS]);
