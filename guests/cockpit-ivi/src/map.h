/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The map page: a town that is drawn once on a surface larger than the page, of which the page shows a part; the car on
 * its way; a destination that a touch sets. Coordinates are the page's unless "world" is said.
 */
#pragma once

#include <cairo.h>
#include <stdbool.h>

struct map {
        int width, height; /* of the page, which is at the screen's top left corner */
        cairo_surface_t *world;
        double left, top;                    /* of the page in the world */
        double car_x, car_y, car_angle, way; /* world; pixels driven */
        bool has_pin;
        double pin_x, pin_y; /* world */
};

void map_init(struct map *map, int width, int height);

/* Draws the page as far as the clip of @cr reaches. */
void map_draw(const struct map *map, cairo_t *cr);

/* Moves the car on; @ret_damage is what has to be drawn again. */
void map_drive(struct map *map, double seconds, cairo_rectangle_int_t *ret_damage);

/* Moves the page over the world, as far as there is any. */
void map_pan(struct map *map, double dx, double dy);

/* Sets the destination. */
void map_pin(struct map *map, double x, double y);
