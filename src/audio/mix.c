/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/mix.h"

#include <math.h>

#include "base/macros.h"

void gain_set(struct gain *g, double value)
{
        *g = (struct gain) { .now = value, .target = value };
}

void gain_move(struct gain *g, double target, size_t n_frames)
{
        if (g->target == target)
                return;
        g->target = target;
        g->n_left = n_frames;
        g->step = n_frames > 0 ? (target - g->now) / (double) n_frames : 0.0;
        if (n_frames == 0)
                g->now = target;
}

static void advance(struct gain *g, size_t n)
{
        g->n_left -= n;
        /* Exactly there at the end, whatever the steps were rounded to. */
        g->now = g->n_left == 0 ? g->target : g->now + g->step * (double) n;
}

void mix_add(double *sum, const double *in, size_t n_frames, uint32_t n_channels, struct gain *g)
{
        size_t n_moving = MIN(n_frames, g->n_left);
        double gain = g->now;

        for (size_t i = 0; i < n_moving; i++) {
                gain += g->step;
                for (uint32_t c = 0; c < n_channels; c++)
                        *sum++ += *in++ * gain;
        }
        advance(g, n_moving);
        gain = g->now;
        if (gain == 0.0)
                return;
        for (size_t i = 0; i < (n_frames - n_moving) * n_channels; i++)
                sum[i] += in[i] * gain;
}

double gain_from_db(double db_less) { return pow(10.0, -db_less / 20.0); }
