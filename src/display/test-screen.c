/* SPDX-License-Identifier: MPL-2.0 */
/* Composition: what is shown where, and that no more is done than must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "display/test-rig-display.h"

#define PERIOD_NS (20 * NSEC_PER_MSEC) /* of the screen of a rig */

static void a_picture_is_shown_pixel_for_pixel_at_its_region(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 20, 10, 40, 30);
        rig_open(rig, 100, 60);
        assert_plain(rig, 20, 10, 40, 30, 0x000000);
        rig_show(rig, rig_view(rig, "a"), pattern_new(40, 30, 1));
        assert_pattern(rig, 20, 10, 40, 30, 1, 0, 0);
        assert_plain(rig, 0, 0, 100, 10, RIG_BACKGROUND);
        assert_plain(rig, 0, 10, 20, 50, RIG_BACKGROUND);
        assert_plain(rig, 60, 10, 40, 50, RIG_BACKGROUND);
        assert_plain(rig, 20, 40, 40, 20, RIG_BACKGROUND);
        assert_int_equal(rig->recorder->n_pixels, 40 * 30);
}

static void a_part_of_a_picture_is_shown(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(200, 100, 2));

        rig_add_display(rig, "a", 0, 0, 50, 40);
        rig_open(rig, 50, 40);
        assert_int_equal(view_show(rig_view(rig, "a"), p, &(struct rectangle){ 120, 33, 50, 40 }), 0);
        rig_frame(rig, 20);
        assert_pattern(rig, 0, 0, 50, 40, 2, 120, 33);
        surface_paint(p, 0, 0, 125, 35, 0xabcdef);
        flush(rig_view(rig, "a"), 0, 0, 125, 35);
        rig_frame(rig, 20);
        assert_plain(rig, 0, 0, 5, 2, 0xabcdef);
        assert_pattern(rig, 5, 0, 45, 40, 2, 125, 33);
        assert_pattern(rig, 0, 2, 50, 38, 2, 120, 35);
        surface_unref(p);
}

static void the_display_of_higher_order_is_in_front(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "front", 30, 0, 40, 40)->order = 5;
        rig_add_display(rig, "back", 0, 0, 60, 40)->order = -1;
        rig_open(rig, 70, 40);
        rig_show(rig, rig_view(rig, "front"), pattern_new(40, 40, 1));
        rig_show(rig, rig_view(rig, "back"), pattern_new(60, 40, 2));
        assert_int_equal(rig->recorder->n_pixels, 30 * 40);
        assert_pattern(rig, 0, 0, 30, 40, 2, 0, 0);
        assert_pattern(rig, 30, 0, 40, 40, 1, 0, 0);
}

static void of_equal_order_the_later_is_in_front(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "first", 0, 0, 40, 40);
        rig_add_display(rig, "second", 10, 10, 20, 20);
        rig_open(rig, 40, 40);
        rig_show(rig, rig_view(rig, "second"), pattern_new(20, 20, 1));
        rig_show(rig, rig_view(rig, "first"), pattern_new(40, 40, 2));
        assert_pattern(rig, 10, 10, 20, 20, 1, 0, 0);
        assert_pattern(rig, 0, 0, 40, 10, 2, 0, 0);
        assert_pattern(rig, 30, 10, 10, 20, 2, 30, 10);
}

static void a_hidden_part_costs_nothing(void **state)
{
        struct rig *rig = *state;
        unsigned n_frames;

        rig_add_display(rig, "back", 0, 0, 40, 40);
        rig_add_display(rig, "front", 0, 0, 40, 20);
        rig_open(rig, 40, 40);
        rig_show(rig, rig_view(rig, "back"), pattern_new(40, 40, 1));
        n_frames = rig->recorder->n_frames;
        flush(rig_view(rig, "back"), 3, 3, 10, 10);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_frames, n_frames);
}

static void only_what_was_flushed_is_drawn_anew(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(40, 30, 1));

        rig_add_display(rig, "a", 20, 10, 40, 30);
        rig_open(rig, 100, 60);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        surface_paint(p, 5, 6, 7, 8, 0x445566);
        flush(rig_view(rig, "a"), 5, 6, 7, 8);
        surface_paint(p, 35, 25, 5, 5, 0x445566);
        flush(rig_view(rig, "a"), 35, 25, 1000, UINT32_MAX);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_pixels, 7 * 8 + 5 * 5);
        assert_plain(rig, 25, 16, 7, 8, 0x445566);
        assert_plain(rig, 55, 35, 5, 5, 0x445566);
        assert_pattern(rig, 20, 10, 40, 6, 1, 0, 0);
        assert_pattern(rig, 32, 16, 28, 8, 1, 12, 6);
        surface_unref(p);
}

