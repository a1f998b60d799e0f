/* SPDX-License-Identifier: MPL-2.0 */
/* What is held stays as it is, and what can be held is always whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "display/picture.h"
#include "display/surface.h"

#define WIDTH 32
#define HEIGHT 16
#define HOLDERS 4
#define ROWS(n) ((size_t) (n) * 4096) /* as they count */

struct content {
        uint32_t pixels[HEIGHT][WIDTH];
};

static void draw(struct picture *p, const pixman_box32_t *box, uint32_t value)
{
        for (int y = box->y1; y < box->y2; y++)
                for (int x = box->x1; x < box->x2; x++)
                        ((uint32_t *) (void *) (p->pixels + (size_t) y * p->stride_bytes))[x] = value;
}

static void draw_content(struct content *c, const pixman_box32_t *box, uint32_t value)
{
        for (int y = box->y1; y < box->y2; y++)
                for (int x = box->x1; x < box->x2; x++)
                        c->pixels[y][x] = value;
}

static bool is_same(const struct picture *p, const struct content *c)
{
        for (size_t y = 0; y < HEIGHT; y++)
                if (memcmp(p->pixels + y * p->stride_bytes, c->pixels[y], sizeof(c->pixels[y])) != 0)
                        return false;
        return true;
}

/* What a guest does: writes a box, flushes. */
static void write_box(struct surface *s, struct content *expected, const pixman_box32_t *box, uint32_t value)
{
        struct picture *p;

        assert_int_equal(surface_begin(s, &p), 0);
        draw(p, box, value);
        draw_content(expected, box, value);
        surface_end_box(s, box, true);
}

static struct picture *hold(struct surface *s, const struct picture *old, pixman_region32_t *changed)
{
        struct picture *p = NULL;
        pixman_region32_t ignored;

        pixman_region32_init(&ignored);
        assert_true(surface_try_hold(s, old, &p, changed ?: &ignored));
        pixman_region32_fini(&ignored);
        return p;
}

static struct surface *new_surface(void)
{
        struct surface *s;
        struct picture *p;

        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, &p), 0);
        assert_int_equal(surface_new(p, &s), 0);
        assert_int_equal(surface_size_bytes(s), p->size_bytes);
        return s;
}

static void nothing_is_exchanged_while_nobody_holds_anything(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *first, *p;

        first = hold(s, NULL, NULL);
        picture_unref(first);
        for (uint32_t i = 1; i < 10; i++)
                write_box(s, &expected, &(pixman_box32_t) { 1, 1, 4, 4 }, i);
        p = hold(s, NULL, NULL);
        assert_ptr_equal(p, first);
        assert_true(is_same(p, &expected));
        picture_unref(p);
        surface_unref(s);
}

static void while_it_is_written_only_what_was_complete_is_seen(void **state)
{
        struct surface *s = new_surface();
        struct content before = { 0 }, expected;
        struct picture *held, *p, *q;

        write_box(s, &before, &(pixman_box32_t) { 0, 0, WIDTH, HEIGHT }, 7);
        expected = before;
        held = hold(s, NULL, NULL);
        write_box(s, &expected, &(pixman_box32_t) { 3, 3, 9, 9 }, 8);
        p = hold(s, held, NULL); /* nothing was flushed */
        assert_ptr_equal(p, held);
        assert_int_equal(surface_begin(s, &q), 0);
        assert_ptr_not_equal(q, held);
        picture_unref(p);
        p = hold(s, held, NULL); /* in the middle of a copy */
        assert_ptr_equal(p, held);
        surface_end_box(s, &(pixman_box32_t) { 0, 0, 1, 1 }, false);
        surface_settle(s);
        picture_unref(p);
        p = hold(s, held, NULL);
        assert_ptr_equal(p, q);
        assert_true(is_same(p, &expected));
        assert_true(is_same(held, &before));
        picture_unref(p);
        picture_unref(held);
        surface_unref(s);
}

static void what_nobody_holds_yet_cannot_be_held_while_it_is_written(void **state)
{
        struct surface *s = new_surface();
        struct picture *p, *q;
        pixman_region32_t changed;

        pixman_region32_init(&changed);
        assert_int_equal(surface_begin(s, &p), 0);
        assert_false(surface_try_hold(s, NULL, &q, &changed));
        surface_end_box(s, &(pixman_box32_t) { 0, 0, 1, 1 }, true);
        assert_true(surface_try_hold(s, NULL, &q, &changed));
        assert_ptr_equal(p, q);
        picture_unref(q);
        pixman_region32_fini(&changed);
        surface_unref(s);
}

