/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen's picture of a moment: layers that lie side by side and together are all of it. A guest's picture that
 * is shown as it is, is a layer; nothing copies it before an output does. The rest is one that was composed. Guards and
 * outputs read the same frames.
 *
 * A frame stays as it is for as long as somebody has a reference. Threads: any.
 */
#pragma once

#include <pixman.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture;

/* The pixel of the screen at (a, b) is its picture's at (a - x, b - y). */
struct frame_layer {
        struct picture *picture; /* a reference: x8r8g8b8, whose unused byte is undefined */
        pixman_region32_t where; /* of the screen; no other layer's */
        int x, y;
};

struct frame {
        atomic_uint n_refs;
        uint32_t width, height;
        size_t n_layers, max_layers;
        struct frame_layer layers[];
};

/* Without layers. Return: NULL if there is no memory. */
struct frame *frame_new(uint32_t width, uint32_t height, size_t max_layers);

/* Takes a reference to the picture. Return: false if there is no memory. */
bool frame_add(struct frame *f, struct picture *p, const pixman_region32_t *where, int x, int y);

struct frame *frame_ref(struct frame *f);
struct frame *frame_unref(struct frame *f); /* NULL ok; returns NULL */

static inline void frame_unrefp(struct frame **f)
{
        *f = frame_unref(*f);
}

/* Pixels of one layer. */
struct frame_part {
        struct pixman_box32 box; /* of the screen */
        const uint8_t *pixels;   /* of its top left corner */
        size_t stride_bytes;
};

/* Calls @fn for parts that together are @region, which lies within the frame. */
void frame_each(const struct frame *f, const pixman_region32_t *region,
                void (*fn)(const struct frame_part *part, void *data), void *data);

/* Copies @region to its place in a whole screen of pixels. */
void frame_copy(const struct frame *f, const pixman_region32_t *region, uint8_t *to, size_t stride_bytes);

/* Copies all of it to a new picture. Return: 0 or a negative errno. */
int frame_to_picture(const struct frame *f, struct picture **ret);

/*
 * A picture that has all of @box: the only layer's there, or a copy. *ret_at is the box in it. Return: a reference;
 * NULL: no memory.
 */
struct picture *frame_picture_of(const struct frame *f, const struct pixman_box32 *box, struct pixman_box32 *ret_at);