static void nothing_is_presented_while_nothing_changes(void **state)
{
        struct rig *rig = *state;
        struct screen_stats before, after;

        rig_add_display(rig, "a", 0, 0, 40, 30);
        rig_open(rig, 40, 30);
        rig_show(rig, rig_view(rig, "a"), pattern_new(40, 30, 1));
        screen_get_stats(rig->screen, &before);
        flush(rig_view(rig, "a"), 40, 0, 10, 10);
        flush(rig_view(rig, "a"), UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
        flush(rig_view(rig, "a"), 5, 5, 0, 5);
        for (int i = 0; i < 10; i++)
                rig_frame(rig, 20);
        screen_get_stats(rig->screen, &after);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_null(rig->screen->frame_timer.loop);
        assert_null(rig->screen->guard_timer.loop);
}

static void many_small_flushes_are_one_bounded_damage(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(400, 300, 1));

        rig_add_display(rig, "a", 0, 0, 400, 300);
        rig_open(rig, 400, 300);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        surface_paint(p, 0, 0, 400, 300, 0x778899);
        for (uint32_t i = 0; i < 10000; i++)
                flush(rig_view(rig, "a"), i * 7 % 400, i * 13 % 300, 1, 1);
        rig_frame(rig, 20);
        for (uint32_t i = 0; i < 10000; i++)
                assert_int_equal(rig_pixel(rig, i * 7 % 400, i * 13 % 300), 0x778899);
        surface_unref(p);
}

static void pictures_of_other_layouts_are_converted(void **state)
{
        static const struct {
                pixman_format_code_t format;
                uint8_t bytes[4];
        } cases[] = {
                { PIXMAN_a8r8g8b8, { 0x33, 0x22, 0x11, 0x80 } }, { PIXMAN_x8r8g8b8, { 0x33, 0x22, 0x11, 0x80 } },
                { PIXMAN_b8g8r8a8, { 0x80, 0x11, 0x22, 0x33 } }, { PIXMAN_b8g8r8x8, { 0x80, 0x11, 0x22, 0x33 } },
                { PIXMAN_r8g8b8a8, { 0x80, 0x33, 0x22, 0x11 } }, { PIXMAN_r8g8b8x8, { 0x80, 0x33, 0x22, 0x11 } },
                { PIXMAN_a8b8g8r8, { 0x11, 0x22, 0x33, 0x80 } }, { PIXMAN_x8b8g8r8, { 0x11, 0x22, 0x33, 0x80 } },
        };
        struct rig *rig = *state;

        rig_add_display(rig, "a", 1, 1, 4, 4);
        rig_open(rig, 6, 6);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct picture *p;

                assert_int_equal(picture_new(cases[i].format, 4, 4, &p), 0);
                for (size_t k = 0; k < p->size_bytes; k++)
                        p->pixels[k] = cases[i].bytes[k % 4];
                rig_show(rig, rig_view(rig, "a"), p);
                assert_plain(rig, 1, 1, 4, 4, 0x112233);
                assert_plain(rig, 0, 0, 6, 1, RIG_BACKGROUND);
        }
}

static void a_guest_that_goes_leaves_the_fallback(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 10, 10, 20, 20)->fallback_colour = 0x200000;
        rig_open(rig, 40, 40);
        assert_plain(rig, 10, 10, 20, 20, 0x200000);
        rig_show(rig, rig_view(rig, "a"), pattern_new(20, 20, 1));
        assert_pattern(rig, 10, 10, 20, 20, 1, 0, 0);
        assert_int_equal(view_show(rig_view(rig, "a"), NULL, NULL), 0);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 20, 20, 0x200000);
        flush(rig_view(rig, "a"), 0, 0, 20, 20);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 20, 20, 0x200000);
}

