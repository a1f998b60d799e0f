/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/map.h"

#include "base/macros.h"
#include "scene/scene.h"

static bool contains(const struct rectangle *r, struct seat_place at)
{
        return at.x >= r->x && at.x - r->x < r->width && at.y >= r->y && at.y - r->y < r->height;
}

size_t seat_display_at(const struct scene *scene, size_t screen, struct seat_place at)
{
        size_t found = SEAT_NO_DISPLAY;

        for (size_t i = 0; i < scene->n_displays; i++) {
                const struct scene_display *d = &scene->displays[i];

                if (d->screen != screen || !contains(&d->region, at))
                        continue;
                if (found == SEAT_NO_DISPLAY || d->order >= scene->displays[found].order)
                        found = i;
        }
        return found;
}

/* Where in its region, on the screen, the picture is shown. */
static struct rectangle shown(const struct scene_display *d)
{
        struct rectangle r = scene_shown(d->scaling, &d->region, d->width, d->height);

        r.width = MIN(r.width, d->region.width);
        r.height = MIN(r.height, d->region.height);
        return r;
}

/* One axis: from [start, start + shown) to [0, picture). */
static uint32_t scale(uint32_t at, uint32_t start, uint32_t n_shown, uint32_t n_picture, bool pixel_for_pixel)
{
        uint32_t offset = at < start ? 0 : MIN(at - start, n_shown - 1);

        return pixel_for_pixel ? offset : (uint32_t) ((uint64_t) offset * n_picture / n_shown);
}

bool seat_map(const struct scene_display *display, struct seat_place at, struct seat_place *ret)
{
        struct rectangle r = shown(display);
        bool none = display->scaling == SCALING_NONE;

        *ret = (struct seat_place) { scale(at.x, r.x, r.width, display->width, none),
                                     scale(at.y, r.y, r.height, display->height, none) };
        return contains(&r, at);
}
