/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "display/test-rig-display.h"

static void record(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct recorder *r = container_of(o, struct recorder, output);
        int n;
        const struct pixman_box32 *boxes = pixman_region32_rectangles((pixman_region32_t *) damage, &n);

        assert_true(n > 0);
        r->n_frames++;
        r->n_pixels = 0;
        for (int i = 0; i < n; i++)
                r->n_pixels += (uint64_t) (boxes[i].x2 - boxes[i].x1) * (uint64_t) (boxes[i].y2 - boxes[i].y1);
        r->damage = *pixman_region32_extents((pixman_region32_t *) damage);
        r->frame = frame;
        assert_true(r->damage.x1 >= 0 && r->damage.y1 >= 0);
        assert_true(r->damage.x2 <= (int) frame->width && r->damage.y2 <= (int) frame->height);
}

static struct output *forget(struct output *o)
{
        free(o ? container_of(o, struct recorder, output) : NULL);
        return NULL;
}

int rig_set_up(void **state)
{
        struct rig *rig = calloc(1, sizeof(*rig));

        assert_non_null(rig);
        assert_int_equal(loop_new(&rig->loop), 0);
        rig->scene = (struct scene){ .screens = &rig->screen_config, .n_screens = 1, .displays = rig->displays };
        rig->now_ns = clock_now_ns();
        *state = rig;
        return 0;
}

int rig_tear_down(void **state)
{
        struct rig *rig = *state;

        screen_free(rig->screen);
        loop_free(rig->loop);
        for (size_t i = 0; i < rig->scene.n_displays; i++)
                free(rig->displays[i].name);
        free(rig);
        return 0;
}

struct scene_display *rig_add_display(struct rig *rig, const char *name, uint32_t x, uint32_t y, uint32_t width,
                                      uint32_t height)
{
        struct scene_display *d = &rig->displays[rig->scene.n_displays];

        assert_true(rig->scene.n_displays < RIG_DISPLAYS_MAX);
        *d = (struct scene_display){ .name = strdup(name),
                                     .region = { x, y, width, height },
                                     .width = width,
                                     .height = height,
                                     .guards = rig->guards[rig->scene.n_displays++] };
        assert_non_null(d->name);
        return d;
}

struct scene_guard *rig_add_guard(struct rig *rig, struct scene_display *display, const char *name,
                                  enum scene_rule rule, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
        struct scene_guard *g = &display->guards[display->n_guards++];

        assert_true(display->n_guards <= ARRAY_SIZE(rig->guards[0]));
        *g = (struct scene_guard){ .name = (char *) name,
                                   .rule = rule,
                                   .region = { x, y, width, height },
                                   .limit_ms = 200,
                                   .cover_colour = 0xff0000 };
        return g;
}

void rig_open(struct rig *rig, uint32_t width, uint32_t height)
{
        static const struct output_ops ops = { .name = "recorder", .present = record, .free = forget };
        char *error = NULL;

        rig->screen_config = (struct scene_screen){
                .name = (char *) "main", .width = width, .height = height, .rate_hz = 50, .background = RIG_BACKGROUND
        };
        assert_int_equal(screen_new(rig->loop, &rig->scene, 0, &rig->screen, &error), 0);
        assert_null(error);
        rig->recorder = calloc(1, sizeof(*rig->recorder));
        assert_non_null(rig->recorder);
        rig->recorder->output.ops = &ops;
        assert_int_equal(screen_add_output(rig->screen, &rig->recorder->output), 0);
        rig->now_ns = clock_now_ns();
        screen_frame(rig->screen, rig->now_ns);
        assert_int_equal(rig->recorder->n_frames, 1);
}

struct view *rig_view(struct rig *rig, const char *name)
{
        struct view *v = screen_find_view(rig->screen, name);

        assert_non_null(v);
        return v;
}

void rig_frame(struct rig *rig, unsigned ms)
{
        rig->now_ns += ms * NSEC_PER_MSEC;
        screen_frame(rig->screen, rig->now_ns);
}

uint32_t frame_pixel(const struct frame *f, uint32_t x, uint32_t y)
{
        struct pixman_box32 at, box = { (int) x, (int) y, (int) x + 1, (int) y + 1 };
        struct picture *p = frame_picture_of(f, &box, &at);
        uint32_t pixel;

        assert_non_null(p);
        pixel = ((const uint32_t *) (const void *) (p->pixels + (size_t) at.y1 * p->stride_bytes))[at.x1];
        picture_unref(p);
        return pixel & 0xffffff;
}

