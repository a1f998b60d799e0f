/* SPDX-License-Identifier: MPL-2.0 */
#include "display/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "display/picture.h"

void mirror_init(struct mirror *m, uint32_t width, uint32_t height)
{
        *m = (struct mirror) { .width = width, .height = height };
        (void) pthread_mutex_init(&m->lock, NULL);
        pixman_region32_init(&m->damage);
        pixman_region32_init(&m->fresh);
}

void mirror_deinit(struct mirror *m)
{
        free(m->pixels);
        pixman_region32_fini(&m->damage);
        pixman_region32_fini(&m->fresh);
        pthread_mutex_destroy(&m->lock);
}

int mirror_begin(struct mirror *m)
{
        uint8_t *pixels = calloc((size_t) m->width * m->height, 4);

        if (!pixels)
                return -ENOMEM;
        pthread_mutex_lock(&m->lock);
        m->pixels = pixels;
        m->filled = m->wanted = false;
        pixman_region32_clear(&m->fresh);
        pixman_region32_fini(&m->damage);
        pixman_region32_init_rect(&m->damage, 0, 0, m->width, m->height);
        pthread_mutex_unlock(&m->lock);
        return 0;
}

void mirror_end(struct mirror *m)
{
        uint8_t *pixels;

        pthread_mutex_lock(&m->lock);
        pixels = take_ptr(&m->pixels);
        m->wanted = false;
        pthread_mutex_unlock(&m->lock);
        free(pixels);
}

bool mirror_take(struct mirror *m, pixman_region32_t *fresh)
{
        bool filled;

        pthread_mutex_lock(&m->lock);
        m->wanted = false;
        filled = m->filled;
        (void) pixman_region32_copy(fresh, &m->fresh);
        pixman_region32_clear(&m->fresh);
        pthread_mutex_unlock(&m->lock);
        return filled;
}

bool mirror_want(struct mirror *m)
{
        bool ask;

        pthread_mutex_lock(&m->lock);
        m->wanted = true;
        ask = pixman_region32_not_empty(&m->damage);
        pthread_mutex_unlock(&m->lock);
        return ask;
}

/* The lock is held, and the thread does not touch the pixels. */
static void copy_damage(struct mirror *m, const struct picture *frame)
{
        const size_t stride = (size_t) m->width * 4;
        int n;
        const pixman_box32_t *boxes = pixman_region32_rectangles(&m->damage, &n);

        for (int i = 0; i < n; i++) {
                const size_t offset = (size_t) boxes[i].x1 * 4, width = (size_t) (boxes[i].x2 - boxes[i].x1) * 4;

                for (size_t y = (size_t) boxes[i].y1; y < (size_t) boxes[i].y2; y++)
                        memcpy(m->pixels + y * stride + offset, frame->pixels + y * frame->stride_bytes + offset, width);
        }
        (void) pixman_region32_union(&m->fresh, &m->fresh, &m->damage);
        pixman_region32_clear(&m->damage);
        m->filled = true;
}

bool mirror_give(struct mirror *m, const struct picture *frame, const pixman_region32_t *damage)
{
        bool copied = false;

        pthread_mutex_lock(&m->lock);
        if (m->pixels) {
                if (damage)
                        (void) pixman_region32_union(&m->damage, &m->damage, (pixman_region32_t *) damage);
                copied = m->wanted && frame && pixman_region32_not_empty(&m->damage);
                if (copied)
                        copy_damage(m, frame);
        }
        pthread_mutex_unlock(&m->lock);
        return copied;
}
