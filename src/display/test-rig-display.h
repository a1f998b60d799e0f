/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen of up to four displays, and an output that remembers what it was given. Time is the test's: frames are
 * asked for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/picture.h"
#include "display/screen-private.h"
#include "display/screen.h"
#include "display/surface.h"
#include "display/view.h"
#include "scene/scene.h"

#define RIG_BACKGROUND 0x102030u
#define RIG_DISPLAYS_MAX 4

struct recorder {
        struct output output;
        unsigned n_frames;
        uint64_t n_pixels;            /* damaged, of the last frame */
        struct pixman_box32 damage;   /* around it, of the last frame */
        struct frame *frame;          /* the last; borrowed */
};

struct rig {
        struct loop *loop;
        struct scene_screen screen_config;
        struct scene_display displays[RIG_DISPLAYS_MAX];
        struct scene_guard guards[RIG_DISPLAYS_MAX][4];
        struct scene scene;
        struct screen *screen;
        struct recorder *recorder; /* the screen's */
        uint64_t now_ns;
};

/* cmocka's set-up and tear-down. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Before rig_open(). Return: the display, to be changed at will. */
struct scene_display *rig_add_display(struct rig *rig, const char *name, uint32_t x, uint32_t y, uint32_t width,
                                      uint32_t height);
struct scene_guard *rig_add_guard(struct rig *rig, struct scene_display *display, const char *name,
                                  enum scene_rule rule, uint32_t x, uint32_t y, uint32_t width, uint32_t height);

/* Opens the screen and takes its first frame. */
void rig_open(struct rig *rig, uint32_t width, uint32_t height);

struct view *rig_view(struct rig *rig, const char *name);

/* Time goes on by @ms, then there is a frame. */
void rig_frame(struct rig *rig, unsigned ms);

/* 0xrrggbb. */
uint32_t frame_pixel(const struct frame *f, uint32_t x, uint32_t y);

/* Of what the output was given last. */
uint32_t rig_pixel(const struct rig *rig, uint32_t x, uint32_t y);

/* A picture in which each pixel differs from its neighbours and from those of another @seed. */
struct picture *pattern_new(uint32_t width, uint32_t height, uint32_t seed);
uint32_t pattern_pixel(uint32_t x, uint32_t y, uint32_t seed);
struct picture *plain_new(uint32_t width, uint32_t height, uint32_t colour);
void picture_paint(struct picture *p, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour);

struct surface *as_surface(struct picture *p_take);
void surface_paint(struct surface *s, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour);

/* A guest that composition meets in the middle of a copy to what it wants to hold. Until surface_go_on(). */
struct picture *surface_stall(struct surface *s);
void surface_go_on(struct surface *s);

/* Shows all of a surface, and a frame. */
void rig_show_surface(struct rig *rig, struct view *v, struct surface *s);
/* The same of a picture, whose reference is given away. */
void rig_show(struct rig *rig, struct view *v, struct picture *p);
void flush(struct view *v, uint32_t x, uint32_t y, uint32_t width, uint32_t height);

/* The output shows one colour there. */
void assert_plain(const struct rig *rig, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour);
/* The output shows the pattern's pixels from (from_x, from_y) on there. */
void assert_pattern(const struct rig *rig, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t seed,
                    uint32_t from_x, uint32_t from_y);
