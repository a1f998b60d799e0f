/* SPDX-License-Identifier: MPL-2.0 */
/* Views that remember what they were told, instead of composition's. */
#pragma once

#include <pixman.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "display/view.h"

#define TEST_VIEW_FLUSHES_MAX 64

struct view {
        const char *name;
        pthread_mutex_t lock;
        struct view_mode mode;
        bool fails; /* from now on: no memory */

        struct surface *shown; /* a reference; NULL: nothing */
        struct rectangle source;
        struct rectangle flushes[TEST_VIEW_FLUSHES_MAX]; /* the last ones, from the start */
        unsigned n_shows, n_flushes;

        struct picture *cursor; /* a reference; NULL: none */
        uint32_t hot_x, hot_y, x, y;
        unsigned n_cursors, n_moves;

        void (*changed)(void *data);
        void *data;
};

void test_view_init(struct view *v, const char *name, uint32_t width, uint32_t height);
void test_view_deinit(struct view *v);

/* As screen_set_mode() does. */
void test_view_set_mode(struct view *v, uint32_t width, uint32_t height);

/* What is shown, a reference. */
struct picture *test_view_picture(struct view *v);
pixman_format_code_t test_view_format(struct view *v);

/* Return: the pixel of the shown source, as it is in memory; 0 if nothing is shown. */
uint32_t test_view_pixel(struct view *v, uint32_t x, uint32_t y);
