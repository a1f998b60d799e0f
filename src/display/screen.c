/* SPDX-License-Identifier: MPL-2.0 */
#include "display/screen.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/guard.h"
#include "display/image.h"
#include "display/picture.h"
#include "display/screen-private.h"
#include "display/surface.h"
#include "display/view-private.h"

#define RATE_DEFAULT_HZ 60u

static void on_wake(struct watch *w, uint32_t events)
{
        struct screen *s = container_of(w, struct screen, wake);

        (void) fd_event_take(s->wake_fd);
        screen_want_frame(s, clock_now_ns());
}

static void on_redraw(void *data)
{
        struct screen *s = data;

        s->redraws = true;
        screen_want_frame(s, clock_now_ns());
}

struct screen *screen_free(struct screen *s)
{
        if (!s)
                return NULL;
        timer_stop(&s->frame_timer);
        timer_stop(&s->retry_timer);
        timer_stop(&s->guard_timer);
        watch_stop(&s->wake);
        for (size_t i = 0; i < s->n_outputs; i++)
                output_free(s->outputs[i]);
        for (size_t i = 0; s->views && i < s->n_views; i++)
                view_free(s->views[i]);
        for (size_t i = 0; s->fallbacks && i < s->n_views; i++)
                picture_unref(s->fallbacks[i]);
        guard_set_free(s->guards);
        frame_unref(s->frame);
        frame_unref(s->front_frame);
        frame_unref(s->presented);
        surface_unref(s->canvas);
        surface_unref(s->front);
        fd_close(&s->wake_fd);
        free(s->fallbacks);
        free(s->views);
        free(s->displays);
        free(s);
        return NULL;
}

static inline void screen_freep(struct screen **s) { *s = screen_free(*s); }

static int new_surface(uint32_t width, uint32_t height, struct surface **ret)
{
        struct picture *p;
        int r = picture_new(PIXMAN_x8r8g8b8, width, height, &p);

        return r < 0 ? r : surface_new(p, ret);
}

/* Display @k is in front of display @i. */
static bool is_in_front(const struct screen *s, size_t k, size_t i)
{
        int order_k = s->displays[k]->order, order_i = s->displays[i]->order;

        return order_k > order_i || (order_k == order_i && k > i);
}

/* The part of display @i's region that is on the screen and that no other display hides. */
static bool find_visible(const struct screen *s, size_t i, pixman_region32_t *visible)
{
        const struct rectangle *r = &s->displays[i]->region;
        bool ok;

        pixman_region32_fini(visible);
        pixman_region32_init_rect(visible, (int) r->x, (int) r->y, r->width, r->height);
        ok = pixman_region32_intersect_rect(visible, visible, 0, 0, s->width, s->height);
        for (size_t k = 0; k < s->n_views && ok; k++) {
                const struct rectangle *front = &s->displays[k]->region;
                pixman_region32_t hidden;

                if (!is_in_front(s, k, i))
                        continue;
                pixman_region32_init_rect(&hidden, (int) front->x, (int) front->y, front->width, front->height);
                ok = pixman_region32_subtract(visible, visible, &hidden);
                pixman_region32_fini(&hidden);
        }
        return ok;
}

/* What belongs to no display is drawn here, once: displays never move. */
static int place_views(struct screen *s)
{
        const struct pixman_box32 all = { 0, 0, (int) s->width, (int) s->height };
        pixman_region32_t visible;
        struct picture *p;
        int r;

        r = surface_begin(s->canvas, &p);
        if (r < 0)
                return r;
        (void) pixman_fill((uint32_t *) (void *) p->pixels, (int) (p->stride_bytes / 4), 32, 0, 0, all.x2, all.y2,
                           s->config->background);
        surface_end_box(s->canvas, &all, true);
        pixman_region32_init(&visible);
        for (size_t i = 0; i < s->n_views && r == 0; i++)
                r = find_visible(s, i, &visible)
                            ? view_place(s->views[i], &visible, s->config->background, s->fallbacks[i])
                            : -ENOMEM;
        pixman_region32_fini(&visible);
        return r;
}

static int set_size(struct screen *s, uint32_t width, uint32_t height, char **ret_error)
{
        uint64_t now_ns = clock_now_ns();
        size_t n_guards = 0;
        int r;

        r = guard_set_new(s->displays, s->n_views, width, height, now_ns, &s->guards, ret_error);
        for (size_t i = 0; i < s->n_views; i++)
                n_guards += s->displays[i]->n_guards;
        if (r == 0 && n_guards > 0)
                r = new_surface(width, height, &s->front);
        if (r == 0)
                r = new_surface(width, height, &s->canvas);
        if (r < 0)
                return r;
        s->width = width;
        s->height = height;
        r = place_views(s);
        if (r == 0 && !screen_make_frame(s))
                r = -ENOMEM;
        if (r == 0)
                on_redraw(s);
        return r;
}

