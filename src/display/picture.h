/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Pixels in the server's own memory. Who makes a picture writes it; from the moment on at which somebody else has a
 * reference it stays as it is. What changes all the time, a guest's resource or a screen, is a surface (surface.h).
 */
#pragma once

#include <pixman.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rectangle;

struct picture {
        pixman_format_code_t format; /* 4 bytes a pixel */
        uint32_t width, height;
        uint32_t stride_bytes;       /* a multiple of 64 */
        uint8_t *pixels;             /* owned */
        size_t size_bytes;
        atomic_uint n_refs;
};

/* All pixels zero. Return: 0; -EINVAL for a format of another size or an empty or too large picture; -ENOMEM. */
int picture_new(pixman_format_code_t format, uint32_t width, uint32_t height, struct picture **ret);

/* Any thread. */
struct picture *picture_ref(struct picture *p);
struct picture *picture_unref(struct picture *p); /* NULL ok; returns NULL */

static inline void picture_unrefp(struct picture **p)
{
        *p = picture_unref(*p);
}

/* Somebody else has a reference, too. Once false, it stays so until one is handed out. */
static inline bool picture_is_held(const struct picture *p)
{
        return atomic_load_explicit(&p->n_refs, memory_order_acquire) > 1;
}

/* A pixman image of a part of @p, which must outlive it. NULL: no memory. */
pixman_image_t *picture_image(const struct picture *p, const struct rectangle *part);
