/* SPDX-License-Identifier: MPL-2.0 */
/* What a guest's thread tells: kept until composition takes it, with one wake-up of the screen for all of it. */
#include "display/view.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "display/damage.h"
#include "display/picture.h"
#include "display/surface.h"
#include "display/view-private.h"
#include "scene/scene.h"

int view_new(const struct scene_display *display, int wake_fd, uint32_t rate_hz, struct view **ret)
{
        struct view *v = calloc(1, sizeof(*v));

        if (!v)
                return -ENOMEM;
        v->display = display;
        v->wake_fd = wake_fd;
        v->mode = (struct view_mode){ .width = display->width, .height = display->height, .rate_hz = rate_hz };
        pthread_mutex_init(&v->lock, NULL);
        pthread_mutex_init(&v->mode_lock, NULL);
        pixman_region32_init(&v->told.flushed);
        pixman_region32_init(&v->visible);
        pixman_region32_init(&v->drawn.pending);
        pixman_region32_init(&v->drawn.layer.where);
        *ret = v;
        return 0;
}

struct view *view_free(struct view *v)
{
        if (!v)
                return NULL;
        if (v->drawn.cursor_image)
                pixman_image_unref(v->drawn.cursor_image);
        surface_unref(v->drawn.surface);
        picture_unref(v->drawn.picture);
        picture_unref(v->drawn.layer.picture);
        picture_unref(v->drawn.cursor);
        surface_unref(v->told.surface);
        picture_unref(v->told.cursor);
        picture_unref(v->fallback);
        pixman_region32_fini(&v->drawn.pending);
        pixman_region32_fini(&v->drawn.layer.where);
        pixman_region32_fini(&v->told.flushed);
        pixman_region32_fini(&v->visible);
        for (size_t i = 0; v->guarded && i < v->display->n_guards; i++)
                pixman_region32_fini(&v->guarded[i]);
        free(v->guarded);
        pthread_mutex_destroy(&v->lock);
        pthread_mutex_destroy(&v->mode_lock);
        free(v);
        return NULL;
}

/* Under the lock. */
static void mark_dirty(struct view *v)
{
        if (v->is_dirty)
                return;
        v->is_dirty = true;
        fd_event_signal(v->wake_fd);
}

/* Under the lock: which guards' regions a part of the source lands on. */
static void touch_guards(struct view *v, const struct rectangle *part)
{
        struct pixman_box32 box = placement_map(&v->told.placement, part);

        for (size_t i = 0; v->guarded && i < v->display->n_guards; i++)
                if (pixman_region32_contains_rectangle(&v->guarded[i], &box) != PIXMAN_REGION_OUT)
                        v->told.touched |= UINT32_C(1) << i;
}

int view_show(struct view *v, struct surface *s, const struct rectangle *source)
{
        struct surface *old;

        if (s)
                surface_settle(s);
        pthread_mutex_lock(&v->lock);
        old = v->told.surface;
        v->told.surface = s && !rectangle_is_empty(source) ? surface_ref(s) : NULL;
        v->told.is_shown = true;
        v->told.touched = 0;
        pixman_region32_clear(&v->told.flushed);
        if (v->told.surface) {
                v->told.source = *source;
                placement_init(&v->told.placement, v->display->scaling, &v->display->region, source->width,
                               source->height);
                touch_guards(v, &(struct rectangle){ 0, 0, source->width, source->height });
        }
        mark_dirty(v);
        pthread_mutex_unlock(&v->lock);
        surface_unref(old);
        return 0;
}

/* Under the lock. The part of @r within the source; false if there is none. */
static bool cut_to_source(const struct view *v, const struct rectangle *r, struct rectangle *ret)
{
        const struct rectangle *source = &v->told.source;
        uint64_t x0 = MAX(r->x, source->x), y0 = MAX(r->y, source->y);
        uint64_t x1 = MIN((uint64_t) r->x + r->width, (uint64_t) source->x + source->width);
        uint64_t y1 = MIN((uint64_t) r->y + r->height, (uint64_t) source->y + source->height);

        if (!v->told.surface || x0 >= x1 || y0 >= y1)
                return false;
        *ret = (struct rectangle){ (uint32_t) x0, (uint32_t) y0, (uint32_t) (x1 - x0), (uint32_t) (y1 - y0) };
        return true;
}

void view_flush(struct view *v, const struct rectangle *r)
{
        const struct rectangle *source = &v->told.source;
        struct rectangle cut;

        if (v->told.surface) /* this thread's */
                surface_settle(v->told.surface);
        pthread_mutex_lock(&v->lock);
        if (cut_to_source(v, r, &cut)) {
                struct pixman_box32 all = { (int) source->x, (int) source->y, (int) (source->x + source->width),
                                            (int) (source->y + source->height) };
                struct pixman_box32 box = { (int) cut.x, (int) cut.y, (int) (cut.x + cut.width),
                                            (int) (cut.y + cut.height) };

                damage_add(&v->told.flushed, &box, &all);
                touch_guards(v, &(struct rectangle){ cut.x - source->x, cut.y - source->y, cut.width, cut.height });
                mark_dirty(v);
        }
        pthread_mutex_unlock(&v->lock);
}

int view_set_cursor(struct view *v, struct picture *p, uint32_t hot_x, uint32_t hot_y)
{
        struct picture *old;

        pthread_mutex_lock(&v->lock);
        old = v->told.cursor;
        v->told.cursor = p ? picture_ref(p) : NULL;
        v->told.hot_x = hot_x;
        v->told.hot_y = hot_y;
        v->told.is_cursor_new = true;
        mark_dirty(v);
        pthread_mutex_unlock(&v->lock);
        picture_unref(old);
        return 0;
}

void view_move_cursor(struct view *v, uint32_t x, uint32_t y)
{
        pthread_mutex_lock(&v->lock);
        if (v->told.cursor_x != x || v->told.cursor_y != y) {
                v->told.cursor_x = x;
                v->told.cursor_y = y;
                v->told.is_cursor_new = true;
                mark_dirty(v);
        }
        pthread_mutex_unlock(&v->lock);
}

struct view_mode view_get_mode(struct view *v)
{
        struct view_mode mode;

        pthread_mutex_lock(&v->lock);
        mode = v->mode;
        pthread_mutex_unlock(&v->lock);
        return mode;
}

void view_set_mode(struct view *v, uint32_t width, uint32_t height)
{
        pthread_mutex_lock(&v->lock);
        v->mode.width = width;
        v->mode.height = height;
        pthread_mutex_unlock(&v->lock);

        pthread_mutex_lock(&v->mode_lock);
        if (v->mode_changed)
                v->mode_changed(v->mode_data);
        pthread_mutex_unlock(&v->mode_lock);
}

void view_on_mode(struct view *v, void (*changed)(void *data), void *data)
{
        pthread_mutex_lock(&v->mode_lock);
        v->mode_changed = changed;
        v->mode_data = data;
        pthread_mutex_unlock(&v->mode_lock);
}

const char *view_name(const struct view *v) { return v->display->name; }