static uint32_t *pixel_at(const struct picture *p, uint32_t x, uint32_t y)
{
        assert_true(x < p->width && y < p->height);
        return (uint32_t *) (void *) (p->pixels + (size_t) y * p->stride_bytes) + x;
}

uint32_t rig_pixel(const struct rig *rig, uint32_t x, uint32_t y)
{
        assert_true(x < rig->recorder->frame->width && y < rig->recorder->frame->height);
        return frame_pixel(rig->recorder->frame, x, y);
}

uint32_t pattern_pixel(uint32_t x, uint32_t y, uint32_t seed)
{
        return (x * 2654435761u ^ y * 40503u ^ seed * 97u) & 0xffffff;
}

struct picture *pattern_new(uint32_t width, uint32_t height, uint32_t seed)
{
        struct picture *p;

        assert_int_equal(picture_new(PIXMAN_a8r8g8b8, width, height, &p), 0);
        for (uint32_t y = 0; y < height; y++)
                for (uint32_t x = 0; x < width; x++)
                        *pixel_at(p, x, y) = pattern_pixel(x, y, seed) | 0x5a000000;
        return p;
}

void picture_paint(struct picture *p, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour)
{
        for (uint32_t j = y; j < y + height; j++)
                for (uint32_t i = x; i < x + width; i++)
                        *pixel_at(p, i, j) = colour;
}

struct picture *plain_new(uint32_t width, uint32_t height, uint32_t colour)
{
        struct picture *p;

        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, width, height, &p), 0);
        picture_paint(p, 0, 0, width, height, colour);
        return p;
}

struct surface *as_surface(struct picture *p_take)
{
        struct surface *s;

        assert_int_equal(surface_new(p_take, &s), 0);
        return s;
}

void surface_paint(struct surface *s, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour)
{
        struct picture *p;

        assert_int_equal(surface_begin(s, &p), 0);
        picture_paint(p, x, y, width, height, colour);
        surface_end_box(s, &(struct pixman_box32){ (int) x, (int) y, (int) (x + width), (int) (y + height) }, true);
}

struct picture *surface_stall(struct surface *s)
{
        static const struct pixman_box32 pixel = { 0, 0, 1, 1 };
        struct picture *p;

        assert_int_equal(surface_begin(s, &p), 0);
        surface_end_box(s, &pixel, false);
        surface_settle(s);
        surface_set_idle(s, true); /* as if nobody looked */
        surface_set_idle(s, false);
        assert_int_equal(surface_begin(s, &p), 0);
        return p;
}

void surface_go_on(struct surface *s) { surface_end_box(s, &(struct pixman_box32){ 0, 0, 1, 1 }, true); }

void rig_show_surface(struct rig *rig, struct view *v, struct surface *s)
{
        const struct picture *p = surface_hold(s);

        assert_int_equal(view_show(v, s, &(struct rectangle){ 0, 0, p->width, p->height }), 0);
        picture_unref((struct picture *) p);
        rig_frame(rig, 20);
}

void rig_show(struct rig *rig, struct view *v, struct picture *p)
{
        struct surface *s = as_surface(p);

        rig_show_surface(rig, v, s);
        surface_unref(s);
}

void flush(struct view *v, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
        view_flush(v, &(struct rectangle){ x, y, width, height });
}

void assert_plain(const struct rig *rig, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour)
{
        for (uint32_t j = y; j < y + height; j++)
                for (uint32_t i = x; i < x + width; i++)
                        if (rig_pixel(rig, i, j) != colour)
                                fail_msg("pixel %u,%u is %06x, not %06x", i, j, rig_pixel(rig, i, j), colour);
}

void assert_pattern(const struct rig *rig, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t seed,
                    uint32_t from_x, uint32_t from_y)
{
        for (uint32_t j = 0; j < height; j++)
                for (uint32_t i = 0; i < width; i++)
                        if (rig_pixel(rig, x + i, y + j) != pattern_pixel(from_x + i, from_y + j, seed))
                                fail_msg("pixel %u,%u is %06x, not the pattern's", x + i, y + j,
                                         rig_pixel(rig, x + i, y + j));
}
