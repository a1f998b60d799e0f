/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A view: one display of the scene as its guest's device sees it, and the only thing of composition that a device
 * sees. What is told here takes effect with the screen's next frame; nothing waits.
 *
 * Threads: any one thread at a time a view, the one that writes the surfaces that it shows; apart from composition,
 * which runs on the screen's loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rectangle.h"

struct picture;
struct surface;
struct view;

struct view_mode {
        uint32_t width, height; /* pixels that the guest should draw */
        uint32_t rate_hz;
};

/**
 * view_show() - what the guest scans out from now on
 * @s:      a reference is taken, and it is settled; NULL: nothing, the fallback is shown
 * @source: the part of the surface; lies within it (checked by the caller)
 *
 * All of the view counts as damaged. Return: 0 or -ENOMEM (nothing changed).
 */
int view_show(struct view *v, struct surface *s, const struct rectangle *source);

/*
 * Pixels of the shown surface, which is settled by this, changed, or the guest says again that they are right. In the
 * surface's coordinates; cut to the source. Whatever else was written there before is shown, too.
 */
void view_flush(struct view *v, const struct rectangle *r);

/* The cursor's picture (a reference is taken, it does not change any more; NULL: none) and its hot spot.
   Return: 0 or -ENOMEM. */
int view_set_cursor(struct view *v, struct picture *p, uint32_t hot_x, uint32_t hot_y);

/* The hot spot's place in the coordinates of the scanout, in two's complement:
   it may lie to the left of it, or above. */
void view_move_cursor(struct view *v, uint32_t x, uint32_t y);

struct view_mode view_get_mode(struct view *v);

/*
 * Be told, on the screen's loop, that view_get_mode() changed. NULL ends it: a call that runs is waited for, so not
 * from within it.
 */
void view_on_mode(struct view *v, void (*changed)(void *data), void *data);

/* Name of the display, for logs. Borrowed from the scene. */
const char *view_name(const struct view *v);
