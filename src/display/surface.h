/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Pixels that change: what a guest's resource holds, or what a screen is composed on. Who looks at them holds a picture
 * of them, which stays as it is for as long as it is held; who writes goes on in another one meanwhile:
 *
 *      writer                                                        reader
 *      surface_begin()   the current picture, or, if somebody   ◄──  surface_try_hold(): the last one that was complete
 *                        holds it, or is about to, a spare
 *                        one, which lacks what was written
 *                        since it was current
 *      ... write ...
 *      surface_end()     what the others lack now
 *      surface_settle()  what the current one still lacks is
 *                        copied; from now on it is complete
 *
 * So nothing is ever copied while all changes each time, or while nobody looks. There are as many pictures as were ever
 * held at once, and two more, until surface_set_idle().
 *
 * Threads: one writes at a time. The lock is held for a few lines; but if the writer writes to a picture that could be
 * held, because nobody looks or there is no memory, it is held as long as that takes. Readers only ever try it: no
 * guest can make composition wait.
 */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>

struct picture;
struct surface;

/* Takes a reference to a picture that nobody else has, also on failure. Return: 0 or -ENOMEM. */
int surface_new(struct picture *p_take, struct surface **ret);

/* Any thread. */
struct surface *surface_ref(struct surface *s);
struct surface *surface_unref(struct surface *s); /* NULL ok; returns NULL */

static inline void surface_unrefp(struct surface **s)
{
        *s = surface_unref(*s);
}

/* Of one picture. */
size_t surface_size_bytes(const struct surface *s);

/**
 * surface_begin() - write
 * @ret: what to write to, until surface_end(); its other pixels may be old ones
 *
 * Return: 0; -ENOMEM: a spare picture is needed, and there is no memory.
 */
int surface_begin(struct surface *s, struct picture **ret);

/**
 * surface_end() - was written
 * @part:     where
 * @is_whole: all of it; otherwise only some of it, perhaps, and what it was may come back
 */
void surface_end(struct surface *s, const pixman_region32_t *part, bool is_whole);
void surface_end_box(struct surface *s, const struct pixman_box32 *box, bool is_whole);

/* What was written is complete, and shall be seen. The writer's thread; nothing happens between begin and end. */
void surface_settle(struct surface *s);

/**
 * surface_catch_up() - copy a part of what surface_settle() or surface_set_idle() has to
 * @n_bytes_max: roughly, where a row of what is lacking counts as a page at least; one such row at least
 *
 * For a writer who must be able to stop amid it: what was copied stays so. The writer's thread, not between begin and
 * end.
 *
 * Return: true if nothing is left to copy.
 */
bool surface_catch_up(struct surface *s, size_t n_bytes_max);

/* What it lacks has become so many pieces that it should be copied, by surface_catch_up(), before more is written. */
bool surface_is_ragged(const struct surface *s);

/* What it looks like, on the writer's thread, not between begin and end: a reference. */
struct picture *surface_hold(struct surface *s);

/**
 * surface_try_hold() - what it looks like, on any thread
 * @old:         what the caller held before, or NULL
 * @ret:         a reference
 * @ret_changed: what is, or may be, unlike @old is added
 *
 * Return: false if it is being written.
 */
bool surface_try_hold(struct surface *s, const struct picture *old, struct picture **ret,
                      pixman_region32_t *ret_changed);

/*
 * Nobody is to look any more, for the moment: there is one picture now, and what is written to it is complete at once.
 * Only if somebody still holds that one, what is written is another, until this is called again. Not so at first. The
 * writer's thread, not between begin and end.
 */
void surface_set_idle(struct surface *s, bool idle);
bool surface_is_idle(const struct surface *s);
