/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A frame: compose, guard, present. Nothing here waits for a guest, and nothing runs while nothing changes but the
 * guards' timer, which is set to the next moment at which a rule may have to be called violated.
 *
 *      frame ─┬─ views that are ready ─► presented
 *             └─ views whose guest is writing ── 1, 2, 4, 8 ms later, only they ─► presented, or the next frame
 *
 * Without the tries in between, a guest that draws at the screen's own rate could be met in the same part of its
 * frame again and again. Views that were late for many frames in a row are tried with frames only.
 */
#include "base/loop.h"

#include <string.h>

#include "base/macros.h"
#include "display/guard.h"
#include "display/picture.h"
#include "display/screen-private.h"
#include "display/view-private.h"

#define RETRY_FIRST_NS NSEC_PER_MSEC
#define LATE_FRAMES_MAX 10

static struct pixman_box32 whole(const struct screen *s)
{
        return (struct pixman_box32){ 0, 0, (int) s->canvas->width, (int) s->canvas->height };
}

const struct picture *screen_picture(const struct screen *s) { return s->is_front_valid ? s->front : s->canvas; }

static void on_frame_timer(struct timer *t)
{
        screen_frame(container_of(t, struct screen, frame_timer), clock_now_ns());
}

void screen_want_frame(struct screen *s, uint64_t now_ns)
{
        if (!s->frame_timer.loop && s->canvas)
                timer_start(&s->frame_timer, s->loop, MAX(now_ns, s->last_frame_ns + s->period_ns), on_frame_timer);
}

/* What guests have told in time is composed before a rule is called violated. */
static void on_guard_timer(struct timer *t)
{
        struct screen *s = container_of(t, struct screen, guard_timer);
        uint64_t now_ns = clock_now_ns();

        if (guard_set_is_expiring(s->guards, now_ns))
                screen_frame(s, now_ns);
        else
                screen_check(s, now_ns);
}

static void arm_guard_timer(struct screen *s)
{
        uint64_t deadline_ns = guard_set_deadline(s->guards);

        if (deadline_ns == UINT64_MAX)
                timer_stop(&s->guard_timer);
        else if (!s->guard_timer.loop || s->guard_timer.deadline_ns != deadline_ns)
                timer_start(&s->guard_timer, s->loop, deadline_ns, on_guard_timer);
}

static void copy_to_front(struct screen *s, pixman_region32_t *part)
{
        int n;
        const struct pixman_box32 *boxes = pixman_region32_rectangles(part, &n);

        for (int i = 0; i < n; i++) {
                size_t at = (size_t) boxes[i].y1 * s->canvas->stride_bytes + (size_t) boxes[i].x1 * 4;

                for (int y = boxes[i].y1; y < boxes[i].y2; y++, at += s->canvas->stride_bytes)
                        memcpy(s->front->pixels + at, s->canvas->pixels + at, (size_t) (boxes[i].x2 - boxes[i].x1) * 4);
        }
}

/*
 * An output holds the front, perhaps: it keeps that one, and the front begins anew. Without memory it is drawn into
 * all the same: what is covered must not be shown.
 */
static void own_front(struct screen *s)
{
        struct picture *picture;
        pixman_image_t *image;

        if (!picture_is_held(s->front) || screen_new_front(s->canvas->width, s->canvas->height, &picture, &image) < 0)
                return;
        pixman_image_unref(s->front_image);
        picture_unref(s->front);
        s->front = picture;
        s->front_image = image;
        s->is_front_valid = false;
}

/* @changed: of the canvas, and of covers. */
static void update_front(struct screen *s, pixman_region32_t *changed)
{
        pixman_region32_t all;

        if (!guard_set_is_covering(s->guards)) {
                s->is_front_valid = false;
                return;
        }
        own_front(s);
        if (s->is_front_valid) {
                copy_to_front(s, changed);
                guard_set_paint(s->guards, s->front_image, changed);
                return;
        }
        pixman_region32_init_with_extents(
                &all, &(struct pixman_box32){ 0, 0, (int) s->canvas->width, (int) s->canvas->height });
        copy_to_front(s, &all);
        guard_set_paint(s->guards, s->front_image, &all);
        pixman_region32_fini(&all);
        s->is_front_valid = true;
}

