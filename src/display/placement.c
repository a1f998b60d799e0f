/* SPDX-License-Identifier: MPL-2.0 */
#include "display/placement.h"

#include <stdlib.h>

#include "base/macros.h"

void placement_init(struct placement *p, enum scene_scaling scaling, const struct rectangle *region, uint32_t width,
                    uint32_t height)
{
        struct rectangle to = scene_shown(scaling, region, width, height);
        int x = (int) to.x, y = (int) to.y;

        *p = (struct placement){
                .width = width,
                .height = height,
                .target = { x, y, x + (int) to.width, y + (int) to.height },
                .is_scaled = to.width != width || to.height != height,
                .is_smooth = to.width % width != 0 || to.height % height != 0,
        };
}

static int64_t divide_down(int64_t a, int64_t b) { return a / b - (a % b < 0); }
static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b > 0); }

static int clamp(int64_t v) { return (int) MAX(MIN(v, (int64_t) INT16_MAX), (int64_t) INT16_MIN); }

/* One axis: of a source of @size to @first .. @last of the screen. */
static void map_axis(int64_t from, int64_t to, uint32_t size, int first, int last, int *ret_from, int *ret_to)
{
        int64_t length = last - first;

        *ret_from = clamp(first + divide_down(from * length, size));
        *ret_to = clamp(first + divide_up(to * length, size));
}

struct pixman_box32 placement_map(const struct placement *p, const struct rectangle *part)
{
        int64_t margin = p->is_smooth ? 1 : 0;
        struct pixman_box32 box;

        map_axis(MAX((int64_t) part->x - margin, INT64_C(0)),
                 MIN((int64_t) part->x + part->width + margin, (int64_t) p->width), p->width, p->target.x1,
                 p->target.x2, &box.x1, &box.x2);
        map_axis(MAX((int64_t) part->y - margin, INT64_C(0)),
                 MIN((int64_t) part->y + part->height + margin, (int64_t) p->height), p->height, p->target.y1,
                 p->target.y2, &box.y1, &box.y2);
        return box;
}

struct pixman_box32 placement_map_cursor(const struct placement *p, int64_t x, int64_t y, uint32_t width,
                                         uint32_t height)
{
        int64_t target_width = p->target.x2 - p->target.x1, target_height = p->target.y2 - p->target.y1;
        struct pixman_box32 box = {
                .x1 = clamp(p->target.x1 + divide_down(x * target_width, p->width)),
                .y1 = clamp(p->target.y1 + divide_down(y * target_height, p->height)),
        };

        box.x2 = clamp(box.x1 + divide_up((int64_t) width * target_width, p->width));
        box.y2 = clamp(box.y1 + divide_up((int64_t) height * target_height, p->height));
        return box;
}

static pixman_fixed_t ratio(uint32_t source, int64_t target)
{
        return (pixman_fixed_t) ((((int64_t) source << 16) + target / 2) / target);
}

void placement_scale_image(const struct placement *p, pixman_image_t *image)
{
        pixman_transform_t transform;

        if (!p->is_scaled)
                return;
        pixman_transform_init_scale(&transform, ratio(p->width, p->target.x2 - p->target.x1),
                                    ratio(p->height, p->target.y2 - p->target.y1));
        (void) pixman_image_set_transform(image, &transform);
        (void) pixman_image_set_filter(image, p->is_smooth ? PIXMAN_FILTER_BILINEAR : PIXMAN_FILTER_NEAREST, NULL, 0);
}
