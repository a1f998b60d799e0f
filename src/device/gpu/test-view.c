/* SPDX-License-Identifier: MPL-2.0 */
#include "device/gpu/test-view.h"

#include <errno.h>
#include <string.h>

#include "display/picture.h"
#include "display/surface.h"

void test_view_init(struct view *v, const char *name, uint32_t width, uint32_t height)
{
        *v = (struct view) { .name = name, .mode = { width, height, 60 } };
        pthread_mutex_init(&v->lock, NULL);
}

void test_view_deinit(struct view *v)
{
        v->shown = surface_unref(v->shown);
        v->cursor = picture_unref(v->cursor);
        pthread_mutex_destroy(&v->lock);
}

void test_view_set_mode(struct view *v, uint32_t width, uint32_t height)
{
        pthread_mutex_lock(&v->lock);
        v->mode.width = width;
        v->mode.height = height;
        pthread_mutex_unlock(&v->lock);
        if (v->changed)
                v->changed(v->data);
}

struct picture *test_view_picture(struct view *v)
{
        pixman_region32_t changed;
        struct picture *p;

        pixman_region32_init(&changed);
        while (!surface_try_hold(v->shown, NULL, &p, &changed))
                ;
        pixman_region32_fini(&changed);
        return p;
}

pixman_format_code_t test_view_format(struct view *v)
{
        struct picture *p = test_view_picture(v);
        pixman_format_code_t format = p->format;

        picture_unref(p);
        return format;
}

uint32_t test_view_pixel(struct view *v, uint32_t x, uint32_t y)
{
        uint32_t pixel = 0;

        pthread_mutex_lock(&v->lock);
        if (v->shown) {
                struct picture *p = test_view_picture(v);

                memcpy(&pixel,
                       p->pixels + (size_t) (v->source.y + y) * p->stride_bytes + (size_t) (v->source.x + x) * 4,
                       sizeof(pixel));
                picture_unref(p);
        }
        pthread_mutex_unlock(&v->lock);
        return pixel;
}

int view_show(struct view *v, struct surface *s, const struct rectangle *source)
{
        int r = 0;

        if (s)
                surface_settle(s);
        pthread_mutex_lock(&v->lock);
        if (v->fails && s) {
                r = -ENOMEM;
        } else {
                surface_unref(v->shown);
                v->shown = s ? surface_ref(s) : NULL;
                if (s)
                        v->source = *source;
                v->n_shows++;
        }
        pthread_mutex_unlock(&v->lock);
        return r;
}

void view_flush(struct view *v, const struct rectangle *r)
{
        if (v->shown)
                surface_settle(v->shown);
        pthread_mutex_lock(&v->lock);
        v->flushes[v->n_flushes++ % TEST_VIEW_FLUSHES_MAX] = *r;
        pthread_mutex_unlock(&v->lock);
}

int view_set_cursor(struct view *v, struct picture *p, uint32_t hot_x, uint32_t hot_y)
{
        int r = 0;

        pthread_mutex_lock(&v->lock);
        if (v->fails && p) {
                r = -ENOMEM;
        } else {
                picture_unref(v->cursor);
                v->cursor = p ? picture_ref(p) : NULL;
                v->hot_x = hot_x;
                v->hot_y = hot_y;
                v->n_cursors++;
        }
        pthread_mutex_unlock(&v->lock);
        return r;
}

void view_move_cursor(struct view *v, uint32_t x, uint32_t y)
{
        pthread_mutex_lock(&v->lock);
        v->x = x;
        v->y = y;
        v->n_moves++;
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

void view_on_mode(struct view *v, void (*changed)(void *data), void *data)
{
        v->changed = changed;
        v->data = data;
}

const char *view_name(const struct view *v) { return v->name; }
