/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Tell-tales: the panel of warning lamps, which the host guards, and the arrows and the beam beside it, which it does
 * not. A lamp that is off is still faintly there, as behind dark glass.
 */
#pragma once

#include <cairo.h>

#include "drive.h"

/* The panel, which is a screen of its own; see examples/cockpit/system.json for its place. */
#define PANEL_WIDTH 384
#define PANEL_HEIGHT 80

/* Draws the panel, from the top left corner, with the lamps of @car. */
void telltale_draw_panel(cairo_t *cr, const struct car *car);

/* The arrows' and the beam's places, and one of them as it is in @car. */
extern const cairo_rectangle_int_t telltale_places[3];
void telltale_draw_place(cairo_t *cr, int place, const struct car *car);