static void a_picture_that_is_being_written_waits_for_a_later_frame(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(20, 20, 1));
        struct screen_stats stats;

        rig_add_display(rig, "writes", 0, 0, 20, 20);
        rig_add_display(rig, "other", 20, 0, 20, 20);
        rig_open(rig, 40, 20);
        rig_show_surface(rig, rig_view(rig, "writes"), p);
        rig_show(rig, rig_view(rig, "other"), pattern_new(20, 20, 2));
        picture_paint(surface_stall(p), 0, 0, 20, 20, 0x112233);
        flush(rig_view(rig, "writes"), 0, 0, 20, 20);
        assert_int_equal(view_show(rig_view(rig, "other"), NULL, NULL), 0);
        rig_frame(rig, 20);
        assert_plain(rig, 20, 0, 20, 20, 0);
        assert_pattern(rig, 0, 0, 20, 20, 1, 0, 0);
        assert_non_null(rig->screen->frame_timer.loop);
        rig_frame(rig, 20);
        surface_go_on(p);
        rig_frame(rig, 20);
        assert_plain(rig, 0, 0, 20, 20, 0x112233);
        screen_get_stats(rig->screen, &stats);
        assert_int_equal(stats.n_late, 2);
        assert_null(rig->screen->frame_timer.loop);
        surface_unref(p);
}

/* A guest that draws at the screen's rate may be met at the same moment of its frame for ever. */
static void a_late_view_is_tried_again_before_the_next_frame(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(20, 20, 1));
        struct picture *written;
        unsigned n_frames;

        rig_add_display(rig, "writes", 0, 0, 20, 20);
        rig_add_display(rig, "other", 20, 0, 20, 20);
        rig_open(rig, 40, 20);
        rig_show_surface(rig, rig_view(rig, "writes"), p);
        written = surface_stall(p);
        flush(rig_view(rig, "writes"), 0, 0, 20, 20);
        rig_frame(rig, 20);
        assert_true(rig->screen->retry_timer.deadline_ns == rig->now_ns + NSEC_PER_MSEC);
        n_frames = rig->recorder->n_frames;
        screen_retry(rig->screen, rig->now_ns + NSEC_PER_MSEC);
        assert_int_equal(rig->recorder->n_frames, n_frames);
        assert_true(rig->screen->retry_timer.deadline_ns == rig->now_ns + 3 * NSEC_PER_MSEC);
        picture_paint(written, 0, 0, 20, 20, 0x112233);
        surface_go_on(p);
        assert_int_equal(view_show(rig_view(rig, "other"), p, &(struct rectangle){ 0, 0, 20, 20 }), 0);
        screen_retry(rig->screen, rig->now_ns + 3 * NSEC_PER_MSEC);
        assert_plain(rig, 0, 0, 20, 20, 0x112233);
        assert_plain(rig, 20, 0, 20, 20, 0); /* its turn is with the next frame */
        assert_null(rig->screen->retry_timer.loop);
        rig_frame(rig, 20);
        assert_plain(rig, 20, 0, 20, 20, 0x112233);
        surface_unref(p);
}

static void a_view_that_stays_late_is_tried_with_frames_only(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(pattern_new(20, 20, 1));

        rig_add_display(rig, "stuck", 0, 0, 20, 20);
        rig_open(rig, 20, 20);
        rig_show_surface(rig, rig_view(rig, "stuck"), p);
        (void) surface_stall(p);
        flush(rig_view(rig, "stuck"), 0, 0, 20, 20);
        for (int i = 0; i < 20; i++)
                rig_frame(rig, 20);
        assert_null(rig->screen->retry_timer.loop);
        assert_non_null(rig->screen->frame_timer.loop);
        surface_go_on(p);
        surface_unref(p);
}

/* Frames that somebody keeps, and what guests write meanwhile. */
static void a_frame_stays_as_it_is_while_it_is_held(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(plain_new(20, 20, 0x111111));
        struct frame *kept[3];

        rig_add_display(rig, "a", 5, 5, 20, 20);
        rig_open(rig, 40, 30);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        for (uint32_t i = 0; i < 3; i++) {
                kept[i] = frame_ref(rig->recorder->frame);
                surface_paint(p, i, i, 4, 4, 0x222222 + i);
                assert_int_equal(frame_pixel(kept[i], 5 + i, 5 + i), i == 0 ? 0x111111 : 0x222222 + i - 1);
                flush(rig_view(rig, "a"), i, i, 4, 4);
                rig_frame(rig, 20);
        }
        for (uint32_t i = 0; i < 3; i++) {
                assert_int_equal(frame_pixel(kept[i], 5 + i, 5 + i), i == 0 ? 0x111111 : 0x222222 + i - 1);
                assert_int_equal(frame_pixel(kept[i], 0, 0), RIG_BACKGROUND);
                frame_unref(kept[i]);
        }
        assert_plain(rig, 7, 7, 4, 4, 0x222224);
        assert_plain(rig, 5, 5, 1, 4, 0x222222);
        assert_plain(rig, 5, 15, 20, 10, 0x111111);
        surface_unref(p);
}

