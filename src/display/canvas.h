/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a screen is composed on. An output may keep a reference to a frame for as long as its peer needs to take it, and composition
 * may neither wait for that nor draw into it; so it goes on on another canvas:
 *
 *      canvas_begin()  the current one, or, if somebody holds it, a free one, which lacks what was drawn since it was current
 *      ... draw ...    the frame's damage, wholly
 *      canvas_end()    of what it lacked, what was not drawn anyway is copied from the one that is held
 *
 * So while all changes in each frame, nothing is copied at all; and nobody holds anything while nobody looks. There are as many
 * canvases as were ever held at once, and one more.
 *
 * The screen's loop; references are given back on any thread.
 */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture;

#define CANVASES_MAX 16

struct canvas {
        struct picture *picture; /* a reference */
        pixman_image_t *image;   /* owned */
        pixman_region32_t stale; /* unlike the current one */
};

struct canvas_set {
        struct canvas all[CANVASES_MAX];
        size_t n, current;
        size_t before;           /* the current one before canvas_begin() */
};

/* All zero. Return: 0 or a negative errno. */
int canvas_set_init(struct canvas_set *set, uint32_t width, uint32_t height);
void canvas_set_deinit(struct canvas_set *set); /* zeroed ones, too */

/* Return: false: all are held, and there is no memory for another. */
bool canvas_begin(struct canvas_set *set);
void canvas_end(struct canvas_set *set, const pixman_region32_t *damage);

static inline struct canvas *canvas_current(struct canvas_set *set)
{
        return &set->all[set->current];
}
