/* SPDX-License-Identifier: MPL-2.0 */
/* The cluster's picture: which part is where, and what each costs to bring up to date. */
#pragma once

#include <stdbool.h>

#include "dial.h"
#include "drive.h"
#include "kms.h"

struct scene {
        struct kms *kms;
        cairo_t *cr;
        cairo_surface_t *dark, *lit;
        struct dial speed, engine;
        struct car shown; /* lamps as on the screen */
        double way_m;     /* driven, for the road's marks */
        bool is_frozen;   /* the panel of tell-tales is not drawn any more: the fault that the guard is for */
};

/* Draws everything once and shows it. */
void scene_init(struct scene *scene, struct kms *kms);

/* Brings the picture up to date: @car, @passed_s after the last time. */
void scene_update(struct scene *scene, const struct car *car, double passed_s);