/* A guest that is faster than composition. */
static void what_was_settled_stays_until_it_is_held(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 }, flushed;
        struct picture *p, *q;

        for (uint32_t i = 1; i < 20; i++) {
                write_box(s, &expected, &(pixman_box32_t) { (int) i, 0, (int) i + 9, 9 }, i);
                surface_settle(s);
                flushed = expected;
                write_box(s, &expected, &(pixman_box32_t) { 1, 1, 4, 4 }, 100 + i);
                assert_int_equal(surface_begin(s, &p), 0);
                q = hold(s, NULL, NULL); /* in the middle of a copy, too */
                assert_ptr_not_equal(p, q);
                assert_true(is_same(q, &flushed));
                surface_end_box(s, &(pixman_box32_t) { 0, 0, 1, 1 }, false);
                if (i % 2)
                        picture_unref(q);
                surface_settle(s);
                p = hold(s, NULL, NULL);
                assert_true(is_same(p, &expected));
                picture_unref(p);
                if (i % 2 == 0)
                        picture_unref(q);
        }
        surface_unref(s);
}

static void spare_pictures_are_given_back(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *held, *spare, *p;

        held = hold(s, NULL, NULL);
        write_box(s, &expected, &(pixman_box32_t) { 0, 0, 4, 4 }, 1);
        surface_settle(s);
        spare = hold(s, NULL, NULL);
        assert_ptr_not_equal(spare, held);
        surface_set_idle(s, true);
        assert_false(picture_is_held(held)); /* but by us */
        assert_true(picture_is_held(spare));
        write_box(s, &expected, &(pixman_box32_t) { 4, 4, 6, 6 }, 2);
        surface_settle(s);
        p = hold(s, NULL, NULL);
        assert_true(is_same(p, &expected));
        picture_unref(p);
        picture_unref(held);
        picture_unref(spare);
        surface_unref(s);
}

/* Boxes of many sizes: what is left becomes less each time, and it takes a while. */
static void what_is_lacking_can_be_copied_in_parts(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *held, *p;
        unsigned n = 1;

        write_box(s, &expected, &(pixman_box32_t) { 0, 0, WIDTH, HEIGHT }, 1);
        surface_settle(s);
        assert_true(surface_catch_up(s, 1));
        held = hold(s, NULL, NULL);
        write_box(s, &expected, &(pixman_box32_t) { 4, 4, 12, 6 }, 2);
        write_box(s, &expected, &(pixman_box32_t) { 20, 5, 21, 6 }, 3);
        for (; !surface_catch_up(s, ROWS(2)); n++) {
                p = hold(s, held, NULL);
                assert_ptr_equal(p, held); /* not before it is settled */
                picture_unref(p);
        }
        assert_in_range(n, HEIGHT / 2, HEIGHT / 2 + 3);
        write_box(s, &expected, &(pixman_box32_t) { 30, 1, 31, 2 }, 4);
        assert_true(surface_catch_up(s, 1));
        surface_settle(s);
        p = hold(s, held, NULL);
        assert_ptr_not_equal(p, held);
        assert_true(is_same(p, &expected));
        picture_unref(p);
        picture_unref(held);
        surface_unref(s);
}

/* Each row may be in a page that was never touched. */
static void a_narrow_column_is_no_small_part(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *held;
        unsigned n = 1;

        held = hold(s, NULL, NULL);
        write_box(s, &expected, &(pixman_box32_t) { 1, 0, WIDTH, HEIGHT }, 1);
        while (!surface_catch_up(s, ROWS(1)))
                n++;
        assert_int_equal(n, HEIGHT);
        picture_unref(held);
        surface_unref(s);
}

/* A guest may transfer pixel by pixel: what is remembered of that has an end. */
static void no_pattern_of_writes_makes_regions_large(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *held, *p;
        pixman_region32_t changed;
        bool is_ragged = false;

        write_box(s, &expected, &(pixman_box32_t) { 0, 0, WIDTH, HEIGHT }, 1);
        surface_settle(s);
        held = hold(s, NULL, NULL);
        for (int y = 0; y < HEIGHT; y++)
                for (int x = y % 2; x < WIDTH; x += 2) {
                        write_box(s, &expected, &(pixman_box32_t) { x, y, x + 1, y + 1 }, 2);
                        is_ragged |= surface_is_ragged(s);
                        while (surface_is_ragged(s) && !surface_catch_up(s, 64))
                                ;
                }
        assert_true(is_ragged);
        surface_settle(s);
        pixman_region32_init(&changed);
        p = hold(s, held, &changed);
        assert_true(is_same(p, &expected));
        assert_in_range(pixman_region32_n_rects(&changed), 1, 128);
        assert_true(pixman_region32_contains_point(&changed, 0, 0, NULL));
        assert_true(pixman_region32_contains_point(&changed, WIDTH - 1, HEIGHT - 1, NULL));
        pixman_region32_fini(&changed);
        picture_unref(p);
        picture_unref(held);
        surface_unref(s);
}

