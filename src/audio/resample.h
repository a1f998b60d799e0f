/* SPDX-License-Identifier: MPL-2.0 */
/* Frames of one rate to frames of another, in a stream; by libsamplerate. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct resampler;

/* Return: 0; -EINVAL for rates that are more than a factor of 256 apart; -ENOMEM. */
int resampler_new(uint32_t rate_in, uint32_t rate_out, uint32_t n_channels, struct resampler **ret);
struct resampler *resampler_free(struct resampler *r);

/**
 * resampler_run() - turn some frames into others
 * @n_in: in: frames at @in; out: how many of them were taken
 * @n_out: in: room at @out; out: how many were filled
 *
 * Some frames stay inside: the filter looks about 50 of the slower rate ahead.
 */
void resampler_run(struct resampler *r, const double *in, size_t *n_in, double *out, size_t *n_out);

/* Forgets what is inside. */
void resampler_reset(struct resampler *r);
