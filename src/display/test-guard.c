/* SPDX-License-Identifier: MPL-2.0 */
/* Rules of guards, by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "display/guard-look.h"
#include "display/test-rig-display.h"

#define COVER 0xff0000u
#define LIMIT_MS 200

struct told {
        unsigned n_violated, n_ended;
        uint64_t time_ns;
        char guard[32], display[32];
};

static void on_guard(const struct screen_guard_event *e, void *data)
{
        struct told *told = data;

        if (e->violated)
                told->n_violated++;
        else
                told->n_ended++;
        told->time_ns = e->time_ns;
        (void) snprintf(told->guard, sizeof(told->guard), "%s", e->guard);
        (void) snprintf(told->display, sizeof(told->display), "%s", e->display);
}

/* One display of 60x40 at 10,10 with a guard of 10x10 at 5,5 of it; the view is returned. */
static struct view *open_guarded(struct rig *rig, enum scene_rule rule, uint32_t *allowed, size_t n_allowed,
                                 struct told *told)
{
        struct scene_display *d = rig_add_display(rig, "cluster", 10, 10, 60, 40);
        struct scene_guard *g = rig_add_guard(rig, d, "telltale", rule, 5, 5, 10, 10);

        g->allowed = allowed;
        g->n_allowed = n_allowed;
        rig_open(rig, 100, 60);
        *told = (struct told){ 0 };
        screen_on_guard(rig->screen, on_guard, told);
        return rig_view(rig, "cluster");
}

static void assert_covered(const struct rig *rig) { assert_plain(rig, 15, 15, 10, 10, COVER); }

static bool is_covered(const struct rig *rig) { return rig_pixel(rig, 15, 15) == COVER; }

/* The screen's guard timer, by the test's clock: goes on to the next deadline; false if it is after @end_ns. */
static bool run_timer(struct rig *rig, uint64_t end_ns)
{
        const struct timer *t = &rig->screen->guard_timer;

        if (!t->loop || t->deadline_ns > end_ns)
                return false;
        rig->now_ns = MAX(rig->now_ns, t->deadline_ns);
        screen_check(rig->screen, rig->now_ns);
        return true;
}

static void pass(struct rig *rig, unsigned ms)
{
        uint64_t end_ns = rig->now_ns + ms * NSEC_PER_MSEC;

        while (run_timer(rig, end_ns))
                ;
        rig->now_ns = end_ns;
}

static void fresh_holds_while_the_guest_flushes(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);

        rig_show(rig, v, pattern_new(60, 40, 1));
        for (int i = 0; i < 50; i++) {
                pass(rig, LIMIT_MS - 1);
                flush(v, 14, 14, 1, 1);
                rig_frame(rig, 1);
        }
        assert_int_equal(told.n_violated, 0);
        assert_pattern(rig, 10, 10, 60, 40, 1, 0, 0);
}

static void fresh_is_violated_right_after_the_limit(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        uint64_t last_ns;

        rig_show(rig, v, pattern_new(60, 40, 1));
        last_ns = rig->now_ns;
        pass(rig, LIMIT_MS);
        screen_check(rig->screen, rig->now_ns);
        assert_int_equal(told.n_violated, 0);
        pass(rig, 1);
        assert_int_equal(told.n_violated, 1);
        assert_true(told.time_ns - last_ns <= (LIMIT_MS + 1) * NSEC_PER_MSEC);
        assert_string_equal(told.guard, "telltale");
        assert_string_equal(told.display, "cluster");
        assert_covered(rig);
        assert_int_equal(rig->recorder->n_pixels, 10 * 10);
        assert_pattern(rig, 10, 10, 60, 5, 1, 0, 0);
        assert_pattern(rig, 25, 15, 45, 10, 1, 15, 5);
}

static void it_ends_when_the_rule_holds_again(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);

        rig_show(rig, v, pattern_new(60, 40, 1));
        pass(rig, LIMIT_MS + 50);
        assert_covered(rig);
        flush(v, 0, 0, 60, 40);
        rig_frame(rig, 1);
        assert_int_equal(told.n_ended, 1);
        assert_pattern(rig, 10, 10, 60, 40, 1, 0, 0);
        pass(rig, LIMIT_MS + 50);
        assert_int_equal(told.n_violated, 2);
        assert_covered(rig);
}

static void flushes_beside_the_region_do_not_make_it_fresh(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);

        rig_show(rig, v, pattern_new(60, 40, 1));
        for (int i = 0; i < 25; i++) {
                pass(rig, 9);
                for (uint32_t k = 0; k < 60; k++) {
                        flush(v, k, 0, 1, 5);
                        flush(v, k, 15, 1, 25);
                }
                flush(v, 0, 0, 5, 40);
                flush(v, 15, 0, 45, 40);
                rig_frame(rig, 1);
        }
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
}

