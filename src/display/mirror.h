/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A copy of a screen's picture for a thread that shows it at its own pace: a VNC viewer's, a window's.
 *
 *      loop                                                    thread
 *      mirror_give(): damage noted; ── wanted: copied ──►      mirror_take(): pixels and what is fresh in them are its own
 *                                                              ... encoded, sent, shown, as long as that takes ...
 *                                   ◄── ask, if there is ───   mirror_want(): the pixels may be written again
 *      mirror_give() without more      damage already
 *
 * A pixel is copied once, and only when it is wanted; while the thread is busy, damage is noted and nothing else. The lock is
 * held for that copy or a few lines, never while anything waits.
 */
#pragma once

#include <pixman.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct picture;

struct mirror {
        uint32_t width, height;
        uint8_t *pixels;           /* owned: rows of width * 4 bytes; the thread's while not wanted; NULL: not begun */
        pthread_mutex_t lock;      /* of all below */
        bool wanted;
        bool filled;               /* has been copied to */
        pixman_region32_t damage;  /* not yet in the pixels */
        pixman_region32_t fresh;   /* in the pixels, not yet taken */
};

void mirror_init(struct mirror *m, uint32_t width, uint32_t height);
void mirror_deinit(struct mirror *m);

/* Thread: from now on, and no longer. All is damage at first. Return: 0 or -ENOMEM. */
int mirror_begin(struct mirror *m);
void mirror_end(struct mirror *m);

/* Thread: @fresh, which is initialised, becomes what came since the last time. Return: whether there is anything at all to show. */
bool mirror_take(struct mirror *m, pixman_region32_t *fresh);

/* Thread: give the pixels back. Return: whether there is damage to be copied, so that the loop has to be asked. */
bool mirror_want(struct mirror *m);

/**
 * mirror_give() - tell of a frame, on the loop
 * @frame:  the latest; NULL: none yet
 * @damage: NULL: none, see whether something is wanted that was noted before
 *
 * Return: whether something was copied, so that the thread has to be woken.
 */
bool mirror_give(struct mirror *m, const struct picture *frame, const pixman_region32_t *damage);
