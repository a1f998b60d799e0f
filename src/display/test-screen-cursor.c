/* SPDX-License-Identifier: MPL-2.0 */
/* Cursors of guests, drawn over their views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "display/test-rig-display.h"

#define VIEW 0x203040u
#define CURSOR 0xffffffu

/* Opaque, 8x8 pixels. */
static struct picture *new_cursor(void)
{
        struct picture *p;

        assert_int_equal(picture_new(PIXMAN_a8r8g8b8, 8, 8, &p), 0);
        picture_paint(p, 0, 0, 8, 8, 0xff000000 | CURSOR);
        return p;
}

static struct view *open_with_cursor(struct rig *rig, uint32_t hot_x, uint32_t hot_y)
{
        struct picture *cursor = new_cursor();
        struct view *v;

        rig_add_display(rig, "a", 10, 10, 60, 40);
        rig_open(rig, 100, 60);
        v = rig_view(rig, "a");
        rig_show(rig, v, plain_new(60, 40, VIEW));
        assert_int_equal(view_set_cursor(v, cursor, hot_x, hot_y), 0);
        picture_unref(cursor);
        view_move_cursor(v, 20, 20);
        rig_frame(rig, 20);
        return v;
}

static void a_cursor_is_drawn_at_its_hot_spot(void **state)
{
        struct rig *rig = *state;

        open_with_cursor(rig, 3, 2);
        assert_plain(rig, 27, 28, 8, 8, CURSOR);
        assert_plain(rig, 10, 10, 60, 18, VIEW);
        assert_plain(rig, 10, 28, 17, 8, VIEW);
        assert_plain(rig, 35, 28, 35, 8, VIEW);
        assert_plain(rig, 10, 36, 60, 14, VIEW);
        assert_int_equal(rig->recorder->n_pixels, 8 * 8);
}

static void a_moved_cursor_repaints_no_more_than_both_places(void **state)
{
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 0, 0);
        unsigned n_frames;

        view_move_cursor(v, 45, 25);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_pixels, 2 * 8 * 8);
        assert_plain(rig, 30, 30, 8, 8, VIEW);
        assert_plain(rig, 55, 35, 8, 8, CURSOR);
        n_frames = rig->recorder->n_frames;
        view_move_cursor(v, 45, 25);
        rig_frame(rig, 20);
        assert_int_equal(rig->recorder->n_frames, n_frames);
}

static void at_its_views_edges_a_cursor_is_cut_off(void **state)
{
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 4, 4);

        view_move_cursor(v, 0, 0);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 4, 4, CURSOR);
        assert_plain(rig, 14, 10, 56, 4, VIEW);
        view_move_cursor(v, 60, 40);
        rig_frame(rig, 20);
        assert_plain(rig, 66, 46, 4, 4, CURSOR);
        assert_plain(rig, 10, 10, 60, 36, VIEW);
        view_move_cursor(v, INT32_MAX, INT32_MAX);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 60, 40, VIEW);
        assert_plain(rig, 0, 0, 100, 10, RIG_BACKGROUND);
        assert_plain(rig, 70, 10, 30, 50, RIG_BACKGROUND);
        assert_plain(rig, 0, 50, 100, 10, RIG_BACKGROUND);
        assert_plain(rig, 0, 10, 10, 50, RIG_BACKGROUND);
}

static void hot_spot_may_lie_to_the_left_and_above(void **state)
{
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 1, 1);

        view_move_cursor(v, (uint32_t) -2, (uint32_t) -4);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 5, 3, CURSOR);
        assert_plain(rig, 15, 10, 55, 40, VIEW);
        assert_plain(rig, 10, 13, 60, 37, VIEW);
}

static void any_hot_spot_is_survived(void **state)
{
        static const uint32_t values[] = { 0, 1, 8, 63, INT32_MAX, (uint32_t) INT32_MAX + 1, UINT32_MAX };
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 0, 0);
        struct picture *cursor = new_cursor();

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
                        assert_int_equal(view_set_cursor(v, cursor, values[i], values[k]), 0);
                        view_move_cursor(v, values[k], values[i]);
                        rig_frame(rig, 20);
                }
        }
        picture_unref(cursor);
        assert_plain(rig, 0, 0, 100, 10, RIG_BACKGROUND);
}

