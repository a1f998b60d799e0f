/* SPDX-License-Identifier: MPL-2.0 */
/* What outputs hold stays as it is, and what is composed on is always whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "display/canvas.h"
#include "display/picture.h"

#define WIDTH 32
#define HEIGHT 16
#define HOLDERS 4

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

static void frame(struct canvas_set *set, struct content *expected, const pixman_box32_t *box, uint32_t value)
{
        pixman_region32_t damage;

        pixman_region32_init_with_extents(&damage, box);
        assert_true(canvas_begin(set));
        draw(canvas_current(set)->picture, box, value);
        draw_content(expected, box, value);
        canvas_end(set, &damage);
        pixman_region32_fini(&damage);
}

static void nothing_is_exchanged_while_nobody_holds_anything(void **state)
{
        struct canvas_set set = { 0 };
        struct content expected = { 0 };

        assert_int_equal(canvas_set_init(&set, WIDTH, HEIGHT), 0);
        for (uint32_t i = 1; i < 10; i++)
                frame(&set, &expected, &(pixman_box32_t) { 1, 1, 4, 4 }, i);
        assert_int_equal(set.n, 1);
        assert_true(is_same(canvas_current(&set)->picture, &expected));
        canvas_set_deinit(&set);
}

static void a_frame_without_damage_changes_nothing(void **state)
{
        struct canvas_set set = { 0 };
        struct content expected = { 0 };
        struct picture *held;
        pixman_region32_t none;

        pixman_region32_init(&none);
        assert_int_equal(canvas_set_init(&set, WIDTH, HEIGHT), 0);
        frame(&set, &expected, &(pixman_box32_t) { 0, 0, WIDTH, HEIGHT }, 7);
        held = picture_ref(canvas_current(&set)->picture);
        assert_true(canvas_begin(&set));
        assert_ptr_not_equal(canvas_current(&set)->picture, held);
        draw(canvas_current(&set)->picture, &(pixman_box32_t) { 0, 0, 3, 3 }, 99); /* a view that was given up half-way */
        canvas_end(&set, &none);
        assert_ptr_equal(canvas_current(&set)->picture, held);
        frame(&set, &expected, &(pixman_box32_t) { 20, 5, 21, 6 }, 8);
        assert_true(is_same(canvas_current(&set)->picture, &expected));
        picture_unref(held);
        canvas_set_deinit(&set);
}

/* Any damage, held by several for any time. */
static void held_frames_stay_and_new_ones_are_whole(void **state)
{
        struct canvas_set set = { 0 };
        struct content expected = { 0 };
        struct {
                struct picture *picture;
                struct content content;
        } held[HOLDERS] = { 0 };

        srandom(42);
        assert_int_equal(canvas_set_init(&set, WIDTH, HEIGHT), 0);
        for (uint32_t i = 1; i < 5000; i++) {
                pixman_box32_t box = { (int) (random() % WIDTH), (int) (random() % HEIGHT), 0, 0 };
                size_t k = (size_t) random() % HOLDERS;

                box.x2 = box.x1 + 1 + (int) (random() % (WIDTH - box.x1));
                box.y2 = box.y1 + 1 + (int) (random() % (HEIGHT - box.y1));
                frame(&set, &expected, &box, i);
                assert_true(is_same(canvas_current(&set)->picture, &expected));
                for (size_t h = 0; h < HOLDERS; h++)
                        assert_true(!held[h].picture || is_same(held[h].picture, &held[h].content));
                held[k].picture = picture_unref(held[k].picture);
                if (random() % 3) {
                        held[k].picture = picture_ref(canvas_current(&set)->picture);
                        held[k].content = expected;
                }
        }
        assert_in_range(set.n, 2, HOLDERS + 1);
        for (size_t h = 0; h < HOLDERS; h++)
                picture_unref(held[h].picture);
        canvas_set_deinit(&set);
}

static void there_is_an_end_to_the_number_of_canvases(void **state)
{
        struct canvas_set set = { 0 };
        struct content expected = { 0 };
        struct picture *held[CANVASES_MAX];

        assert_int_equal(canvas_set_init(&set, WIDTH, HEIGHT), 0);
        for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
                frame(&set, &expected, &(pixman_box32_t) { (int) i, 0, (int) i + 1, 1 }, 5);
                held[i] = picture_ref(canvas_current(&set)->picture);
        }
        assert_false(canvas_begin(&set));
        held[3] = picture_unref(held[3]);
        frame(&set, &expected, &(pixman_box32_t) { 9, 9, 10, 10 }, 6);
        assert_true(is_same(canvas_current(&set)->picture, &expected));
        for (size_t i = 0; i < ARRAY_SIZE(held); i++)
                picture_unref(held[i]);
        canvas_set_deinit(&set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_exchanged_while_nobody_holds_anything),
                cmocka_unit_test(a_frame_without_damage_changes_nothing),
                cmocka_unit_test(held_frames_stay_and_new_ones_are_whole),
                cmocka_unit_test(there_is_an_end_to_the_number_of_canvases),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
