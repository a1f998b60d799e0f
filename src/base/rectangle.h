/* SPDX-License-Identifier: MPL-2.0 */
/* A rectangle of pixels, and the little arithmetic on it that several parts need. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rectangle {
        uint32_t x, y, width, height;
};

/* No pixel in it. */
static inline bool rectangle_is_empty(const struct rectangle *r)
{
        return r->width == 0 || r->height == 0;
}

/* Every pixel lies within a width by height area. Does not overflow. */
static inline bool rectangle_fits(const struct rectangle *r, uint32_t width, uint32_t height)
{
        return r->x <= width && r->width <= width - r->x && r->y <= height && r->height <= height - r->y;
}
