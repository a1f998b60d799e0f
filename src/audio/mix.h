/* SPDX-License-Identifier: MPL-2.0 */
/* Sums of samples, with gains that move without a click. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How loud a voice is: moves in a straight line from where it is to where it should be. */
struct gain {
        double now, step; /* a frame */
        size_t n_left;    /* frames of the way; 0: there */
        double target;
};

/* At once. */
void gain_set(struct gain *g, double value);
/* Within so many frames from now. Does nothing if it is on its way there. */
void gain_move(struct gain *g, double target, size_t n_frames);

/* Adds @n frames of @in, times the gain, to @sum; the gain moves on. */
void mix_add(double *sum, const double *in, size_t n_frames, uint32_t n_channels, struct gain *g);

/* 20 dB: 0.1 */
double gain_from_db(double db_less);