static void a_moving_cursor_does_not_make_a_region_fresh(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        struct picture *cursor = plain_new(4, 4, 0xffffffff);

        rig_show(rig, v, pattern_new(60, 40, 1));
        assert_int_equal(view_set_cursor(v, cursor, 0, 0), 0);
        picture_unref(cursor);
        for (uint32_t i = 0; i < 25; i++) {
                pass(rig, 9);
                view_move_cursor(v, 5 + i % 10, 5);
                rig_frame(rig, 1);
        }
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
}

static void a_guest_that_never_shows_anything_is_not_fresh(void **state)
{
        struct rig *rig = *state;
        struct told told;

        open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        pass(rig, LIMIT_MS + 1000);
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
}

static void a_guest_that_goes_is_found_by_all_rules(void **state)
{
        static const enum scene_rule rules[] = { RULE_FRESH, RULE_ONE_OF, RULE_LIT };
        struct rig *rig = *state;
        struct scene_display *d = rig_add_display(rig, "cluster", 10, 10, 60, 40);
        struct told told = { 0 };
        uint32_t allowed;
        struct picture *p = pattern_new(60, 40, 1);

        allowed = guard_crc(p, &(struct pixman_box32){ 20, 5, 30, 15 });
        for (uint32_t i = 0; i < 3; i++)
                rig_add_guard(rig, d, "guard", rules[i], 5 + i * 15, 5, 10, 10);
        d->guards[1].allowed = &allowed;
        d->guards[1].n_allowed = 1;
        rig_open(rig, 100, 60);
        screen_on_guard(rig->screen, on_guard, &told);
        rig_show(rig, rig_view(rig, "cluster"), p);
        pass(rig, LIMIT_MS - 10);
        assert_int_equal(told.n_violated, 0);
        assert_int_equal(view_show(rig_view(rig, "cluster"), NULL, NULL), 0);
        rig_frame(rig, 0);
        pass(rig, LIMIT_MS - 1);
        assert_int_equal(told.n_violated, 1); /* fresh counts from the last that was shown */
        pass(rig, 2);
        assert_int_equal(told.n_violated, 3);
        for (uint32_t i = 0; i < 3; i++)
                assert_plain(rig, 15 + i * 15, 15, 10, 10, COVER);
}

static void a_copy_that_never_ends_is_found(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        struct surface *p = as_surface(pattern_new(60, 40, 1));

        rig_show_surface(rig, v, p);
        (void) surface_stall(p);
        for (int i = 0; i < 25; i++) {
                flush(v, 0, 0, 60, 40);
                rig_frame(rig, 9);
                pass(rig, 1);
        }
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
        surface_go_on(p);
        rig_frame(rig, 1);
        assert_int_equal(told.n_ended, 1);
        surface_unref(p);
}

static void one_of_accepts_what_is_allowed(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct picture *p = plain_new(60, 40, 0);
        struct surface *s = as_surface(p);
        uint32_t allowed[2];
        struct view *v;

        picture_paint(p, 5, 5, 10, 10, 0x00ff00);
        allowed[0] = guard_crc(p, &(struct pixman_box32){ 5, 5, 15, 15 });
        picture_paint(p, 5, 5, 10, 10, 0xffaa00);
        allowed[1] = guard_crc(p, &(struct pixman_box32){ 5, 5, 15, 15 });
        v = open_guarded(rig, RULE_ONE_OF, allowed, 2, &told);
        rig_show_surface(rig, v, s);
        pass(rig, 1000);
        surface_paint(s, 5, 5, 10, 10, 0xf000ff00); /* the unused byte does not count */
        flush(v, 5, 5, 10, 10);
        rig_frame(rig, 1);
        pass(rig, 1000);
        assert_int_equal(told.n_violated, 0);
        surface_paint(s, 14, 14, 1, 1, 0x00fe00);
        flush(v, 14, 14, 1, 1);
        rig_frame(rig, 1);
        pass(rig, LIMIT_MS);
        assert_int_equal(told.n_violated, 0);
        pass(rig, 1);
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
        surface_paint(s, 14, 14, 1, 1, 0x00ff00);
        flush(v, 14, 14, 1, 1);
        rig_frame(rig, 1);
        pass(rig, 25);
        assert_int_equal(told.n_ended, 1);
        assert_plain(rig, 15, 15, 10, 10, 0x00ff00);
        surface_unref(s);
}

