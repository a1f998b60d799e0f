/* SPDX-License-Identifier: MPL-2.0 */
#include "base/macros.h"
#include "scene/scene.h"

static uint32_t scale_rounded(uint32_t n, uint32_t to, uint32_t from)
{
        return (uint32_t) MAX(((uint64_t) n * to + from / 2) / from, UINT64_C(1));
}

struct rectangle scene_shown(enum scene_scaling scaling, const struct rectangle *region, uint32_t width,
                             uint32_t height)
{
        struct rectangle r = *region;

        switch (scaling) {
        case SCALING_NONE:
                r.width = width;
                r.height = height;
                break;
        case SCALING_FIT:
                if ((uint64_t) width * region->height <= (uint64_t) height * region->width)
                        r.width = MIN(scale_rounded(width, region->height, height), region->width);
                else
                        r.height = MIN(scale_rounded(height, region->width, width), region->height);
                r.x += (region->width - r.width) / 2;
                r.y += (region->height - r.height) / 2;
                break;
        case SCALING_STRETCH:
                break;
        }
        return r;
}
