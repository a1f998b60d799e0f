/* SPDX-License-Identifier: MPL-2.0 */
/* Pictures that are larger or smaller than their display. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "display/placement.h"
#include "display/test-rig-display.h"

static void without_scaling_the_rest_is_background(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 10, 10, 40, 30)->fallback_colour = 0x00ff00;
        rig_open(rig, 60, 50);
        rig_show(rig, rig_view(rig, "a"), pattern_new(25, 20, 1));
        assert_pattern(rig, 10, 10, 25, 20, 1, 0, 0);
        assert_plain(rig, 35, 10, 15, 30, RIG_BACKGROUND);
        assert_plain(rig, 10, 30, 25, 10, RIG_BACKGROUND);
}

static void without_scaling_a_larger_picture_is_cut_off(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 10, 10, 40, 30);
        rig_add_display(rig, "at-the-edge", 50, 40, 40, 30);
        rig_open(rig, 60, 50);
        rig_show(rig, rig_view(rig, "a"), pattern_new(100, 100, 1));
        rig_show(rig, rig_view(rig, "at-the-edge"), pattern_new(100, 100, 2));
        assert_pattern(rig, 10, 10, 40, 30, 1, 0, 0);
        assert_pattern(rig, 50, 40, 10, 10, 2, 0, 0);
        assert_plain(rig, 50, 10, 10, 30, RIG_BACKGROUND);
        assert_plain(rig, 10, 40, 40, 10, RIG_BACKGROUND);
}

static void whole_multiples_stay_sharp(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 5, 5, 60, 60)->scaling = SCALING_STRETCH;
        rig_open(rig, 70, 70);
        rig_show(rig, rig_view(rig, "a"), pattern_new(20, 30, 1));
        for (uint32_t y = 0; y < 30; y++)
                for (uint32_t x = 0; x < 20; x++)
                        assert_plain(rig, 5 + x * 3, 5 + y * 2, 3, 2, pattern_pixel(x, y, 1));
        assert_plain(rig, 0, 0, 70, 5, RIG_BACKGROUND);
        assert_plain(rig, 65, 5, 5, 60, RIG_BACKGROUND);
}

static void fitted_pictures_keep_their_proportions(void **state)
{
        struct rig *rig = *state;
        struct scene_display *d = rig_add_display(rig, "a", 10, 10, 80, 40);

        d->scaling = SCALING_FIT;
        d->fallback_colour = 0x00ff00;
        rig_open(rig, 100, 60);
        rig_show(rig, rig_view(rig, "a"), plain_new(20, 20, 0x123456));
        assert_plain(rig, 30, 10, 40, 40, 0x123456);
        assert_plain(rig, 10, 10, 20, 40, RIG_BACKGROUND);
        assert_plain(rig, 70, 10, 20, 40, RIG_BACKGROUND);
        rig_show(rig, rig_view(rig, "a"), plain_new(1000, 100, 0x654321));
        assert_plain(rig, 10, 26, 80, 8, 0x654321);
        assert_plain(rig, 10, 10, 80, 16, RIG_BACKGROUND);
        assert_plain(rig, 10, 34, 80, 16, RIG_BACKGROUND);
        rig_show(rig, rig_view(rig, "a"), plain_new(80, 40, 0xabcdef));
        assert_plain(rig, 10, 10, 80, 40, 0xabcdef);
}

static void stretched_pictures_fill_their_region_and_no_more(void **state)
{
        static const uint32_t sizes[][2] = { { 1, 1 },     { 7, 13 },    { 39, 31 },  { 41, 29 },
                                             { 640, 480 }, { 16384, 3 }, { 3, 16384 } };
        struct rig *rig = *state;

        rig_add_display(rig, "a", 10, 10, 40, 30)->scaling = SCALING_STRETCH;
        rig_open(rig, 60, 50);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                rig_show(rig, rig_view(rig, "a"), plain_new(sizes[i][0], sizes[i][1], 0x111111 * (uint32_t) (i + 1)));
                assert_plain(rig, 10, 10, 40, 30, 0x111111 * (uint32_t) (i + 1));
                assert_plain(rig, 0, 0, 60, 10, RIG_BACKGROUND);
                assert_plain(rig, 0, 40, 60, 10, RIG_BACKGROUND);
                assert_plain(rig, 0, 10, 10, 30, RIG_BACKGROUND);
                assert_plain(rig, 50, 10, 10, 30, RIG_BACKGROUND);
        }
}

static void pixels_beyond_the_shown_part_are_not_mixed_in(void **state)
{
        struct rig *rig = *state;
        struct surface *p = as_surface(plain_new(100, 100, 0xffffff));

        rig_add_display(rig, "a", 0, 0, 47, 31)->scaling = SCALING_STRETCH;
        rig_open(rig, 47, 31);
        surface_paint(p, 30, 30, 20, 20, 0x000000);
        assert_int_equal(view_show(rig_view(rig, "a"), p, &(struct rectangle){ 30, 30, 20, 20 }), 0);
        rig_frame(rig, 20);
        assert_plain(rig, 0, 0, 47, 31, 0x000000);
        surface_unref(p);
}

/* Bilinear pixels depend on neighbours: damage has to reach far enough, for any ratio. */
static void repainting_what_was_flushed_equals_repainting_all(void **state)
{
        static const uint32_t sizes[][2] = { { 31, 17 }, { 64, 48 }, { 200, 10 }, { 97, 89 },
                                             { 40, 30 }, { 20, 10 }, { 301, 211 } };
        struct rig *rig = *state;
        uint32_t random = 12345;

        rig_add_display(rig, "a", 3, 4, 80, 60)->scaling = SCALING_STRETCH;
        rig_add_display(rig, "b", 83, 4, 80, 60)->scaling = SCALING_STRETCH;
        rig_open(rig, 170, 70);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                uint32_t width = sizes[i][0], height = sizes[i][1];
                struct surface *p = as_surface(pattern_new(width, height, (uint32_t) i));

                rig_show_surface(rig, rig_view(rig, "a"), p);
                for (int k = 0; k < 50; k++) {
                        uint32_t x = (random = random * 1664525 + 1013904223) % width, y = (random >> 8) % height;
                        uint32_t w = (random >> 16) % (width - x) + 1, h = (random >> 20) % (height - y) + 1;

                        surface_paint(p, x, y, w, h, random & 0xffffff);
                        flush(rig_view(rig, "a"), x, y, w, h);
                        assert_int_equal(view_show(rig_view(rig, "b"), p, &(struct rectangle){ 0, 0, width, height }),
                                         0);
                        rig_frame(rig, 20);
                        for (uint32_t row = 4; row < 64; row++)
                                for (uint32_t column = 3; column < 83; column++)
                                        if (rig_pixel(rig, column, row) != rig_pixel(rig, column + 80, row))
                                                fail_msg("%ux%u, flush %u,%u %ux%u: pixel %u,%u", width, height, x, y,
                                                         w, h, column, row);
                }
                surface_unref(p);
        }
}

