/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Damage: a region that only ever has to contain what changed. Beyond a number of parts, or without memory, it
 * becomes larger than it need be, so that neither a guest nor a lack of memory can make it expensive or lose a part
 * of it.
 */
#pragma once

#include <pixman.h>
#include <stdbool.h>

#include "base/macros.h"

#define DAMAGE_PARTS_MAX 32

/* Return: false if it is empty. */
static inline bool box_intersect(const struct pixman_box32 *a, const struct pixman_box32 *b, struct pixman_box32 *ret)
{
        *ret = (struct pixman_box32){ MAX(a->x1, b->x1), MAX(a->y1, b->y1), MIN(a->x2, b->x2), MIN(a->y2, b->y2) };
        return ret->x1 < ret->x2 && ret->y1 < ret->y2;
}

/* Adds a box. @all: what becomes of the region if there is no memory. */
static inline void damage_add(pixman_region32_t *damage, const struct pixman_box32 *box, const struct pixman_box32 *all)
{
        struct pixman_box32 around;

        if (box->x1 >= box->x2 || box->y1 >= box->y2)
                return;
        if (!pixman_region32_union_rect(damage, damage, box->x1, box->y1, (unsigned) (box->x2 - box->x1),
                                        (unsigned) (box->y2 - box->y1)))
                around = *all;
        else if (pixman_region32_n_rects(damage) > DAMAGE_PARTS_MAX)
                around = *pixman_region32_extents(damage);
        else
                return;
        pixman_region32_reset(damage, &around);
}
