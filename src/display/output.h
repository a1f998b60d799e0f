/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An output: where a screen's composed picture goes. outputs.c (headless), vnc.c, window.c and kms.c implement it.
 *
 * Threads: the ops run on the screen's loop and must not block; an implementation that may be held up by a peer (a VNC
 * client that does not read) has a thread of its own and copies what it needs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pixman.h>

struct frame;
struct output;

struct output_info {
        uint32_t width, height; /* 0: whatever the screen has */
        uint32_t rate_hz;       /* 0: the screen's */
};

/* Of a sandbox, beside what every device server may do. Borrowed from the output. */
struct output_needs {
        const char *const *calls; /* names of system calls, NULL-terminated; NULL: none */
        uint8_t ioctl_type;       /* ioctls of this type (_IOC_TYPE); 0: none */
        const char *removes;      /* absolute path of a socket that is removed at the end; NULL: none */
        bool own_rules;           /* loads programs and opens files as it likes: no sandbox */
};

struct output_ops {
        const char *name;
        /* A new frame, all of the screen: @damage is where it is unlike the one before, and lies within it. It stays as
           it is until present() is called again, and beyond that while a reference is held (frame_ref()): each output
           may hold one for each of its peers that takes its time. */
        void (*present)(struct output *o, struct frame *frame, const pixman_region32_t *damage);
        struct output *(*free)(struct output *o); /* NULL ok; returns NULL */

        /* optional */
        void (*info)(const struct output *o, struct output_info *ret);
        void (*needs)(const struct output *o, struct output_needs *ret);
        /* Starts the output's threads, if it has any, and what else serves peers: once, after the process gave up its
           rights and before its system calls are filtered. Return: 0 or a negative errno. */
        int (*start)(struct output *o);
};

struct output {
        const struct output_ops *ops;
        /* Set by the screen: may be called on its loop when the output can show again,
           or lost its content (redraw all). */
        void (*redraw)(void *data);
        void *data;
};

static inline struct output *output_free(struct output *o)
{
        return o ? o->ops->free(o) : NULL;
}

static inline void output_freep(struct output **o)
{
        *o = output_free(*o);
}

static inline int output_start(struct output *o)
{
        return o->ops->start ? o->ops->start(o) : 0;
}
