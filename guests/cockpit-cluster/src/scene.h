/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The cluster's picture: which part is where, and how each is brought up to date. The panel of tell-tales has a screen
 * of its own, which the host puts in the other's lower middle: so the host sees by itself whether the panel is looked
 * after.
 */
#pragma once

#include <stdbool.h>

#include "dial.h"
#include "drive.h"
#include "kms.h"

struct scene {
        struct kms *kms, *panel; /* borrowed */
        cairo_t *cr, *panel_cr;
        cairo_surface_t *dark, *lit;
        struct dial speed, engine;
        struct car shown; /* lamps as on the screen */
        double way_m;     /* driven, for the road's marks */
        bool is_frozen;   /* the panel of tell-tales is not drawn any more: the fault that the guard is for */
};

/* Draws everything once and shows it. */
void scene_init(struct scene *scene, struct kms *kms, struct kms *panel);

/* Brings the picture up to date: @car, @passed_s after the last time. */
void scene_update(struct scene *scene, const struct car *car, double passed_s);
