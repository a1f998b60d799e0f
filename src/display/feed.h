/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Frames for a thread that takes its time over each: a VNC viewer's, a window's.
 *
 *      loop                                                    thread
 *      feed_give(): damage noted; ── wanted: handed over ──►   feed_take(): a reference to the frame, and what is new
 *                                                              ... encoded, sent, shown, as long as it takes, let go
 *                                   ◄── ask, if there is ───   feed_want(): the next one, please
 *      feed_give() without more        damage already
 *
 * No pixel is copied: guests and composition go on in other pictures while a frame is held. While the thread is busy,
 * damage is noted and nothing else. The lock is held for a few lines, never while anything waits; it lends the thread
 * the loop's priority.
 */
#pragma once

#include <pixman.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct frame;

struct feed {
        uint32_t width, height;
        pthread_mutex_t lock;     /* of all below */
        bool is_open, is_wanted;
        bool is_wanted_anyway;    /* also if nothing is new */
        struct frame *frame;    /* a reference: handed over, not yet taken; NULL: none */
        pixman_region32_t damage; /* since the last one that was handed over */
        pixman_region32_t fresh;  /* new in what is handed over */
};

void feed_init(struct feed *f, uint32_t width, uint32_t height);
void feed_deinit(struct feed *f);

/* Thread: from now on, and no longer. All is new at first. */
void feed_open(struct feed *f);
void feed_close(struct feed *f);

/* Thread: the frame that was handed over, a reference; NULL: none.
   @fresh, which is initialised, becomes what is new in it. */
struct frame *feed_take(struct feed *f, pixman_region32_t *fresh);

/* Thread: hand over the next frame; @anyway: the latest, if nothing is new.
   Return: whether the loop has to be asked. */
bool feed_want(struct feed *f, bool anyway);

/**
 * feed_give() - tell of a frame, on the loop
 * @frame:  the latest; NULL: none yet
 * @damage: NULL: none, see whether something is wanted that was noted before
 *
 * Return: whether something was handed over, so that the thread has to be woken.
 */
bool feed_give(struct feed *f, struct frame *frame, const pixman_region32_t *damage);