/* Looks are rare; the limit counts from the frame all the same. */
static void the_limit_counts_from_the_first_wrong_frame(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_LIT, NULL, 0, &told);
        struct surface *p = as_surface(pattern_new(60, 40, 1));

        rig_show_surface(rig, v, p);
        pass(rig, 100);
        flush(v, 5, 5, 10, 10);
        rig_frame(rig, 1); /* looked at now, and not again for 25 ms */
        surface_paint(p, 5, 5, 10, 10, 0);
        flush(v, 5, 5, 10, 10);
        rig_frame(rig, 1);
        pass(rig, LIMIT_MS - 1);
        assert_int_equal(told.n_violated, 0);
        pass(rig, 2);
        assert_int_equal(told.n_violated, 1);
        surface_unref(p);
}

static void a_flush_right_before_the_end_does_not_count(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);

        rig_show(rig, v, pattern_new(60, 40, 1));
        pass(rig, 150);
        flush(v, 0, 0, 60, 40);
        assert_int_equal(view_show(v, NULL, NULL), 0);
        rig_frame(rig, 1);
        pass(rig, 50);
        assert_int_equal(told.n_violated, 1);
}

static void a_flush_that_was_never_composed_does_not_count(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        struct surface *p = as_surface(pattern_new(60, 40, 1));

        rig_show_surface(rig, v, p);
        pass(rig, 150);
        (void) surface_stall(p);
        flush(v, 0, 0, 60, 40);
        rig_frame(rig, 1);
        assert_int_equal(view_show(v, NULL, NULL), 0);
        rig_frame(rig, 1);
        pass(rig, 50);
        assert_int_equal(told.n_violated, 1);
        surface_go_on(p);
        surface_unref(p);
}

static void blinking_is_right_if_it_is_right_in_time(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct picture *p = plain_new(60, 40, 0x00ff00);
        struct surface *s = as_surface(p);
        uint32_t allowed = guard_crc(p, &(struct pixman_box32){ 5, 5, 15, 15 });
        struct view *v = open_guarded(rig, RULE_ONE_OF, &allowed, 1, &told);

        rig_show_surface(rig, v, s);
        for (int i = 0; i < 20; i++) {
                surface_paint(s, 5, 5, 10, 10, i % 2 ? 0x00ff00 : 0);
                flush(v, 5, 5, 10, 10);
                rig_frame(rig, 0);
                pass(rig, 150);
        }
        assert_int_equal(told.n_violated, 0);
        surface_unref(s);
}

static void lit_wants_more_than_one_colour(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_LIT, NULL, 0, &told);
        struct picture *p = plain_new(60, 40, 0xffffff);
        struct surface *s = as_surface(p);

        picture_paint(p, 14, 14, 1, 1, 0xfffffe);
        rig_show_surface(rig, v, s);
        pass(rig, 1000);
        assert_int_equal(told.n_violated, 0);
        surface_paint(s, 14, 14, 1, 1, 0x7fffffff);
        flush(v, 14, 14, 1, 1);
        rig_frame(rig, 0);
        pass(rig, LIMIT_MS);
        assert_int_equal(told.n_violated, 0);
        pass(rig, 1);
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig);
        surface_unref(s);
}

static void what_hides_the_region_is_what_is_seen(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v;

        rig_add_display(rig, "over", 12, 12, 20, 20)->order = 1;
        v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        for (int i = 0; i < 25; i++) {
                rig_show(rig, v, pattern_new(60, 40, (uint32_t) i));
                pass(rig, 1);
        }
        assert_int_equal(told.n_violated, 1);
        assert_covered(rig); /* covers are in front of everything */
}

/* Sixty different frames a second would be as many checksums: the guard's own budget is less. */
static void a_guest_that_floods_cannot_make_looks_more_frequent(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_LIT, NULL, 0, &told);
        struct screen_stats stats;

        for (int i = 0; i < 1000; i++) {
                for (uint32_t k = 0; k < 50; k++)
                        flush(v, k, k % 40, 3, 3);
                rig_show(rig, v, pattern_new(60, 40, (uint32_t) i));
                rig->now_ns -= 19 * NSEC_PER_MSEC;
        }
        screen_get_stats(rig->screen, &stats);
        assert_in_range(stats.n_looks, 38, 42);
        assert_int_equal(stats.n_look_pixels, stats.n_looks * 100);
}

/* So that people can find out what to allow. */
static void keep_crc(const struct screen_guard_event *e, void *data)
{
        assert_true(e->has_crc);
        *(uint32_t *) data = e->crc;
}

static void the_crc_of_what_is_shown_can_be_asked_for(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct picture *p = pattern_new(60, 40, 1);
        struct view *v = open_guarded(rig, RULE_ONE_OF, NULL, 0, &told);
        uint32_t crc = 0;

        rig_show(rig, v, picture_ref(p));
        pass(rig, 100);
        screen_for_each_guard(rig->screen, keep_crc, &crc);
        assert_int_equal(crc, guard_crc(p, &(struct pixman_box32){ 5, 5, 15, 15 }));
        picture_unref(p);
}

