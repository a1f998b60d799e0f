/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guards of a screen: parts of displays that must be right, checked in what is composed, and covered when they are
 * wrong.
 *
 * What a guard looks at is what a person would see in its region of the frame, before covers: the guest's pixels
 * after scaling, its cursor, the fallback while the guest shows nothing, and whatever another display in front of it
 * shows there.
 *
 *   fresh   the guest showed or flushed something in the visible part of the region, and that was composed, not
 *           longer than limit_ms ago; whether pixels changed by it does not matter. Its cursor does not count, nor
 *           does another display in front.
 *   one of  the CRC-32 of the region's pixels was an allowed one not longer than limit_ms ago.
 *   lit     two pixels of the region differed not longer than limit_ms ago.
 *
 * Time starts with the screen, not with the guest: a guest that shows nothing within the first limit_ms violates
 * "fresh", and the others unless its fallback satisfies them. A region that is quite hidden by other displays is
 * never fresh.
 *
 * When a rule is violated, the region is covered in what the outputs get (not in the frame, so that the guard sees
 * when the rule holds again), in front of everything. That needs neither the guest nor a new frame:
 * guard_set_deadline() says when to look.
 *
 * Cost: contents are looked at only where the frame changed, and at most once in a quarter of limit_ms (25 ms at
 * most) a guard, whatever guests do. A content that was there for less than that may be overlooked. Time since a
 * wrong content appeared counts from the frame that brought it, not from the look that found it.
 *
 * Threads: the screen's loop. All times are of one monotonic clock, given by the caller.
 */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_set;
struct frame;
struct scene_display;
struct screen_guard_event;

struct guard_stats {
        uint64_t n_violations;
        uint64_t n_looks;      /* contents examined */
        uint64_t n_look_pixels;
};

/**
 * guard_set_new() - the guards of a screen's displays; covers are read here
 * @displays: of the screen, borrowed; their indices are used below
 * @ret_error: on failure what is wrong, owned by the caller; NULL if there is no memory for it
 *
 * Return: 0; -EINVAL: a guard leaves its display or the screen; a negative errno.
 */
int guard_set_new(const struct scene_display *const *displays, size_t n_displays, uint32_t width, uint32_t height,
                  uint64_t now_ns, struct guard_set **ret, char **ret_error);
struct guard_set *guard_set_free(struct guard_set *set);

/*
 * The frame of this moment has something of the guest in the regions of @touched, a bit for each guard of the
 * display.
 */
void guard_set_touch(struct guard_set *set, size_t display, uint32_t touched, uint64_t now_ns);

/* The frame of this moment is another one. */
void guard_set_damage(struct guard_set *set, const pixman_region32_t *damage, uint64_t now_ns);

/* Looks at the frame where it must and judges. Where a cover came or went is added to @ret_changed. */
void guard_set_check(struct guard_set *set, const struct frame *frame, uint64_t now_ns,
                     pixman_region32_t *ret_changed);

/* When guard_set_check() has something to do without a frame; UINT64_MAX: never. */
uint64_t guard_set_deadline(const struct guard_set *set);

/* Some rule is about to be found violated: what guests have shown by now should be composed first. */
bool guard_set_is_expiring(const struct guard_set *set, uint64_t now_ns);

/* Some region is covered. */
bool guard_set_is_covering(const struct guard_set *set);

/* Paints covers over a part of @front. */
void guard_set_paint(const struct guard_set *set, pixman_image_t *front, pixman_region32_t *part);

/* Calls @fn for each guard; with @changes for each whose state changed since the last such call. @fn may be NULL. */
void guard_set_report(struct guard_set *set, bool changes, uint64_t now_ns,
                      void (*fn)(const struct screen_guard_event *e, void *data), void *data);

void guard_set_get_stats(const struct guard_set *set, struct guard_stats *ret);
