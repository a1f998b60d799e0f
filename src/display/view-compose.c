/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What composition does with one view: takes what was told, turns it into damage of the screen, and finds out what of
 * it has to be drawn. That is the cursor and its surroundings, pictures of other layouts or sizes, and what a picture
 * does not cover: pixman does it. The rest is a layer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "display/damage.h"
#include "display/picture.h"
#include "display/surface.h"
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

static void show_fallback(struct view *v)
{
        struct view_drawn *d = &v->drawn;

        d->picture = v->fallback ? picture_ref(v->fallback) : NULL;
        d->is_picture_old = false;
        if (!d->picture)
                return;
        d->source = (struct rectangle){ 0, 0, d->picture->width, d->picture->height };
        placement_init(&d->placement, v->display->scaling, &v->display->region, d->source.width, d->source.height);
}

static void place_cursor(struct view *v)
{
        struct view_drawn *d = &v->drawn;

        damage_box(v, &d->cursor_box);
        d->cursor_box = (struct pixman_box32){ 0 };
        if (!d->cursor || !d->surface)
                return;
        d->cursor_box =
                placement_map_cursor(&d->placement, d->cursor_x, d->cursor_y, d->cursor->width, d->cursor->height);
        damage_box(v, &d->cursor_box);
}

static void make_cursor_image(struct view *v)
{
        struct view_drawn *d = &v->drawn;

        drop_image(&d->cursor_image);
        if (!d->cursor || !d->surface)
                return;
        d->cursor_image = picture_image(d->cursor, &(struct rectangle){ 0, 0, d->cursor->width, d->cursor->height });
        if (d->cursor_image)
                placement_scale_image(&d->placement, d->cursor_image);
}

/* What is given up at the end of a step, without the view's lock. */
struct old {
        struct surface *surface;
        struct picture *picture, *cursor;
};

/* Under the lock. */
static void take_shown(struct view *v, struct old *ret_old)
{
        struct view_drawn *d = &v->drawn;

        ret_old->surface = d->surface;
        ret_old->picture = take_ptr(&d->picture);
        d->surface = v->told.surface ? surface_ref(v->told.surface) : NULL;
        d->source = v->told.source;
        d->placement = v->told.placement;
        d->touched = 0;
        d->is_picture_old = true;
        if (!d->surface)
                show_fallback(v);
        damage_all(v);
}

static void take_cursor(struct view *v, struct old *ret_old)
{
        struct view_drawn *d = &v->drawn;

        ret_old->cursor = d->cursor;
        d->cursor = v->told.cursor ? picture_ref(v->told.cursor) : NULL;
        d->cursor_x = (int64_t) (int32_t) v->told.cursor_x - v->told.hot_x;
        d->cursor_y = (int64_t) (int32_t) v->told.cursor_y - v->told.hot_y;
}

/* @part: of the surface. */
static void damage_part(struct view *v, const pixman_region32_t *part)
{
        const struct rectangle *source = &v->drawn.source;
        struct pixman_box32 all = { (int) source->x, (int) source->y, (int) (source->x + source->width),
                                    (int) (source->y + source->height) };
        const struct pixman_box32 *boxes;
        int n;

        boxes = pixman_region32_rectangles((pixman_region32_t *) part, &n);
        for (int i = 0; i < n; i++) {
                struct pixman_box32 cut, box;

                if (!box_intersect(&boxes[i], &all, &cut))
                        continue;
                box = placement_map(&v->drawn.placement,
                                    &(struct rectangle){ (uint32_t) (cut.x1 - all.x1), (uint32_t) (cut.y1 - all.y1),
                                                         (uint32_t) (cut.x2 - cut.x1), (uint32_t) (cut.y2 - cut.y1) });
                damage_box(v, &box);
        }
}

static void take_flushed(struct view *v)
{
        if (!pixman_region32_not_empty(&v->told.flushed))
                return;
        damage_part(v, &v->told.flushed);
        pixman_region32_clear(&v->told.flushed);
        v->drawn.is_picture_old = true;
}

/* False: the lock is taken. */
static bool take_told(struct view *v)
{
        struct old old = { 0 };
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
                        take_shown(v, &old);
                if (v->told.is_cursor_new)
                        take_cursor(v, &old);
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
        surface_unref(old.surface);
        picture_unref(old.picture);
        picture_unref(old.cursor);
        return true;
}

/*
 * What the surface looks like now. What was written since it was looked at last is damage, whether it was flushed or
 * not: guards and outputs are told of all that they may get to see. False: it is being written.
 */
static bool hold_picture(struct view *v)
{
        struct view_drawn *d = &v->drawn;
        pixman_region32_t changed;
        struct picture *p;
        bool ok;

        if (!d->is_picture_old)
                return true;
        pixman_region32_init(&changed);
        ok = surface_try_hold(d->surface, d->picture, &p, &changed);
        if (ok) {
                picture_unref(d->picture);
                d->picture = p;
                d->is_picture_old = false;
                damage_part(v, &changed);
        }
        pixman_region32_fini(&changed);
        return ok;
}

