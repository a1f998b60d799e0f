/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A round gauge: a scale, a ring that is lit up to the value, and a needle. The scale without light and with all of it
 * are drawn once; a frame copies from both and draws the needle, within the little that the needle moved over.
 */
#pragma once

#include <cairo.h>

struct dial_style {
        double x, y, radius; /* on the screen, pixels */
        double least, most;  /* of the scale */
        double step;         /* from one number to the next */
        int marks;           /* marks from one number to the next */
        double number_scale; /* what the numbers are divided by */
        double red_from;     /* where the scale is red; beyond `most`: nowhere */
};

struct dial {
        const struct dial_style *style;
        double value;                /* as shown */
        cairo_surface_t *dark, *lit; /* the whole screen's, borrowed */
};

/* Draws the scale on both surfaces. */
void dial_init(struct dial *dial, const struct dial_style *style, cairo_surface_t *dark, cairo_surface_t *lit);

/**
 * dial_draw() - show another value
 * @cr:         on the screen's surface
 * @ret_damage: what has changed there
 */
void dial_draw(struct dial *dial, cairo_t *cr, double value, cairo_rectangle_int_t *ret_damage);
