/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What composition does with one view: takes what was told, turns it into damage of the screen, and draws that.
 *
 * Most pixels are copied as they are: a picture of the canvas' layout that is not scaled costs one memcpy() a line,
 * or one for all lines where both are equally wide. pixman does the rest: other layouts, scaling, cursors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "display/damage.h"
#include "display/picture.h"
#include "display/view-private.h"
#include "scene/scene.h"

/* Tries to get the lock: it is only ever held for an instant, unless its owner was interrupted. */
#define LOCK_TRIES 100

static pixman_color_t color_of(uint32_t rgb)
{
        return (pixman_color_t){
                .red = (uint16_t) ((rgb >> 16 & 0xff) * 0x101),
                .green = (uint16_t) ((rgb >> 8 & 0xff) * 0x101),
                .blue = (uint16_t) ((rgb & 0xff) * 0x101),
                .alpha = 0xffff,
        };
}

static void drop_image(pixman_image_t **image)
{
        if (*image)
                pixman_image_unref(*image);
        *image = NULL;
}

static void damage_all(struct view *v)
{
        if (pixman_region32_not_empty(&v->visible))
                pixman_region32_reset(&v->drawn.pending, pixman_region32_extents(&v->visible));
}

static void damage_box(struct view *v, const struct pixman_box32 *box)
{
        damage_add(&v->drawn.pending, box, pixman_region32_extents(&v->visible));
}

/* The image of what is shown now. Without memory for it, the colour is. */
static void make_image(struct view *v)
{
        struct view_drawn *d = &v->drawn;
        struct picture *p = d->picture ?: v->fallback;

        drop_image(&d->image);
        if (!p)
                return;
        if (!d->picture)
                d->source = (struct rectangle){ 0, 0, p->width, p->height };
        placement_init(&d->placement, v->display->scaling, &v->display->region, d->source.width, d->source.height);
        d->image = picture_image(p, &d->source);
        if (d->image) {
                placement_scale_image(&d->placement, d->image);
                pixman_image_set_repeat(d->image, PIXMAN_REPEAT_PAD); /* nothing from beyond the source is mixed in */
        }
}

static void place_cursor(struct view *v)
{
        struct view_drawn *d = &v->drawn;

        damage_box(v, &d->cursor_box);
        d->cursor_box = (struct pixman_box32){ 0 };
        if (!d->cursor || !d->picture || !d->image)
                return;
        d->cursor_box =
                placement_map_cursor(&d->placement, d->cursor_x, d->cursor_y, d->cursor->width, d->cursor->height);
        damage_box(v, &d->cursor_box);
}

static void make_cursor_image(struct view *v)
{
        struct view_drawn *d = &v->drawn;

        drop_image(&d->cursor_image);
        if (!d->cursor || !d->picture)
                return;
        d->cursor_image = picture_image(d->cursor, &(struct rectangle){ 0, 0, d->cursor->width, d->cursor->height });
        if (d->cursor_image)
                placement_scale_image(&d->placement, d->cursor_image);
}

/* Under the lock. Old references are handed to the caller, who drops them without it. */
static void take_shown(struct view *v, struct picture **ret_old)
{
        struct view_drawn *d = &v->drawn;

        *ret_old = d->picture;
        d->picture = v->told.picture ? picture_ref(v->told.picture) : NULL;
        d->source = v->told.source;
        d->touched = 0;
        make_image(v);
        damage_all(v);
}

static void take_cursor(struct view *v, struct picture **ret_old)
{
        struct view_drawn *d = &v->drawn;

        *ret_old = d->cursor;
        d->cursor = v->told.cursor ? picture_ref(v->told.cursor) : NULL;
        d->cursor_x = (int64_t) (int32_t) v->told.cursor_x - v->told.hot_x;
        d->cursor_y = (int64_t) (int32_t) v->told.cursor_y - v->told.hot_y;
}