/* Guards are told of all that outputs may get to see. */
static void a_flush_shows_all_that_was_written_before_it(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(plain_new(20, 20, 0x111111));

        rig_add_display(rig, "a", 5, 5, 20, 20);
        rig_open(rig, 40, 30);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        surface_paint(p, 2, 2, 4, 4, 0x222222);
        rig_frame(rig, 20);
        assert_plain(rig, 5, 5, 20, 20, 0x111111);
        view_move_cursor(rig_view(rig, "a"), 3, 3);
        rig->recorder->output.redraw(rig->recorder->output.data);
        rig_frame(rig, 20);
        assert_plain(rig, 5, 5, 20, 20, 0x111111);
        flush(rig_view(rig, "a"), 10, 10, 1, 1);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_pixels, 4 * 4 + 1);
        assert_plain(rig, 7, 7, 4, 4, 0x222222);
        surface_unref(p);
}

static void a_guest_that_draws_into_what_is_shown_is_not_late(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(plain_new(20, 20, 0x111111));
        struct picture *written;

        rig_add_display(rig, "a", 5, 5, 20, 20);
        rig_open(rig, 40, 30);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        surface_paint(p, 0, 0, 20, 20, 0x222222);
        flush(rig_view(rig, "a"), 0, 0, 20, 20);
        rig_frame(rig, 20);
        assert_int_equal(surface_begin(p, &written), 0);
        picture_paint(written, 0, 0, 20, 10, 0x333333);
        flush(rig_view(rig, "a"), 19, 19, 1, 1);
        rig_frame(rig, 20);
        assert_int_equal(rig->screen->stats.n_late, 0);
        assert_plain(rig, 5, 5, 20, 20, 0x222222);
        surface_end_box(p, &(struct pixman_box32){ 0, 0, 20, 10 }, true);
        surface_unref(p);
}

static void frames_come_at_once_and_then_at_the_rate(void **state)
{
        struct rig *rig = *state;
        struct timer *timer;
        uint64_t first_ns;

        rig_add_display(rig, "a", 0, 0, 20, 20);
        rig_open(rig, 40, 20);
        timer = &rig->screen->frame_timer;
        rig_show(rig, rig_view(rig, "a"), pattern_new(20, 20, 1));
        assert_int_equal(loop_step(rig->loop, 0), 0);
        timer_stop(timer);
        rig->screen->last_frame_ns = first_ns = clock_now_ns();
        for (int i = 0; i < 1000; i++)
                flush(rig_view(rig, "a"), 0, 0, 20, 20);
        assert_int_equal(loop_step(rig->loop, 0), 0);
        assert_non_null(timer->loop);
        assert_true(timer->deadline_ns == first_ns + 20 * NSEC_PER_MSEC);
        rig->screen->last_frame_ns = first_ns - NSEC_PER_SEC;
        timer_stop(timer);
        flush(rig_view(rig, "a"), 0, 0, 20, 20);
        screen_want_frame(rig->screen, first_ns);
        assert_true(timer->deadline_ns == first_ns);
}

static uint64_t next_frame_ns(struct rig *rig, uint64_t now_ns)
{
        flush(rig_view(rig, "a"), 0, 0, 20, 20);
        screen_want_frame(rig->screen, now_ns);
        assert_non_null(rig->screen->frame_timer.loop);
        return rig->screen->frame_timer.deadline_ns;
}

/* Return: when a first frame after a pause is due. */
static uint64_t begin_beat(struct rig *rig)
{
        uint64_t begin_ns;

        rig_add_display(rig, "a", 0, 0, 20, 20);
        rig_open(rig, 40, 20);
        rig_show(rig, rig_view(rig, "a"), pattern_new(20, 20, 1));
        begin_ns = rig->screen->last_frame_ns + 10 * PERIOD_NS;
        timer_stop(&rig->screen->frame_timer);
        assert_true(next_frame_ns(rig, begin_ns) == begin_ns);
        return begin_ns;
}

