/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A view from inside: what its guest told (view.c), and what composition has of it (view-compose.c).
 *
 *      guest's thread ── told, under the view's lock ──► view_compose() ─┬─► layer: the guest's picture as it is
 *                                                                        └─► canvas: what has to be drawn
 *
 * A picture of the canvas' layout that is not scaled is a layer of the screen's frames (frame.h): no pixel is touched.
 * Where the cursor is, and everything else, is drawn on the canvas.
 *
 * Views are opaque: what of a display's region is not the guest's picture is filled. So each pixel of the screen
 * belongs to one view, the one in front, and what lies behind is never drawn; `visible` is that part, and never
 * changes.
 *
 * Threads: `told` and `mode` belong to who holds `lock`, `drawn` to the screen's loop. Composition only tries the
 * lock: a guest's thread that was interrupted while it had it makes the view late, not the frame.
 */
#pragma once

#include <pixman.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "display/frame.h"
#include "display/placement.h"
#include "display/view.h"

struct canvas;
struct picture;
struct scene_display;
struct surface;

/* What a guest's thread says, and what it needs to say it. */
struct view_told {
        struct surface *surface;   /* a reference; NULL: nothing is shown */
        struct rectangle source;   /* of the surface */
        struct placement placement; /* of the source */
        bool is_shown;             /* surface or source are new */
        pixman_region32_t flushed; /* surface coordinates */
        uint32_t touched;          /* guards in whose region something was shown or flushed, one bit each */
        struct picture *cursor;    /* a reference; NULL: none */
        uint32_t hot_x, hot_y;
        uint32_t cursor_x, cursor_y; /* of the hot spot */
        bool is_cursor_new;        /* its picture, hot spot or place */
};

/* What composition has. */
struct view_drawn {
        struct surface *surface;   /* a reference: what is shown; NULL: the fallback */
        struct picture *picture;   /* held: what it looks like, or the fallback; NULL: colour only */
        bool is_picture_old;       /* it is to be held anew */
        struct rectangle source;   /* of the picture */
        struct placement placement; /* of the source, if there is a picture */
        struct frame_layer layer;  /* put out as it is; its picture NULL: nothing */
        struct picture *cursor;    /* a reference */
        pixman_image_t *cursor_image;
        int64_t cursor_x, cursor_y; /* top left corner, in the scanout */
        struct pixman_box32 cursor_box; /* where it is drawn; empty: nowhere */
        pixman_region32_t pending; /* of the screen: to be composed; may reach beyond `visible` */
        uint32_t touched;          /* guards whose region was touched and not composed yet */
        unsigned n_late;           /* frames in a row that went without this view; 0: the last one had it */
};

struct view {
        const struct scene_display *display; /* borrowed */
        int wake_fd;                         /* borrowed: eventfd of the screen */

        pthread_mutex_t lock;
        bool is_dirty; /* told differs from what composition has; the screen has been woken */
        struct view_told told;
        struct view_mode mode;

        pthread_mutex_t mode_lock; /* held while the callback runs */
        void (*mode_changed)(void *data);
        void *mode_data;

        /* Set by view_place(), then constant. */
        pixman_region32_t visible; /* of the screen: the region without what is in front */
        pixman_region32_t *guarded; /* owned: one a guard, the visible part of its region */
        uint32_t background;       /* 0xrrggbb around a picture that does not fill the region */
        struct picture *fallback;  /* a reference; NULL: colour only */

        struct view_drawn drawn;
};

/* @wake_fd: signalled when something is told. Return: 0 or -ENOMEM. */
int view_new(const struct scene_display *display, int wake_fd, uint32_t rate_hz, struct view **ret);
struct view *view_free(struct view *v); /* NULL ok; returns NULL */

/**
 * view_place() - where the view is; once, before anybody uses it
 * @visible:    the part of the display's region that is on the screen and not hidden by another view
 * @background: colour around a picture that does not fill the region
 * @fallback:   a reference is taken; NULL: the display's fallback colour only
 *
 * Return: 0 or -ENOMEM.
 */
int view_place(struct view *v, const pixman_region32_t *visible, uint32_t background, struct picture *fallback);

/* Asks the guest for another size, and tells who wants to know. */
void view_set_mode(struct view *v, uint32_t width, uint32_t height);

/* What is composed on. Begun when something is drawn: while all is in layers, nothing is. */
struct canvas {
        struct surface *surface; /* borrowed */
        struct picture *picture; /* borrowed: to be drawn on; NULL: nothing was drawn yet */
        pixman_image_t *image;   /* owned: of all of it */
        pixman_region32_t drawn;
};

/**
 * view_compose() - bring the view's layer, and its part of the canvas, up to date
 * @ret_damage:  what changed is added
 * @ret_touched: set to the guards in whose region the guest showed or flushed something, changed or not
 *
 * Return: true; false if a lock was taken (or there is no memory): the layer is as it was, call again with the next
 * frame.
 */
bool view_compose(struct view *v, struct canvas *canvas, pixman_region32_t *ret_damage, uint32_t *ret_touched);