static void take_flushed(struct view *v)
{
        const struct rectangle *source = &v->drawn.source;
        const struct pixman_box32 *boxes;
        int n;

        boxes = pixman_region32_rectangles(&v->told.flushed, &n);
        for (int i = 0; i < n; i++) {
                struct rectangle part = { (uint32_t) boxes[i].x1 - source->x, (uint32_t) boxes[i].y1 - source->y,
                                          (uint32_t) (boxes[i].x2 - boxes[i].x1),
                                          (uint32_t) (boxes[i].y2 - boxes[i].y1) };
                struct pixman_box32 box = placement_map(&v->drawn.placement, &part);

                damage_box(v, &box);
        }
        pixman_region32_clear(&v->told.flushed);
}

/* False: the lock is taken. */
static bool take_told(struct view *v)
{
        struct picture *old_picture = NULL, *old_cursor = NULL;
        bool is_cursor_new = false;
        int n = 0;

        while (pthread_mutex_trylock(&v->lock) != 0) {
                if (++n == LOCK_TRIES)
                        return false;
                cpu_relax();
        }
        if (v->is_dirty) {
                v->is_dirty = false;
                is_cursor_new = v->told.is_cursor_new || v->told.is_shown;
                if (v->told.is_shown)
                        take_shown(v, &old_picture);
                if (v->told.is_cursor_new)
                        take_cursor(v, &old_cursor);
                take_flushed(v);
                v->drawn.touched |= v->told.touched;
                v->told.touched = 0;
                v->told.is_shown = v->told.is_cursor_new = false;
        }
        pthread_mutex_unlock(&v->lock);
        if (is_cursor_new) {
                make_cursor_image(v);
                place_cursor(v);
        }
        picture_unref(old_picture);
        picture_unref(old_cursor);
        return true;
}

/* Same place of the same size in both: a copy will do. */
static bool is_plain(const struct view_drawn *d)
{
        pixman_format_code_t format = pixman_image_get_format(d->image);

        return !d->placement.is_scaled && (format == PIXMAN_x8r8g8b8 || format == PIXMAN_a8r8g8b8);
}

static void copy_box(const struct view_drawn *d, const struct picture *canvas, const struct pixman_box32 *box)
{
        size_t from_stride = (size_t) pixman_image_get_stride(d->image), to_stride = canvas->stride_bytes;
        size_t n = (size_t) (box->x2 - box->x1) * 4;
        const uint8_t *from = (const uint8_t *) pixman_image_get_data(d->image) +
                              (size_t) (box->y1 - d->placement.target.y1) * from_stride +
                              (size_t) (box->x1 - d->placement.target.x1) * 4;
        uint8_t *to = canvas->pixels + (size_t) box->y1 * to_stride + (size_t) box->x1 * 4;

        if (n == from_stride && n == to_stride) {
                memcpy(to, from, n * (size_t) (box->y2 - box->y1));
                return;
        }
        for (int y = box->y1; y < box->y2; y++, from += from_stride, to += to_stride)
                memcpy(to, from, n);
}

static void draw_picture(struct view *v, const struct picture *canvas, pixman_image_t *canvas_image,
                         pixman_region32_t *part)
{
        const struct pixman_box32 *target = &v->drawn.placement.target, *boxes;
        int n;

        if (is_plain(&v->drawn)) {
                boxes = pixman_region32_rectangles(part, &n);
                for (int i = 0; i < n; i++)
                        copy_box(&v->drawn, canvas, &boxes[i]);
                return;
        }
        (void) pixman_image_set_clip_region32(canvas_image, part);
        pixman_image_composite32(PIXMAN_OP_SRC, v->drawn.image, NULL, canvas_image, 0, 0, 0, 0, target->x1, target->y1,
                                 target->x2 - target->x1, target->y2 - target->y1);
        (void) pixman_image_set_clip_region32(canvas_image, NULL);
}

static void draw_cursor(struct view *v, pixman_image_t *canvas_image, pixman_region32_t *part)
{
        const struct pixman_box32 *box = &v->drawn.cursor_box;

        (void) pixman_image_set_clip_region32(canvas_image, part);
        pixman_image_composite32(PIXMAN_OP_OVER, v->drawn.cursor_image, NULL, canvas_image, 0, 0, 0, 0, box->x1,
                                 box->y1, box->x2 - box->x1, box->y2 - box->y1);
        (void) pixman_image_set_clip_region32(canvas_image, NULL);
}

