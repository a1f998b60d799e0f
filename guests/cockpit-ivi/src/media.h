/* SPDX-License-Identifier: MPL-2.0 */
/* The media card below the map: what plays, how far it is, buttons, and bars that follow the notes. */
#pragma once

#include <cairo.h>

#include "player.h"

enum media_button { MEDIA_BACK, MEDIA_PLAY, MEDIA_FORWARD, N_MEDIA_BUTTONS };

struct media {
        int x, y, width, height;
        cairo_surface_t *ground; /* what stays, the card's size */
};

void media_init(struct media *media, int x, int y, int width, int height);

/* Draws the card as far as the clip of @cr reaches. @pressed: the button that a finger is on, or -1. */
void media_draw(const struct media *media, cairo_t *cr, const struct player_state *state, int pressed);

/* The button at a place of the screen, or -1. */
int media_button_at(const struct media *media, double x, double y);

/* The part that changes while music plays. */
extern const cairo_rectangle_int_t media_lively;
