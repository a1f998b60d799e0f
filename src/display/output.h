/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An output: where a screen's composed picture goes. headless.c, vnc.c, window.c and kms.c implement it.
 *
 * Threads: the ops run on the screen's loop and must not block; an implementation that may be held up by a peer (a VNC client that
 * does not read) has a thread of its own and copies what it needs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <pixman.h>

struct output;
struct picture;
struct sandbox;

struct output_info {
        uint32_t width, height; /* 0: whatever the screen has */
        uint32_t rate_hz;       /* 0: the screen's */
};

struct output_ops {
        const char *name;
        /* A new frame: @damage lies within the picture, which stays as it is until present() is called again. */
        void (*present)(struct output *o, const struct picture *frame, const pixman_region32_t *damage);
        struct output *(*free)(struct output *o); /* NULL ok; returns NULL */

        /* optional */
        void (*info)(const struct output *o, struct output_info *ret);
};

struct output {
        const struct output_ops *ops;
        /* Set by the screen: may be called on its loop when the output can show again, or lost its content (redraw all). */
        void (*redraw)(void *data);
        void *data;
};

static inline struct output *output_free(struct output *o)
{
        return o ? o->ops->free(o) : NULL;
}