/* @damage lies within what is visible. False: no memory. */
static bool draw(struct view *v, const struct picture *canvas, pixman_image_t *canvas_image, pixman_region32_t *damage)
{
        struct view_drawn *d = &v->drawn;
        struct pixman_box32 nothing = { 0 }, *target = d->image ? &d->placement.target : &nothing;
        pixman_region32_t part, rest, all;
        bool ok;

        pixman_region32_init(&part);
        pixman_region32_init(&rest);
        pixman_region32_init_with_extents(&all, target);
        ok = pixman_region32_intersect(&part, damage, &all) && pixman_region32_subtract(&rest, damage, &all);
        if (ok && pixman_region32_not_empty(&part))
                draw_picture(v, canvas, canvas_image, &part);
        if (ok && pixman_region32_not_empty(&rest)) {
                pixman_color_t color = color_of(d->picture ? v->background : v->display->fallback_colour);
                int n;
                pixman_box32_t *boxes = pixman_region32_rectangles(&rest, &n);

                ok = pixman_image_fill_boxes(PIXMAN_OP_SRC, canvas_image, &color, n, boxes);
        }
        if (ok && d->cursor_image && pixman_region32_contains_rectangle(&part, &d->cursor_box) != PIXMAN_REGION_OUT)
                draw_cursor(v, canvas_image, &part);
        pixman_region32_fini(&part);
        pixman_region32_fini(&rest);
        pixman_region32_fini(&all);
        return ok;
}

/* Both are left alone by their guest from now on, or neither. */
static bool lock_pictures(const struct view_drawn *d)
{
        if (d->picture && !picture_trylock(d->picture))
                return false;
        if (d->cursor && d->cursor != d->picture && !picture_trylock(d->cursor)) {
                if (d->picture)
                        picture_unlock(d->picture);
                return false;
        }
        return true;
}

static void unlock_pictures(const struct view_drawn *d)
{
        if (d->cursor && d->cursor != d->picture)
                picture_unlock(d->cursor);
        if (d->picture)
                picture_unlock(d->picture);
}

bool view_compose(struct view *v, const struct picture *canvas, pixman_image_t *canvas_image,
                  pixman_region32_t *ret_damage, uint32_t *ret_touched)
{
        struct view_drawn *d = &v->drawn;
        pixman_region32_t damage;
        bool ok;

        *ret_touched = 0;
        if (!take_told(v))
                return false;
        if (!pixman_region32_not_empty(&d->pending))
                return true;
        pixman_region32_init(&damage);
        ok = pixman_region32_intersect(&damage, &d->pending, &v->visible) && lock_pictures(d);
        if (ok) {
                ok = draw(v, canvas, canvas_image, &damage);
                unlock_pictures(d);
        }
        if (ok) {
                pixman_box32_t all = { 0, 0, (int) canvas->width, (int) canvas->height };

                if (!pixman_region32_union(ret_damage, ret_damage, &damage))
                        pixman_region32_reset(ret_damage, &all);
                pixman_region32_clear(&d->pending);
                *ret_touched = d->touched;
                d->touched = 0;
        }
        pixman_region32_fini(&damage);
        return ok;
}

int view_place(struct view *v, const pixman_region32_t *visible, uint32_t background, struct picture *fallback)
{
        const struct scene_display *display = v->display;

        v->guarded = calloc(MAX(display->n_guards, (size_t) 1), sizeof(*v->guarded));
        if (!v->guarded || !pixman_region32_copy(&v->visible, visible))
                return -ENOMEM;
        for (size_t i = 0; i < display->n_guards; i++) {
                const struct rectangle *r = &display->guards[i].region;

                pixman_region32_init_rect(&v->guarded[i], (int) (display->region.x + r->x),
                                          (int) (display->region.y + r->y), r->width, r->height);
                if (!pixman_region32_intersect(&v->guarded[i], &v->guarded[i], &v->visible))
                        return -ENOMEM;
        }
        v->background = background;
        v->fallback = fallback ? picture_ref(fallback) : NULL;
        make_image(v);
        damage_all(v);
        return 0;
}