static void a_small_flush_of_a_scaled_picture_damages_little(void **state)
{
        struct rig *rig = *state;

        rig_add_display(rig, "a", 0, 0, 300, 300)->scaling = SCALING_STRETCH;
        rig_open(rig, 300, 300);
        rig_show(rig, rig_view(rig, "a"), pattern_new(200, 200, 1));
        flush(rig_view(rig, "a"), 100, 100, 2, 2);
        rig_frame(rig, 20);
        assert_true(rig->recorder->n_pixels <= 7 * 7);
        assert_true(rig->recorder->damage.x1 <= 148 && rig->recorder->damage.x2 >= 153);
}

static void extreme_proportions_have_at_least_a_line(void **state)
{
        struct placement p;
        struct rectangle region = { 100, 100, 800, 600 };
        struct pixman_box32 box;

        placement_init(&p, SCALING_FIT, &region, 16384, 1);
        assert_int_equal(p.target.y2 - p.target.y1, 1);
        assert_int_equal(p.target.x2 - p.target.x1, 800);
        box = placement_map(&p, &(struct rectangle){ 0, 0, 16384, 1 });
        assert_memory_equal(&box, &p.target, sizeof(box));
        placement_init(&p, SCALING_FIT, &region, 1, 16384);
        assert_int_equal(p.target.x2 - p.target.x1, 1);
        assert_int_equal(p.target.y2 - p.target.y1, 600);
}

static void damage_of_any_part_stays_within_the_target(void **state)
{
        struct rectangle region = { 5, 7, 16000, 9 };
        struct placement p;

        for (uint32_t width = 1; width <= 16384; width = width * 3 + 1) {
                placement_init(&p, SCALING_STRETCH, &region, width, 5);
                for (uint32_t x = 0; x < width; x += width / 7 + 1) {
                        struct pixman_box32 box = placement_map(&p, &(struct rectangle){ x, 4, width - x, 1 });

                        assert_true(box.x1 >= p.target.x1 && box.x2 == p.target.x2 && box.x1 < box.x2);
                        assert_true(box.y1 >= p.target.y1 && box.y2 == p.target.y2 && box.y1 < box.y2);
                }
        }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(without_scaling_the_rest_is_background),
                CASE(without_scaling_a_larger_picture_is_cut_off),
                CASE(whole_multiples_stay_sharp),
                CASE(fitted_pictures_keep_their_proportions),
                CASE(stretched_pictures_fill_their_region_and_no_more),
                CASE(pixels_beyond_the_shown_part_are_not_mixed_in),
                CASE(repainting_what_was_flushed_equals_repainting_all),
                CASE(a_small_flush_of_a_scaled_picture_damages_little),
                CASE(extreme_proportions_have_at_least_a_line),
                CASE(damage_of_any_part_stays_within_the_target),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