/* @changed: of the canvas; covers that came or went are added. */
static void guard_and_present(struct screen *s, pixman_region32_t *changed, uint64_t now_ns)
{
        struct pixman_box32 all = whole(s);

        guard_set_check(s->guards, s->canvas, now_ns, changed);
        update_front(s, changed);
        if (s->redraws)
                pixman_region32_reset(changed, &all);
        s->redraws = false;
        if (pixman_region32_not_empty(changed))
                for (size_t i = 0; i < s->n_outputs; i++)
                        s->outputs[i]->ops->present(s->outputs[i], screen_picture(s), changed);
        guard_set_report(s->guards, true, now_ns, s->on_guard, s->on_guard_data);
        arm_guard_timer(s);
}

void screen_check(struct screen *s, uint64_t now_ns)
{
        pixman_region32_t changed;

        pixman_region32_init(&changed);
        guard_and_present(s, &changed, now_ns);
        pixman_region32_fini(&changed);
}

static uint64_t count_pixels(const pixman_region32_t *region)
{
        uint64_t n_pixels = 0;
        int n;
        const struct pixman_box32 *boxes = pixman_region32_rectangles((pixman_region32_t *) region, &n);

        for (int i = 0; i < n; i++)
                n_pixels += (uint64_t) (boxes[i].x2 - boxes[i].x1) * (uint64_t) (boxes[i].y2 - boxes[i].y1);
        return n_pixels;
}

/* Guards, presents and counts what was composed. */
static void finish_frame(struct screen *s, pixman_region32_t *damage, uint64_t now_ns)
{
        if (pixman_region32_not_empty(damage)) {
                s->stats.n_frames++;
                s->stats.n_pixels += count_pixels(damage);
                guard_set_damage(s->guards, damage, now_ns);
        }
        guard_and_present(s, damage, now_ns);
}

/* False: there is none to compose on; all views are late. */
static bool begin_canvas(struct screen *s)
{
        bool ok = canvas_begin(&s->canvases);

        screen_use_canvas(s);
        return ok;
}

static void end_canvas(struct screen *s, const pixman_region32_t *damage)
{
        canvas_end(&s->canvases, damage);
        screen_use_canvas(s);
}

/* False: it is late. */
static bool compose(struct screen *s, size_t i, pixman_region32_t *damage, uint64_t now_ns)
{
        struct view *v = s->views[i];
        uint32_t touched;

        if (!view_compose(v, s->canvas, s->canvas_image, damage, &touched))
                return false;
        v->drawn.n_late = 0;
        guard_set_touch(s->guards, i, touched, now_ns);
        return true;
}

static void on_retry_timer(struct timer *t);

static void want_retry(struct screen *s, uint64_t now_ns)
{
        if (s->retry_ns < s->period_ns)
                timer_start(&s->retry_timer, s->loop, now_ns + s->retry_ns, on_retry_timer);
}

static bool is_worth_a_retry(const struct view *v) { return v->drawn.n_late > 0 && v->drawn.n_late < LATE_FRAMES_MAX; }

void screen_retry(struct screen *s, uint64_t now_ns)
{
        pixman_region32_t damage;
        bool any_late = false, has_canvas;

        timer_stop(&s->retry_timer);
        pixman_region32_init(&damage);
        has_canvas = begin_canvas(s);
        for (size_t i = 0; i < s->n_views; i++)
                if (is_worth_a_retry(s->views[i]) && (!has_canvas || !compose(s, i, &damage, now_ns)))
                        any_late = true;
        end_canvas(s, &damage);
        finish_frame(s, &damage, now_ns);
        pixman_region32_fini(&damage);
        s->retry_ns *= 2;
        if (any_late)
                want_retry(s, now_ns);
}

static void on_retry_timer(struct timer *t)
{
        screen_retry(container_of(t, struct screen, retry_timer), clock_now_ns());
}

void screen_frame(struct screen *s, uint64_t now_ns)
{
        bool any_late = false, any_retry = false, has_canvas;
        pixman_region32_t damage;

        timer_stop(&s->frame_timer);
        timer_stop(&s->retry_timer);
        pixman_region32_init(&damage);
        has_canvas = begin_canvas(s);
        for (size_t i = 0; i < s->n_views; i++) {
                if (has_canvas && compose(s, i, &damage, now_ns))
                        continue;
                any_late = true;
                s->stats.n_late++;
                s->views[i]->drawn.n_late++;
                any_retry |= is_worth_a_retry(s->views[i]);
        }
        end_canvas(s, &damage);
        if (any_late || pixman_region32_not_empty(&damage))
                s->last_frame_ns = now_ns;
        finish_frame(s, &damage, now_ns);
        pixman_region32_fini(&damage);
        if (any_late)
                screen_want_frame(s, now_ns);
        if (any_retry) {
                s->retry_ns = RETRY_FIRST_NS;
                want_retry(s, now_ns);
        }
}
