/* SPDX-License-Identifier: MPL-2.0 */
/* Where a picture's pixels land on the screen: the arithmetic of scaling, without pixels. */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rectangle.h"
#include "scene/scene.h"

struct placement {
        uint32_t width, height;     /* of the source */
        struct pixman_box32 target; /* where all of it lands on the screen; may leave the region (SCALING_NONE) */
        bool is_scaled;
        bool is_smooth; /* bilinear; whole multiples are not, so that they stay sharp */
};

/* @width, @height: of the source, not 0. */
void placement_init(struct placement *p, enum scene_scaling scaling, const struct rectangle *region, uint32_t width,
                    uint32_t height);

/**
 * placement_map() - the part of the screen that depends on a part of the source
 * @part: in coordinates of the source, within it
 *
 * Rounded outward, and one pixel of the source wider where neighbours are mixed: whoever repaints the result has
 * the same picture as one who repaints all.
 */
struct pixman_box32 placement_map(const struct placement *p, const struct rectangle *part);

/**
 * placement_map_cursor() - where a cursor lands that is drawn in the source's coordinates
 * @x, @y: its top left corner, which may lie outside
 */
struct pixman_box32 placement_map_cursor(const struct placement *p, int64_t x, int64_t y, uint32_t width,
                                         uint32_t height);

/* Makes @image (as large as the source, or a cursor of it) as large as it is on the screen. */
void placement_scale_image(const struct placement *p, pixman_image_t *image);
