/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Pixels in the server's own memory: what a guest's resource holds, and what composition reads. A guest never writes
 * here by itself; its commands copy in.
 *
 * Threads: the guest's thread writes under picture_lock(), for one command's copy at most; composition only ever
 * tries the lock and leaves the picture for the next frame if it is taken, so that no guest can make it wait.
 */
#pragma once

#include <pixman.h>
#include <pthread.h>
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
        pthread_mutex_t lock;        /* of the pixels */
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

static inline void picture_lock(struct picture *p) { pthread_mutex_lock(&p->lock); }
static inline bool picture_trylock(struct picture *p) { return pthread_mutex_trylock(&p->lock) == 0; }
static inline void picture_unlock(struct picture *p) { pthread_mutex_unlock(&p->lock); }

/* A pixman image of a part of @p, which must outlive it. NULL: no memory. */
pixman_image_t *picture_image(const struct picture *p, const struct rectangle *part);