static void while_nobody_is_to_look_there_is_one_picture(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct picture *held, *p, *q;

        held = hold(s, NULL, NULL);
        write_box(s, &expected, &(pixman_box32_t) { 0, 0, 4, 4 }, 1); /* not settled */
        surface_set_idle(s, true);
        assert_false(picture_is_held(held)); /* but by us */
        p = hold(s, held, NULL);
        assert_true(is_same(p, &expected));
        write_box(s, &expected, &(pixman_box32_t) { 2, 2, 8, 8 }, 2);
        assert_true(picture_is_held(p)); /* what it has is not copied amid a writing */
        surface_set_idle(s, true);
        assert_false(picture_is_held(p));
        q = hold(s, p, NULL);
        assert_true(is_same(q, &expected));
        picture_unref(p);
        picture_unref(q);
        write_box(s, &expected, &(pixman_box32_t) { 1, 1, 4, 4 }, 3);
        p = hold(s, NULL, NULL);
        assert_ptr_equal(p, q);
        assert_true(is_same(p, &expected));
        picture_unref(p);
        picture_unref(held);
        surface_unref(s);
}

/* False: something else changed. */
static bool has_changed_only_there(const struct content *a, const struct content *b, pixman_region32_t *changed)
{
        for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++)
                        if (a->pixels[y][x] != b->pixels[y][x] && !pixman_region32_contains_point(changed, x, y, NULL))
                                return false;
        return true;
}

/* Any writes, flushed or not, held by several for any time. */
static void held_pictures_stay_and_new_ones_are_whole(void **state)
{
        struct surface *s = new_surface();
        struct content expected = { 0 };
        struct {
                struct picture *picture;
                struct content content;
        } held[HOLDERS] = { 0 };

        srandom(42);
        for (uint32_t i = 1; i < 5000; i++) {
                pixman_box32_t box = { (int) (random() % WIDTH), (int) (random() % HEIGHT), 0, 0 };
                size_t k = (size_t) random() % HOLDERS;
                pixman_region32_t changed;
                struct picture *p;

                box.x2 = box.x1 + 1 + (int) (random() % (WIDTH - box.x1));
                box.y2 = box.y1 + 1 + (int) (random() % (HEIGHT - box.y1));
                write_box(s, &expected, &box, i);
                for (size_t h = 0; h < HOLDERS; h++)
                        assert_true(!held[h].picture || is_same(held[h].picture, &held[h].content));
                if (random() % 4 == 0) {
                        picture_unref(held[k].picture);
                        held[k].picture = NULL;
                }
                if (random() % 50 == 0)
                        surface_set_idle(s, random() % 2);
                if (random() % 3 == 0)
                        continue;
                surface_settle(s);
                pixman_region32_init(&changed);
                p = hold(s, held[k].picture, &changed);
                assert_true(is_same(p, &expected));
                if (held[k].picture)
                        assert_true(has_changed_only_there(&held[k].content, &expected, &changed));
                else
                        assert_int_equal(pixman_region32_extents(&changed)->x2, WIDTH);
                pixman_region32_fini(&changed);
                picture_unref(held[k].picture);
                held[k].picture = p;
                held[k].content = expected;
        }
        for (size_t h = 0; h < HOLDERS; h++)
                picture_unref(held[h].picture);
        surface_unref(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_exchanged_while_nobody_holds_anything),
                cmocka_unit_test(while_it_is_written_only_what_was_complete_is_seen),
                cmocka_unit_test(what_nobody_holds_yet_cannot_be_held_while_it_is_written),
                cmocka_unit_test(what_was_settled_stays_until_it_is_held),
                cmocka_unit_test(spare_pictures_are_given_back),
                cmocka_unit_test(what_is_lacking_can_be_copied_in_parts),
                cmocka_unit_test(a_narrow_column_is_no_small_part),
                cmocka_unit_test(no_pattern_of_writes_makes_regions_large),
                cmocka_unit_test(while_nobody_is_to_look_there_is_one_picture),
                cmocka_unit_test(held_pictures_stay_and_new_ones_are_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
