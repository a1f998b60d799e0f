/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen: composes the views of its displays into one picture, at most rate_hz times a second and only where
 * something changed, guards what must be right, and hands the result to its outputs. A view whose guest was writing
 * follows a little later, and so do covers of guards, so outputs may get a few more frames, of these parts only.
 *
 *      view_show(), view_flush() ── damage ──► compose ─► guard (checks, covers) ─► outputs
 *
 * Threads: its loop's. Views are told things on any thread, see view.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "display/output.h"
#include "scene/scene.h"

struct frame;
struct loop;
struct screen;
struct view;

struct screen_guard_event {
        const char *display, *guard; /* borrowed during the call */
        bool violated;               /* false: the rule holds again */
        bool has_crc;                /* its rule is "one of" */
        uint32_t crc;                /* of the content at the last look */
        uint64_t time_ns;            /* CLOCK_MONOTONIC, of the frame */
};

/**
 * screen_new() - a screen with a view for each of its displays; images of fallbacks and covers are read here
 * @scene, @index: borrowed until screen_free()
 * @ret_error:     on failure what is wrong, owned by the caller
 *
 * Return: 0; a negative errno.
 */
int screen_new(struct loop *loop, const struct scene *scene, size_t index, struct screen **ret, char **ret_error);
struct screen *screen_free(struct screen *s);

/*
 * Gives the calling thread, which is to run screens' loop, the second lowest real-time priority, if the process may
 * (CAP_SYS_NICE or RLIMIT_RTPRIO): a busy host delays neither frames nor covers then. What it does is bounded by the
 * screens' sizes and rates, whatever guests do. Threads that it starts afterwards do not inherit it.
 */
#define SCREEN_THREAD_PRIORITY 2 /* SCHED_RR */
void screen_prefer_thread(void);

/*
 * Takes @o in any case. Where the scene leaves the screen's size open, no display is placed before. The first one's
 * size and rate decide where the scene leaves them open. Return: 0 or a negative errno.
 */
int screen_add_output(struct screen *s, struct output *o);

/* Frees @o, which was added. */
void screen_remove_output(struct screen *s, struct output *o);

/* Borrowed from the scene. */
const char *screen_name(const struct screen *s);

/* The view of a display of this screen; NULL if it has none of that name. */
struct view *screen_find_view(struct screen *s, const char *display);

/* Asks the guest for another size: 0; -ENOENT; -EINVAL. */
int screen_set_mode(struct screen *s, const char *display, uint32_t width, uint32_t height);

/* Be told of violations. */
void screen_on_guard(struct screen *s, void (*fn)(const struct screen_guard_event *e, void *data), void *data);

/* Calls @fn for each guard, with its present state. */
void screen_for_each_guard(struct screen *s, void (*fn)(const struct screen_guard_event *e, void *data), void *data);

/*
 * Composes at once what is damaged. The frame, as outputs get it; borrowed until the loop runs again. NULL while the
 * screen has no size.
 */
struct frame *screen_compose_now(struct screen *s);

struct screen_stats {
        uint64_t n_frames, n_pixels; /* composed */
        uint64_t n_late;             /* views left for a later frame because their guest was writing */
        uint64_t n_violations;
        uint64_t n_looks, n_look_pixels; /* contents that guards examined */
};
void screen_get_stats(const struct screen *s, struct screen_stats *ret);