static void nothing_is_looked_at_while_nothing_changes(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_LIT, NULL, 0, &told);
        struct screen_stats before, after;

        rig_show(rig, v, pattern_new(60, 40, 1));
        pass(rig, 100);
        screen_get_stats(rig->screen, &before);
        assert_null(rig->screen->guard_timer.loop);
        flush(v, 20, 20, 10, 10);
        rig_frame(rig, 20);
        screen_get_stats(rig->screen, &after);
        assert_int_equal(before.n_looks, after.n_looks);
}

/* A cover that comes damages only its region; the copy it lies in must be right everywhere else, also later. */
static void the_covered_picture_follows_the_rest(void **state)
{
        struct rig *rig = *state;
        struct told told;
        struct view *v = open_guarded(rig, RULE_FRESH, NULL, 0, &told);
        struct surface *p = as_surface(pattern_new(60, 40, 1));

        rig_show_surface(rig, v, p);
        pass(rig, LIMIT_MS + 1);
        assert_true(is_covered(rig));
        surface_paint(p, 30, 0, 10, 40, 0x777777);
        flush(v, 30, 0, 10, 40);
        rig_frame(rig, 20);
        assert_covered(rig);
        assert_plain(rig, 40, 10, 10, 40, 0x777777);
        assert_pattern(rig, 50, 10, 20, 40, 1, 40, 0);
        assert_plain(rig, 0, 0, 100, 10, RIG_BACKGROUND);
        surface_unref(p);
}

static void the_crc_is_that_of_zlib(void **state)
{
        struct picture *p = pattern_new(3000, 3, 7);
        uint8_t bytes[2 * 1500 * 4];
        size_t n = 0;

        for (uint32_t y = 1; y < 3; y++) {
                for (uint32_t x = 1000; x < 2500; x++) {
                        uint32_t c = pattern_pixel(x, y, 7);

                        bytes[n++] = (uint8_t) c;
                        bytes[n++] = (uint8_t) (c >> 8);
                        bytes[n++] = (uint8_t) (c >> 16);
                        bytes[n++] = 0;
                }
        }
        assert_int_equal(guard_crc(p, &(struct pixman_box32){ 1000, 1, 2500, 3 }), crc32(0, bytes, (uInt) n));
        picture_unref(p);
}

static void a_region_beyond_its_display_is_refused(void **state)
{
        struct rig *rig = *state;
        struct scene_display *d = rig_add_display(rig, "cluster", 10, 10, 60, 40);
        char *error = NULL;

        rig_add_guard(rig, d, "g", RULE_LIT, 55, 0, 10, 10);
        rig->screen_config = (struct scene_screen){ .name = (char *) "main", .width = 100, .height = 60 };
        assert_int_equal(screen_new(rig->loop, &rig->scene, 0, &rig->screen, &error), -EINVAL);
        assert_non_null(strstr(error, "leaves the display"));
        free(error);
        d->guards[0].region = (struct rectangle){ 40, 0, 20, 20 };
        rig->screen_config.width = 60;
        assert_int_equal(screen_new(rig->loop, &rig->scene, 0, &rig->screen, &error), -EINVAL);
        assert_non_null(strstr(error, "leaves the screen"));
        free(error);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(fresh_holds_while_the_guest_flushes),
                CASE(fresh_is_violated_right_after_the_limit),
                CASE(it_ends_when_the_rule_holds_again),
                CASE(flushes_beside_the_region_do_not_make_it_fresh),
                CASE(a_moving_cursor_does_not_make_a_region_fresh),
                CASE(a_guest_that_never_shows_anything_is_not_fresh),
                CASE(a_guest_that_goes_is_found_by_all_rules),
                CASE(a_copy_that_never_ends_is_found),
                CASE(one_of_accepts_what_is_allowed),
                CASE(the_limit_counts_from_the_first_wrong_frame),
                CASE(a_flush_right_before_the_end_does_not_count),
                CASE(a_flush_that_was_never_composed_does_not_count),
                CASE(blinking_is_right_if_it_is_right_in_time),
                CASE(lit_wants_more_than_one_colour),
                CASE(what_hides_the_region_is_what_is_seen),
                CASE(a_guest_that_floods_cannot_make_looks_more_frequent),
                CASE(the_crc_of_what_is_shown_can_be_asked_for),
                CASE(nothing_is_looked_at_while_nothing_changes),
                CASE(the_covered_picture_follows_the_rest),
                CASE(the_crc_is_that_of_zlib),
                CASE(a_region_beyond_its_display_is_refused),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