static void a_cursor_shows_what_changes_below_it(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(plain_new(60, 40, 0x808080));
        struct picture *cursor;

        rig_add_display(rig, "a", 10, 10, 60, 40);
        rig_open(rig, 100, 60);
        rig_show_surface(rig, rig_view(rig, "a"), p);
        assert_int_equal(picture_new(PIXMAN_a8r8g8b8, 8, 8, &cursor), 0);
        picture_paint(cursor, 0, 0, 4, 8, 0xff0000ff);
        assert_int_equal(view_set_cursor(rig_view(rig, "a"), cursor, 0, 0), 0);
        picture_unref(cursor);
        rig_frame(rig, 20);
        surface_paint(p, 2, 2, 4, 4, 0x00ff00);
        flush(rig_view(rig, "a"), 2, 2, 4, 4);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 4, 8, 0x0000ff);
        assert_plain(rig, 14, 12, 2, 4, 0x00ff00);
        assert_plain(rig, 14, 10, 4, 2, 0x808080);
        surface_unref(p);
}

static void a_cursor_without_picture_is_gone(void **state)
{
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 0, 0);

        assert_int_equal(view_set_cursor(v, NULL, 0, 0), 0);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 60, 40, VIEW);
        assert_int_equal(rig->recorder->n_pixels, 8 * 8);
}

static void without_a_shown_picture_there_is_no_cursor(void **state)
{
        struct rig *rig = *state;
        struct view *v = open_with_cursor(rig, 0, 0);

        assert_int_equal(view_show(v, NULL, NULL), 0);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 60, 40, 0);
        view_move_cursor(v, 30, 30);
        rig_frame(rig, 20);
        assert_plain(rig, 10, 10, 60, 40, 0);
        rig_show(rig, v, plain_new(60, 40, VIEW));
        assert_plain(rig, 40, 40, 8, 8, CURSOR);
}

static void a_cursor_is_hidden_by_displays_in_front(void **state)
{
        struct rig *rig = *state;
        struct view *v;

        rig_add_display(rig, "front", 35, 0, 40, 60)->order = 1;
        v = open_with_cursor(rig, 0, 0);
        assert_plain(rig, 30, 30, 5, 8, CURSOR);
        assert_plain(rig, 35, 0, 40, 60, 0);
        view_move_cursor(v, 22, 22);
        rig_frame(rig, 20);
        assert_plain(rig, 35, 0, 40, 60, 0);
}

static void a_cursor_grows_with_its_view(void **state)
{
        struct rig *rig = *state;
        struct picture *cursor = new_cursor();
        struct view *v;

        rig_add_display(rig, "a", 10, 10, 60, 40)->scaling = SCALING_STRETCH;
        rig_open(rig, 100, 60);
        v = rig_view(rig, "a");
        rig_show(rig, v, plain_new(30, 20, VIEW));
        assert_int_equal(view_set_cursor(v, cursor, 1, 1), 0);
        picture_unref(cursor);
        view_move_cursor(v, 6, 6);
        rig_frame(rig, 20);
        assert_plain(rig, 20, 20, 16, 16, CURSOR);
        assert_plain(rig, 10, 10, 60, 10, VIEW);
        assert_plain(rig, 10, 36, 60, 14, VIEW);
        assert_plain(rig, 10, 20, 10, 16, VIEW);
        assert_plain(rig, 36, 20, 34, 16, VIEW);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_cursor_is_drawn_at_its_hot_spot),
                CASE(a_moved_cursor_repaints_no_more_than_both_places),
                CASE(at_its_views_edges_a_cursor_is_cut_off),
                CASE(hot_spot_may_lie_to_the_left_and_above),
                CASE(any_hot_spot_is_survived),
                CASE(a_cursor_shows_what_changes_below_it),
                CASE(a_cursor_without_picture_is_gone),
                CASE(without_a_shown_picture_there_is_no_cursor),
                CASE(a_cursor_is_hidden_by_displays_in_front),
                CASE(a_cursor_grows_with_its_view),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
