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

static uint64_t scale_rounded(uint64_t n, uint64_t to, uint64_t from)
{
        return MAX((n * to + from / 2) / from, UINT64_C(1));
}

/* Where in its region, on the screen, the picture is shown: as the display server composes it. */
static struct rectangle shown(const struct scene_display *d)
{
        struct rectangle r = d->region;
        uint64_t width = r.width, height = r.height;

        switch (d->scaling) {
        case SCALING_NONE:
                width = MIN(d->width, r.width);
                height = MIN(d->height, r.height);
                break;
        case SCALING_FIT:
                if ((uint64_t) r.width * d->height <= (uint64_t) r.height * d->width)
                        height = MIN(scale_rounded(d->height, r.width, d->width), (uint64_t) r.height);
                else
                        width = MIN(scale_rounded(d->width, r.height, d->height), (uint64_t) r.width);
                r.x += (uint32_t) ((r.width - width) / 2);
                r.y += (uint32_t) ((r.height - height) / 2);
                break;
        case SCALING_STRETCH:
                break;
        }
        r.width = (uint32_t) width;
        r.height = (uint32_t) height;
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
