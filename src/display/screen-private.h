/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen from inside: screen.c makes and changes it, screen-frame.c runs it.
 *
 *      canvas   what had to be drawn
 *      frame    that, and beside it the pictures that guests show as they are; guards look at it (frame.h)
 *      front    a copy of it with covers, kept up to date only while something is covered
 *
 * Outputs get the frame, or the front while something is covered. Both differ in covered regions only, so that a
 * change from one to the other damages no more than these.
 *
 * Every function that does something with time takes it from its caller, so that tests have a clock of their own.
 */
#pragma once

#include <pixman.h>

#include "base/loop.h"
#include "display/output.h"
#include "display/screen.h"

#define SCREEN_OUTPUTS_MAX 8

struct frame;
struct guard_set;
struct surface;
struct view;

struct screen {
        struct loop *loop;                  /* borrowed */
        const struct scene_screen *config;  /* borrowed */
        const struct scene_display **displays; /* owned array of borrowed ones: of this screen, in the file's order */
        struct view **views;                /* owned: of the same index */
        struct picture **fallbacks;         /* owned: each NULL or a reference */
        size_t n_views;

        int wake_fd; /* owned: eventfd, signalled by views */
        struct watch wake;
        struct timer frame_timer; /* runs while something is to be composed */
        struct timer retry_timer; /* runs while a view is late */
        struct timer guard_timer;
        uint64_t period_ns, retry_ns;
        uint64_t last_frame_ns; /* when it was due if it ran late by less than a period, else when it ran */

        uint32_t width, height;    /* 0 until the size is known */
        struct surface *canvas;    /* owned; NULL until then, as are those that follow */
        struct frame *frame;       /* a reference */
        struct surface *front;     /* owned; NULL if there are no guards */
        struct frame *front_frame; /* a reference; NULL: nothing is covered */
        struct frame *presented;   /* a reference: what outputs were given last; NULL: nothing yet */
        bool is_frame_old;         /* it is to be made anew */
        struct guard_set *guards; /* owned */

        struct output *outputs[SCREEN_OUTPUTS_MAX]; /* owned */
        size_t n_outputs;
        bool redraws; /* outputs get all of the picture with the next frame */

        void (*on_guard)(const struct screen_guard_event *e, void *data);
        void *on_guard_data;
        struct screen_stats stats;
};

/* Composes what is damaged, guards, presents. */
void screen_frame(struct screen *s, uint64_t now_ns);

/* The same for views that are late only. */
void screen_retry(struct screen *s, uint64_t now_ns);

/* Guards and presents what follows from it, without looking at what guests told meanwhile. */
void screen_check(struct screen *s, uint64_t now_ns);

/* A frame is wanted: at once, or when the screen's rate allows it. */
void screen_want_frame(struct screen *s, uint64_t now_ns);

/* What the outputs get. */
struct frame *screen_shown(const struct screen *s);

/* Makes the frame of what the canvas and the views' layers are now.
   Return: false if there is no memory: it is as it was. */
bool screen_make_frame(struct screen *s);