static int new_views(struct screen *s, const struct scene *scene, size_t index, char **ret_error)
{
        uint32_t rate_hz = s->config->rate_hz ?: RATE_DEFAULT_HZ;
        int r = 0;

        s->views = calloc(MAX(scene->n_displays, (size_t) 1), sizeof(*s->views));
        s->displays = calloc(MAX(scene->n_displays, (size_t) 1), sizeof(*s->displays));
        s->fallbacks = calloc(MAX(scene->n_displays, (size_t) 1), sizeof(*s->fallbacks));
        if (!s->views || !s->displays || !s->fallbacks)
                return -ENOMEM;
        for (size_t i = 0; i < scene->n_displays && r == 0; i++) {
                const struct scene_display *display = &scene->displays[i];
                size_t at = s->n_views;

                if (display->screen != index)
                        continue;
                s->displays[at] = display;
                r = view_new(display, s->wake_fd, rate_hz, &s->views[at]);
                if (r < 0)
                        return r;
                s->n_views++;
                if (display->fallback_image)
                        r = image_load(display->fallback_image, display->fallback_colour, &s->fallbacks[at], ret_error);
        }
        return r;
}

int screen_new(struct loop *loop, const struct scene *scene, size_t index, struct screen **ret, char **ret_error)
{
        auto_cleanup(screen_freep) struct screen *s = NULL;
        int r;

        *ret_error = NULL;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->loop = loop;
        s->config = &scene->screens[index];
        s->period_ns = NSEC_PER_SEC / (s->config->rate_hz ?: RATE_DEFAULT_HZ);
        s->wake_fd = fd_event();
        if (s->wake_fd < 0)
                return s->wake_fd;
        r = watch_start(&s->wake, loop, s->wake_fd, EPOLLIN, on_wake);
        if (r == 0)
                r = new_views(s, scene, index, ret_error);
        if (r == 0 && s->config->width > 0)
                r = set_size(s, s->config->width, s->config->height, ret_error);
        if (r < 0)
                return r;
        *ret = take_ptr(&s);
        return 0;
}

void screen_prefer_thread(void)
{
        const struct sched_param param = { .sched_priority = SCREEN_THREAD_PRIORITY };

        /* Otherwise the threads of guests would inherit it. A refusal leaves all as it is. */
        (void) sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
}

int screen_add_output(struct screen *s, struct output *o)
{
        struct output_info info = { 0 };
        auto_cleanup(freep) char *error = NULL;
        int r = 0;

        if (o->ops->info)
                o->ops->info(o, &info);
        if (s->n_outputs == SCREEN_OUTPUTS_MAX)
                r = -ENOSPC;
        else if (!s->frame)
                r = info.width > 0 ? set_size(s, info.width, info.height, &error) : -EINVAL;
        if (r < 0) {
                output_free(o);
                return r;
        }
        if (s->n_outputs == 0 && s->config->rate_hz == 0 && info.rate_hz > 0)
                s->period_ns = NSEC_PER_SEC / info.rate_hz;
        o->redraw = on_redraw;
        o->data = s;
        s->outputs[s->n_outputs++] = o;
        on_redraw(s);
        return 0;
}

void screen_remove_output(struct screen *s, struct output *o)
{
        for (size_t i = 0; i < s->n_outputs; i++) {
                if (s->outputs[i] != o)
                        continue;
                memmove(&s->outputs[i], &s->outputs[i + 1], (s->n_outputs - i - 1) * sizeof(s->outputs[0]));
                s->n_outputs--;
                output_free(o);
                return;
        }
}

struct view *screen_find_view(struct screen *s, const char *display)
{
        for (size_t i = 0; i < s->n_views; i++)
                if (strcmp(s->displays[i]->name, display) == 0)
                        return s->views[i];
        return NULL;
}

int screen_set_mode(struct screen *s, const char *display, uint32_t width, uint32_t height)
{
        struct view *v = screen_find_view(s, display);

        if (!v)
                return -ENOENT;
        if (width == 0 || height == 0 || width > SCENE_PIXELS_MAX || height > SCENE_PIXELS_MAX)
                return -EINVAL;
        view_set_mode(v, width, height);
        return 0;
}

void screen_on_guard(struct screen *s, void (*fn)(const struct screen_guard_event *e, void *data), void *data)
{
        s->on_guard = fn;
        s->on_guard_data = data;
}

void screen_for_each_guard(struct screen *s, void (*fn)(const struct screen_guard_event *e, void *data), void *data)
{
        if (s->guards)
                guard_set_report(s->guards, false, clock_now_ns(), fn, data);
}

struct frame *screen_compose_now(struct screen *s)
{
        if (!s->frame)
                return NULL;
        screen_frame(s, clock_now_ns());
        return screen_shown(s);
}

const char *screen_name(const struct screen *s) { return s->config->name; }

void screen_get_stats(const struct screen *s, struct screen_stats *ret)
{
        struct guard_stats guards = { 0 };

        if (s->guards)
                guard_set_get_stats(s->guards, &guards);
        *ret = s->stats;
        ret->n_violations = guards.n_violations;
        ret->n_looks = guards.n_looks;
        ret->n_look_pixels = guards.n_look_pixels;
}
