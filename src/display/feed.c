/* SPDX-License-Identifier: MPL-2.0 */
#include "display/feed.h"

#include "base/cleanup.h"
#include "base/thread.h"
#include "display/frame.h"

void feed_init(struct feed *f, uint32_t width, uint32_t height)
{
        *f = (struct feed) { .width = width, .height = height };
        thread_mutex_init(&f->lock);
        pixman_region32_init(&f->damage);
        pixman_region32_init(&f->fresh);
}

void feed_deinit(struct feed *f)
{
        f->frame = frame_unref(f->frame);
        pixman_region32_fini(&f->damage);
        pixman_region32_fini(&f->fresh);
        pthread_mutex_destroy(&f->lock);
}

void feed_open(struct feed *f)
{
        pixman_box32_t all = { 0, 0, (int) f->width, (int) f->height };

        pthread_mutex_lock(&f->lock);
        f->is_open = true;
        f->is_wanted = false;
        pixman_region32_reset(&f->damage, &all);
        pixman_region32_clear(&f->fresh);
        pthread_mutex_unlock(&f->lock);
}

void feed_close(struct feed *f)
{
        pthread_mutex_lock(&f->lock);
        f->is_open = f->is_wanted = false;
        f->frame = frame_unref(f->frame);
        pthread_mutex_unlock(&f->lock);
}

struct frame *feed_take(struct feed *f, pixman_region32_t *fresh)
{
        struct frame *frame;

        pthread_mutex_lock(&f->lock);
        f->is_wanted = false;
        frame = take_ptr(&f->frame);
        (void) pixman_region32_copy(fresh, &f->fresh);
        pixman_region32_clear(&f->fresh);
        pthread_mutex_unlock(&f->lock);
        return frame;
}

bool feed_want(struct feed *f, bool anyway)
{
        bool ask;

        pthread_mutex_lock(&f->lock);
        f->is_wanted = !f->frame;
        f->is_wanted_anyway = anyway;
        ask = f->is_wanted && (anyway || pixman_region32_not_empty(&f->damage));
        pthread_mutex_unlock(&f->lock);
        return ask;
}

bool feed_give(struct feed *f, struct frame *frame, const pixman_region32_t *damage)
{
        bool given = false;

        pthread_mutex_lock(&f->lock);
        if (f->is_open) {
                if (damage)
                        (void) pixman_region32_union(&f->damage, &f->damage, (pixman_region32_t *) damage);
                given = frame && f->is_wanted && (f->is_wanted_anyway || pixman_region32_not_empty(&f->damage));
        }
        if (given) {
                f->frame = frame_ref(frame);
                (void) pixman_region32_copy(&f->fresh, &f->damage);
                pixman_region32_clear(&f->damage);
                f->is_wanted = false;
        }
        pthread_mutex_unlock(&f->lock);
        return given;
}