static void frames_that_run_late_keep_the_rate(void **state)
{
        struct rig *rig = *state;
        uint64_t begin_ns = begin_beat(rig);

        for (unsigned i = 1; i < 100; i++) {
                screen_frame(rig->screen, begin_ns + (i - 1) * PERIOD_NS + NSEC_PER_MSEC);
                assert_true(next_frame_ns(rig, begin_ns + (i - 1) * PERIOD_NS + 2 * NSEC_PER_MSEC) ==
                            begin_ns + i * PERIOD_NS);
        }
}

static void a_frame_that_is_late_by_a_period_begins_a_new_beat(void **state)
{
        struct rig *rig = *state;
        uint64_t begin_ns = begin_beat(rig);

        screen_frame(rig->screen, begin_ns + PERIOD_NS);
        assert_true(next_frame_ns(rig, begin_ns + PERIOD_NS + 1) == begin_ns + 2 * PERIOD_NS);
}

static void an_output_that_lost_its_content_gets_all_of_it(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 0, 0, 20, 20);
        rig_open(rig, 40, 20);
        rig_show(rig, rig_view(rig, "a"), pattern_new(20, 20, 1));
        rig->recorder->output.redraw(rig->recorder->output.data);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_pixels, 40 * 20);
        assert_int_equal(rig->screen->stats.n_frames, 2);
}

static void told_mode(void *data) { ++*(int *) data; }

static void a_guest_is_told_of_another_mode(void **state)
{
        struct rig *rig = *state;
        struct view_mode mode;
        int n_told = 0;

        rig_add_display(rig, "a", 0, 0, 20, 20);
        rig_open(rig, 40, 20);
        mode = view_get_mode(rig_view(rig, "a"));
        assert_true(mode.width == 20 && mode.height == 20 && mode.rate_hz == 50);
        view_on_mode(rig_view(rig, "a"), told_mode, &n_told);
        assert_int_equal(screen_set_mode(rig->screen, "a", 640, 480), 0);
        mode = view_get_mode(rig_view(rig, "a"));
        assert_true(mode.width == 640 && mode.height == 480 && n_told == 1);
        assert_int_equal(screen_set_mode(rig->screen, "b", 640, 480), -ENOENT);
        assert_int_equal(screen_set_mode(rig->screen, "a", 0, 480), -EINVAL);
        assert_int_equal(screen_set_mode(rig->screen, "a", 640, SCENE_PIXELS_MAX + 1), -EINVAL);
        view_on_mode(rig_view(rig, "a"), NULL, NULL);
        assert_int_equal(screen_set_mode(rig->screen, "a", 800, 600), 0);
        assert_int_equal(n_told, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_picture_is_shown_pixel_for_pixel_at_its_region),
                CASE(a_part_of_a_picture_is_shown),
                CASE(the_display_of_higher_order_is_in_front),
                CASE(of_equal_order_the_later_is_in_front),
                CASE(a_hidden_part_costs_nothing),
                CASE(only_what_was_flushed_is_drawn_anew),
                CASE(nothing_is_presented_while_nothing_changes),
                CASE(many_small_flushes_are_one_bounded_damage),
                CASE(pictures_of_other_layouts_are_converted),
                CASE(a_guest_that_goes_leaves_the_fallback),
                CASE(a_picture_that_is_being_written_waits_for_a_later_frame),
                CASE(a_late_view_is_tried_again_before_the_next_frame),
                CASE(a_view_that_stays_late_is_tried_with_frames_only),
                CASE(a_frame_stays_as_it_is_while_it_is_held),
                CASE(a_flush_shows_all_that_was_written_before_it),
                CASE(a_guest_that_draws_into_what_is_shown_is_not_late),
                CASE(frames_come_at_once_and_then_at_the_rate),
                CASE(frames_that_run_late_keep_the_rate),
                CASE(a_frame_that_is_late_by_a_period_begins_a_new_beat),
                CASE(an_output_that_lost_its_content_gets_all_of_it),
                CASE(a_guest_is_told_of_another_mode),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
