/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The program's one window, which the compositor makes as large as the screen. Drawing goes to a canvas; the window
 * keeps two buffers for the compositor and copies into the free one what has changed since it was shown last.
 */
#pragma once

#include <cairo.h>
#include <stdbool.h>

struct window;

/* What fingers (or a mouse's button) do; @x and @y are pixels of the canvas. */
struct window_events {
        void (*down)(void *user, double x, double y);
        void (*motion)(void *user, double x, double y);
        void (*up)(void *user);
        void *user;
};

/**
 * window_open() - connect to the compositor of the environment and wait until it says how large the window is
 *
 * Return: NULL with a line on stderr.
 */
struct window *window_open(const struct window_events *events);

cairo_surface_t *window_canvas(struct window *w);
void window_size(const struct window *w, int *ret_width, int *ret_height);

/* To be polled; window_dispatch() takes what has come. Return: false if the compositor is gone. */
int window_fd(const struct window *w);
bool window_dispatch(struct window *w);

/* The canvas has changed there. */
void window_damage(struct window *w, int x, int y, int width, int height);

/* Shows all damage, unless the compositor has not shown the last picture yet. Return: whether it did. */
bool window_show(struct window *w);
