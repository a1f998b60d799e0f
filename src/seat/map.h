/* SPDX-License-Identifier: MPL-2.0 */
/* Geometry: which display is at a place of a screen, and which pixel of its guest's picture. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scene;
struct scene_display;

struct seat_place {
        uint32_t x, y; /* pixels */
};

#define SEAT_NO_DISPLAY SIZE_MAX

/* The display in front at a pixel of a screen. Return: its index; SEAT_NO_DISPLAY: only background is there. */
size_t seat_display_at(const struct scene *scene, size_t screen, struct seat_place at);

/**
 * seat_map() - from a pixel of the screen to one of a guest's picture
 * @at: anywhere on the screen; outside of the picture the nearest pixel is taken
 *
 * The picture is taken to be of the size that the guest was told (scene_display.width and height).
 *
 * Return: true if the picture is shown at that place.
 */
bool seat_map(const struct scene_display *display, struct seat_place at, struct seat_place *ret);
