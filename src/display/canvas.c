/* SPDX-License-Identifier: MPL-2.0 */
#include "display/canvas.h"

#include <errno.h>
#include <string.h>

#include "base/rectangle.h"
#include "display/picture.h"

static int add(struct canvas_set *set, uint32_t width, uint32_t height)
{
        struct canvas *c = &set->all[set->n];
        int r;

        if (set->n == CANVASES_MAX)
                return -ENOSPC;
        r = picture_new(PIXMAN_x8r8g8b8, width, height, &c->picture);
        if (r < 0)
                return r;
        c->image = picture_image(c->picture, &(struct rectangle) { 0, 0, width, height });
        if (!c->image) {
                c->picture = picture_unref(c->picture);
                return -ENOMEM;
        }
        pixman_region32_init_rect(&c->stale, 0, 0, width, height);
        set->n++;
        return 0;
}

int canvas_set_init(struct canvas_set *set, uint32_t width, uint32_t height)
{
        int r = add(set, width, height);

        if (r == 0)
                pixman_region32_clear(&set->all[0].stale);
        return r;
}

void canvas_set_deinit(struct canvas_set *set)
{
        for (size_t i = 0; i < set->n; i++) {
                pixman_image_unref(set->all[i].image);
                picture_unref(set->all[i].picture);
                pixman_region32_fini(&set->all[i].stale);
        }
        set->n = 0;
}

bool canvas_begin(struct canvas_set *set)
{
        const struct picture *current = canvas_current(set)->picture;

        set->before = set->current;
        for (size_t i = 0; i < set->n && picture_is_held(canvas_current(set)->picture); i++)
                if (!picture_is_held(set->all[i].picture))
                        set->current = i;
        if (!picture_is_held(canvas_current(set)->picture))
                return true;
        if (add(set, current->width, current->height) < 0)
                return false;
        set->current = set->n - 1;
        return true;
}

/* The same place of the same layout. */
static void copy(const struct picture *to, const struct picture *from, pixman_region32_t *part)
{
        int n;
        const struct pixman_box32 *boxes = pixman_region32_rectangles(part, &n);

        for (int i = 0; i < n; i++) {
                size_t at = (size_t) boxes[i].y1 * from->stride_bytes + (size_t) boxes[i].x1 * 4;

                for (int y = boxes[i].y1; y < boxes[i].y2; y++, at += from->stride_bytes)
                        memcpy(to->pixels + at, from->pixels + at, (size_t) (boxes[i].x2 - boxes[i].x1) * 4);
        }
}

static void note_all(struct canvas *c)
{
        pixman_box32_t all = { 0, 0, (int) c->picture->width, (int) c->picture->height };

        pixman_region32_reset(&c->stale, &all);
}

static void note(struct canvas *c, const pixman_region32_t *damage)
{
        if (!pixman_region32_union(&c->stale, &c->stale, (pixman_region32_t *) damage))
                note_all(c);
}

void canvas_end(struct canvas_set *set, const pixman_region32_t *damage)
{
        struct canvas *c;

        if (!pixman_region32_not_empty((pixman_region32_t *) damage)) {
                /* What may have been begun on it is drawn again. */
                if (set->current != set->before)
                        note_all(canvas_current(set));
                set->current = set->before;
                return;
        }
        c = canvas_current(set);
        if (set->current != set->before) {
                (void) pixman_region32_subtract(&c->stale, &c->stale, (pixman_region32_t *) damage);
                copy(c->picture, set->all[set->before].picture, &c->stale);
                pixman_region32_clear(&c->stale);
        }
        for (size_t i = 0; i < set->n; i++)
                if (i != set->current)
                        note(&set->all[i], damage);
}
