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

#include "base/cleanup.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/guard.h"
#include "display/picture.h"
#include "display/screen-private.h"
#include "display/surface.h"
#include "display/view-private.h"

#define RETRY_FIRST_NS NSEC_PER_MSEC
#define LATE_FRAMES_MAX 10

static struct pixman_box32 whole(const struct screen *s)
{
        return (struct pixman_box32){ 0, 0, (int) s->width, (int) s->height };
}

struct frame *screen_shown(const struct screen *s) { return s->front_frame ?: s->frame; }

/* @where: what no view's layer hides. */
static bool add_layers(struct screen *s, struct frame *f, struct picture *canvas, pixman_region32_t *where)
{
        bool ok = true;

        for (size_t i = 0; i < s->n_views && ok; i++) {
                const struct frame_layer *layer = &s->views[i]->drawn.layer;

                if (layer->picture)
                        ok = frame_add(f, layer->picture, &layer->where, layer->x, layer->y) &&
                             pixman_region32_subtract(where, where, (pixman_region32_t *) &layer->where);
        }
        return ok && (!pixman_region32_not_empty(where) || frame_add(f, canvas, where, 0, 0));
}

/* A frame of what @surface, which only this thread writes, looks like, and of the views' layers in front of it if
   @has_layers. */
static bool make_frame(struct screen *s, struct surface *surface, bool has_layers, struct frame **frame)
{
        struct frame *f = frame_new(s->width, s->height, s->n_views + 1);
        struct pixman_box32 all = whole(s);
        struct picture *p = surface_hold(surface);
        pixman_region32_t where;
        bool ok;

        pixman_region32_init_with_extents(&where, &all);
        ok = f && (has_layers ? add_layers(s, f, p, &where) : frame_add(f, p, &where, 0, 0));
        pixman_region32_fini(&where);
        picture_unref(p);
        if (ok) {
                frame_unref(*frame);
                *frame = take_ptr(&f);
        }
        frame_unref(f);
        return ok;
}

bool screen_make_frame(struct screen *s) { return make_frame(s, s->canvas, true, &s->frame); }

static void on_frame_timer(struct timer *t)
{
        screen_frame(container_of(t, struct screen, frame_timer), clock_now_ns());
}