/* Same place of the same size in both. */
static bool is_plain(const struct view_drawn *d)
{
        return d->picture && !d->placement.is_scaled &&
               (d->picture->format == PIXMAN_x8r8g8b8 || d->picture->format == PIXMAN_a8r8g8b8);
}

static bool draw_picture(struct view *v, pixman_image_t *canvas_image, pixman_region32_t *part)
{
        const struct pixman_box32 *target = &v->drawn.placement.target;
        pixman_image_t *image = picture_image(v->drawn.picture, &v->drawn.source);

        if (!image)
                return false;
        placement_scale_image(&v->drawn.placement, image);
        pixman_image_set_repeat(image, PIXMAN_REPEAT_PAD); /* nothing from beyond the source is mixed in */
        (void) pixman_image_set_clip_region32(canvas_image, part);
        pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, canvas_image, 0, 0, 0, 0, target->x1, target->y1,
                                 target->x2 - target->x1, target->y2 - target->y1);
        (void) pixman_image_set_clip_region32(canvas_image, NULL);
        pixman_image_unref(image);
        return true;
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
static bool draw(struct view *v, pixman_image_t *canvas_image, pixman_region32_t *damage)
{
        struct view_drawn *d = &v->drawn;
        struct pixman_box32 nothing = { 0 }, *target = d->picture ? &d->placement.target : &nothing;
        pixman_region32_t part, rest, all;
        bool ok;

        pixman_region32_init(&part);
        pixman_region32_init(&rest);
        pixman_region32_init_with_extents(&all, target);
        ok = pixman_region32_intersect(&part, damage, &all) && pixman_region32_subtract(&rest, damage, &all);
        if (ok && pixman_region32_not_empty(&part))
                ok = draw_picture(v, canvas_image, &part);
        if (ok && pixman_region32_not_empty(&rest)) {
                pixman_color_t color = color_of(d->surface ? v->background : v->display->fallback_colour);
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

/* What is drawn may be there in part if there is no memory for all of it; it is drawn again. */
static bool draw_on(struct canvas *canvas, struct view *v, pixman_region32_t *part)
{
        if (!pixman_region32_not_empty(part))
                return true;
        if (!canvas->picture && surface_begin(canvas->surface, &canvas->picture) < 0)
                return false;
        if (!canvas->image)
                canvas->image = picture_image(canvas->picture, &(struct rectangle){ 0, 0, canvas->picture->width,
                                                                                    canvas->picture->height });
        return canvas->image && pixman_region32_union(&canvas->drawn, &canvas->drawn, part) &&
               draw(v, canvas->image, part);
}

/* Where the picture is put out as it is. False: no memory. */
static bool find_layer(struct view *v, pixman_region32_t *ret)
{
        struct view_drawn *d = &v->drawn;
        pixman_region32_t box;
        bool ok;

        if (!is_plain(d))
                return true;
        pixman_region32_init_with_extents(&box, &d->placement.target);
        ok = pixman_region32_intersect(ret, &v->visible, &box);
        pixman_region32_fini(&box);
        pixman_region32_init_with_extents(&box, &d->cursor_box);
        ok = ok && pixman_region32_subtract(ret, ret, &box);
        pixman_region32_fini(&box);
        return ok;
}

/* Moves @where. */
static void set_layer(struct view_drawn *d, pixman_region32_t *where)
{
        picture_unref(d->layer.picture);
        pixman_region32_fini(&d->layer.where);
        d->layer = (struct frame_layer){ .where = *where };
        pixman_region32_init(where);
        if (!pixman_region32_not_empty(&d->layer.where))
                return;
        d->layer.picture = picture_ref(d->picture);
        d->layer.x = d->placement.target.x1 - (int) d->source.x;
        d->layer.y = d->placement.target.y1 - (int) d->source.y;
}

bool view_compose(struct view *v, struct canvas *canvas, pixman_region32_t *ret_damage, uint32_t *ret_touched)
{
        struct view_drawn *d = &v->drawn;
        pixman_region32_t damage, layer, part;
        bool ok;

        *ret_touched = 0;
        if (!take_told(v) || !hold_picture(v))
                return false;
        if (!pixman_region32_not_empty(&d->pending))
                return true;
        pixman_region32_init(&damage);
        pixman_region32_init(&layer);
        pixman_region32_init(&part);
        ok = pixman_region32_intersect(&damage, &d->pending, &v->visible) && find_layer(v, &layer) &&
             pixman_region32_subtract(&part, &damage, &layer) && draw_on(canvas, v, &part) &&
             pixman_region32_union(ret_damage, ret_damage, &damage);
        if (ok) {
                set_layer(d, &layer);
                pixman_region32_clear(&d->pending);
                *ret_touched = d->touched;
                d->touched = 0;
        }
        pixman_region32_fini(&damage);
        pixman_region32_fini(&layer);
        pixman_region32_fini(&part);
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
        show_fallback(v);
        damage_all(v);
        return 0;
}