void screen_want_frame(struct screen *s, uint64_t now_ns)
{
        if (!s->frame_timer.loop && s->frame)
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

/* @changed: of the frame, and of covers. Return: false if there is no memory: what is covered must not be shown. */
static bool update_front(struct screen *s, pixman_region32_t *changed)
{
        struct pixman_box32 all = whole(s);
        pixman_region32_t part;
        struct picture *p;
        pixman_image_t *image;
        bool ok;

        if (!guard_set_is_covering(s->guards)) {
                s->front_frame = frame_unref(s->front_frame);
                return true;
        }
        if (s->front_frame && !s->redraws && !pixman_region32_not_empty(changed))
                return true;
        if (surface_begin(s->front, &p) < 0)
                return false;
        pixman_region32_init_with_extents(&part, &all);
        if (s->front_frame && !s->redraws && !pixman_region32_copy(&part, changed))
                pixman_region32_reset(&part, &all);
        frame_copy(s->frame, &part, p->pixels, p->stride_bytes);
        image = picture_image(p, &(struct rectangle){ 0, 0, s->width, s->height });
        if (image)
                guard_set_paint(s->guards, image, &part);
        surface_end(s->front, &part, image != NULL);
        ok = image && make_frame(s, s->front, false, &s->front_frame);
        if (image)
                pixman_image_unref(image);
        pixman_region32_fini(&part);
        return ok;
}

static void present(struct screen *s, pixman_region32_t *changed)
{
        struct frame *last = s->presented; /* outputs have borrowed it until now */

        s->presented = frame_ref(screen_shown(s));
        for (size_t i = 0; i < s->n_outputs; i++)
                s->outputs[i]->ops->present(s->outputs[i], s->presented, changed);
        frame_unref(last);
}

/* What guards have seen was the frame before. */
static void look_again(struct screen *s, uint64_t now_ns)
{
        const struct pixman_box32 all = whole(s);
        pixman_region32_t region;

        pixman_region32_init_with_extents(&region, (pixman_box32_t *) &all);
        guard_set_damage(s->guards, &region, now_ns);
        pixman_region32_fini(&region);
}

/*
 * @changed: of the frame; covers that came or went are added. If there is no memory for the frame, or for covers,
 * outputs keep what they have, and get all of the next one.
 */
static void guard_and_present(struct screen *s, pixman_region32_t *changed, uint64_t now_ns)
{
        struct pixman_box32 all = whole(s);
        bool ok;

        if (s->is_frame_old)
                s->is_frame_old = !screen_make_frame(s);
        guard_set_check(s->guards, s->frame, now_ns, changed);
        if (s->is_frame_old)
                look_again(s, now_ns);
        ok = update_front(s, changed) && !s->is_frame_old;
        if (s->redraws)
                pixman_region32_reset(changed, &all);
        s->redraws = !ok;
        if (!ok)
                screen_want_frame(s, now_ns);
        else if (pixman_region32_not_empty(changed))
                present(s, changed);
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

static void begin_canvas(struct screen *s, struct canvas *canvas)
{
        *canvas = (struct canvas){ .surface = s->canvas };
        pixman_region32_init(&canvas->drawn);
}

/* What was drawn is complete, and a frame is made of it. */
static void end_canvas(struct screen *s, struct canvas *canvas, const pixman_region32_t *damage)
{
        if (canvas->picture)
                surface_end(s->canvas, &canvas->drawn, true);
        if (canvas->image)
                pixman_image_unref(canvas->image);
        pixman_region32_fini(&canvas->drawn);
        if (pixman_region32_not_empty((pixman_region32_t *) damage))
                s->is_frame_old = true;
}

/* False: it is late. */
static bool compose(struct screen *s, size_t i, struct canvas *canvas, pixman_region32_t *damage, uint64_t now_ns)
{
        struct view *v = s->views[i];
        uint32_t touched;

        if (!view_compose(v, canvas, damage, &touched))
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
        struct canvas canvas;
        bool any_late = false;

        timer_stop(&s->retry_timer);
        pixman_region32_init(&damage);
        begin_canvas(s, &canvas);
        for (size_t i = 0; i < s->n_views; i++)
                if (is_worth_a_retry(s->views[i]) && !compose(s, i, &canvas, &damage, now_ns))
                        any_late = true;
        end_canvas(s, &canvas, &damage);
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

/* A frame that runs late leaves the beat of the next ones as it is: the screen keeps its rate. */
static uint64_t due_at(const struct screen *s, uint64_t now_ns)
{
        uint64_t due_ns = s->frame_timer.deadline_ns;

        return due_ns <= now_ns && now_ns - due_ns < s->period_ns ? due_ns : now_ns;
}

void screen_frame(struct screen *s, uint64_t now_ns)
{
        bool any_late = false, any_retry = false;
        pixman_region32_t damage;
        struct canvas canvas;

        timer_stop(&s->frame_timer);
        timer_stop(&s->retry_timer);
        pixman_region32_init(&damage);
        begin_canvas(s, &canvas);
        for (size_t i = 0; i < s->n_views; i++) {
                if (compose(s, i, &canvas, &damage, now_ns))
                        continue;
                any_late = true;
                s->stats.n_late++;
                s->views[i]->drawn.n_late++;
                any_retry |= is_worth_a_retry(s->views[i]);
        }
        end_canvas(s, &canvas, &damage);
        if (any_late || pixman_region32_not_empty(&damage))
                s->last_frame_ns = due_at(s, now_ns);
        finish_frame(s, &damage, now_ns);
        pixman_region32_fini(&damage);
        if (any_late)
                screen_want_frame(s, now_ns);
        if (any_retry) {
                s->retry_ns = RETRY_FIRST_NS;
                want_retry(s, now_ns);
        }
}
