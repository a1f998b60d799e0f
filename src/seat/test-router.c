/* SPDX-License-Identifier: MPL-2.0 */
/* Whose input it is: a screen with four displays, and sinks that keep what they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "scene/scene.h"
#include "seat/map.h"
#include "seat/router.h"

/*
 *      0          800   1000            1600
 *    0 ┌───────────┬──────────────────────┐
 *      │ cluster   │ ivi (1600 pixels     │      the pop-up lies in front of both
 *      │      ┌────┴───┐ wide, stretched) │
 *      │      │ pop-up │                  │
 *      └──────┴────────┴──────────────────┘ 600
 *        a strip of background, and at 650 the knob's display, in the scene only for its focus
 */
enum { CLUSTER, IVI, POPUP, KNOB, DISPLAYS };

static char *names[] = { "cluster", "ivi", "popup", "knob" };
static struct scene_screen screens[] = {
        { .name = "main", .width = 1600, .height = 720 },
        { .name = "other", .width = 100, .height = 100 },
};
static struct scene_display displays[DISPLAYS] = {
        { .region = { 0, 0, 800, 600 }, .width = 800, .height = 600 },
        { .region = { 800, 0, 800, 600 }, .width = 1600, .height = 600, .scaling = SCALING_STRETCH },
        { .region = { 700, 400, 200, 200 }, .width = 200, .height = 200, .order = 5 },
        { .region = { 0, 650, 100, 70 }, .width = 100, .height = 70 },
};

struct spy {
        struct sink sink;
        char text[4096]; /* "type:code=value ..." of each report, "|" after it */
};

static void spy_report(struct sink *s, const struct sink_event *events, size_t n)
{
        struct spy *spy = container_of(s, struct spy, sink);
        size_t at = strlen(spy->text);

        for (size_t i = 0; i < n; i++)
                at += (size_t) snprintf(spy->text + at, sizeof(spy->text) - at, "%u:%u=%d ", events[i].type,
                                        events[i].code, events[i].value);
        (void) snprintf(spy->text + at, sizeof(spy->text) - at, "|");
}

static const struct sink_ops spy_ops = { .report = spy_report };

struct rig {
        struct scene scene;
        struct seat_router *router;
        struct spy touch[DISPLAYS], keyboard[DISPLAYS], pointer[DISPLAYS], knob;
        struct seat_source alpha, beta;
};

static void add(struct rig *rig, struct spy *spy, enum sink_kind kind, size_t display)
{
        sink_init(&spy->sink, kind, &spy_ops);
        assert_int_equal(seat_router_add(rig->router, names[display], &spy->sink), 0);
}

/* The cluster has touch, the ivi everything, the pop-up nothing. */
static int open_rig(void **state)
{
        struct rig *rig = test_calloc(1, sizeof(*rig));

        for (size_t i = 0; i < DISPLAYS; i++)
                displays[i].name = names[i];
        screens[0].key_focus = names[IVI];
        screens[0].focus_follows_touch = false;
        rig->scene = (struct scene){ .screens = screens, .n_screens = 2, .displays = displays, .n_displays = DISPLAYS };
        assert_int_equal(seat_router_new(&rig->scene, &rig->router), 0);
        add(rig, &rig->touch[CLUSTER], SINK_TOUCH, CLUSTER);
        add(rig, &rig->touch[IVI], SINK_TOUCH, IVI);
        add(rig, &rig->keyboard[IVI], SINK_KEYBOARD, IVI);
        add(rig, &rig->keyboard[KNOB], SINK_KEYBOARD, KNOB);
        add(rig, &rig->pointer[IVI], SINK_POINTER, IVI);
        add(rig, &rig->knob, SINK_ROTARY, IVI);
        *state = rig;
        return 0;
}

static int close_rig(void **state)
{
        struct rig *rig = *state;

        rig->router = seat_router_free(rig->router);
        test_free(rig);
        return 0;
}

static int say(struct rig *rig, struct seat_source *source, const struct seat_message *m)
{
        int r = seat_router_handle(rig->router, source, 0, m);

        seat_router_commit(rig->router);
        return r;
}

static void finger(struct rig *rig, struct seat_source *source, uint32_t kind, uint32_t id, uint32_t x, uint32_t y)
{
        assert_int_equal(say(rig, source,
                             &(struct seat_message) { .kind = kind,
                                                     .id = id,
                                                     .x = seat_axis_from_pixel(x, 1600),
                                                     .y = seat_axis_from_pixel(y, 720) }),
                         0);
}

static void point(struct rig *rig, struct seat_source *source, uint32_t x, uint32_t y)
{
        finger(rig, source, SEAT_POINTER_MOVE, 0, x, y);
}

static void press(struct rig *rig, struct seat_source *source, uint32_t kind, uint32_t code, int value)
{
        assert_int_equal(say(rig, source, &(struct seat_message) { .kind = kind, .code = code, .value = value }), 0);
}

static void expect(struct spy *spy, const char *text)
{
        assert_string_equal(spy->text, text);
        *spy->text = 0;
}

static void expect_silence(struct rig *rig)
{
        for (size_t i = 0; i < DISPLAYS; i++) {
                expect(&rig->touch[i], "");
                expect(&rig->keyboard[i], "");
                expect(&rig->pointer[i], "");
        }
        expect(&rig->knob, "");
}

/* ABS_X 0, ABS_Y 1, ABS_MT_SLOT 47, POSITION_X 53, POSITION_Y 54, TRACKING_ID 57; BTN_TOUCH 330 */
static void touch_goes_to_the_display_at_its_place(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 7, 10, 20);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=0 3:53=10 3:54=20 1:330=1 3:0=10 3:1=20 |");
        finger(rig, &rig->alpha, SEAT_TOUCH_MOVE, 7, 11, 20);
        expect(&rig->touch[CLUSTER], "3:47=0 3:53=11 3:54=20 3:0=11 3:1=20 |");
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 7, 0, 0);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 1:330=0 |");
        expect_silence(rig);
}

static void place_is_scaled_to_the_picture(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 1200, 300);
        expect(&rig->touch[IVI], "3:47=0 3:57=0 3:53=800 3:54=300 1:330=1 3:0=800 3:1=300 |");
        expect_silence(rig);
}

static void finger_stays_with_its_display_until_it_lifts(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 790, 100);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=0 3:53=790 3:54=100 1:330=1 3:0=790 3:1=100 |");
        finger(rig, &rig->alpha, SEAT_TOUCH_MOVE, 0, 1500, 700);
        expect(&rig->touch[CLUSTER], "3:47=0 3:53=799 3:54=599 3:0=799 3:1=599 |");
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 0, 0, 0);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 1500, 100);
        assert_non_null(strstr(rig->touch[IVI].text, "3:57=0 "));
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 1:330=0 |");
}

static void two_fingers_on_two_displays_are_two_touches(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 10, 10);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 1, 900, 10);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 2, 20, 10);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=0 3:53=10 3:54=10 1:330=1 3:0=10 3:1=10 |"
                                     "3:47=1 3:57=1 3:53=20 3:54=10 3:0=10 3:1=10 |");
        expect(&rig->touch[IVI], "3:47=0 3:57=0 3:53=200 3:54=10 1:330=1 3:0=200 3:1=10 |");
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 0, 0, 0);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 3:0=20 3:1=10 |");
        expect_silence(rig);
}

static void display_in_front_gets_the_touch_even_without_a_device(void **state)
{
        struct rig *rig = *state;

        assert_int_equal(seat_display_at(&rig->scene, 0, (struct seat_place) { 750, 500 }), POPUP);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 750, 500);
        finger(rig, &rig->alpha, SEAT_TOUCH_MOVE, 0, 100, 100);
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 0, 0, 0);
        expect_silence(rig);
        assert_false(seat_source_holds(&rig->alpha));
}

static void touch_beside_all_displays_is_nobodys(void **state)
{
        struct rig *rig = *state;

        assert_int_equal(seat_display_at(&rig->scene, 0, (struct seat_place) { 1599, 600 }), SEAT_NO_DISPLAY);
        assert_int_equal(seat_display_at(&rig->scene, 1, (struct seat_place) { 10, 10 }), SEAT_NO_DISPLAY);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 1599, 610);
        finger(rig, &rig->alpha, SEAT_TOUCH_MOVE, 0, 10, 10);
        expect_silence(rig);
}

static void later_display_of_the_same_order_is_in_front(void **state)
{
        struct rig *rig = *state;
        struct scene_display two[] = { displays[CLUSTER], displays[CLUSTER] };

        rig->scene.displays = two;
        rig->scene.n_displays = 2;
        assert_int_equal(seat_display_at(&rig->scene, 0, (struct seat_place) { 1, 1 }), 1);
        two[0].order = 1;
        assert_int_equal(seat_display_at(&rig->scene, 0, (struct seat_place) { 1, 1 }), 0);
        rig->scene.displays = displays;
        rig->scene.n_displays = DISPLAYS;
}

static void lost_source_lets_go_of_everything(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 10, 10);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 1, 20, 10);
        finger(rig, &rig->beta, SEAT_TOUCH_DOWN, 0, 30, 10);
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 1);
        point(rig, &rig->alpha, 900, 10);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_RIGHT, 1);
        rig->touch[CLUSTER].text[0] = rig->keyboard[IVI].text[0] = rig->pointer[IVI].text[0] = 0;
        assert_true(seat_source_holds(&rig->alpha));

        seat_router_leave(rig->router, &rig->alpha);
        seat_router_commit(rig->router);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 3:0=20 3:1=10 |3:47=1 3:57=-1 3:0=30 3:1=10 |");
        expect(&rig->keyboard[IVI], "1:30=0 |");
        expect(&rig->pointer[IVI], "1:273=0 |");
        assert_false(seat_source_holds(&rig->alpha));
        assert_true(seat_source_holds(&rig->beta));
        /* What the other source holds is held on. */
        finger(rig, &rig->beta, SEAT_TOUCH_UP, 0, 0, 0);
        expect(&rig->touch[CLUSTER], "3:47=2 3:57=-1 1:330=0 |");
}

static void key_held_by_two_sources_is_up_when_both_let_go(void **state)
{
        struct rig *rig = *state;

        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 1);
        press(rig, &rig->beta, SEAT_KEY, KEY_A, 1);
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 1);
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 0);
        expect(&rig->keyboard[IVI], "1:30=1 |");
        press(rig, &rig->beta, SEAT_KEY, KEY_A, 0);
        expect(&rig->keyboard[IVI], "1:30=0 |");
}

static void keys_follow_touch_where_the_scene_says_so(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 10, 660);
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 1);
        expect(&rig->keyboard[IVI], "1:30=1 |");
        screens[0].focus_follows_touch = true;
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 1, 10, 660);
        press(rig, &rig->alpha, SEAT_KEY, KEY_B, 1);
        expect(&rig->keyboard[KNOB], "1:48=1 |");
        /* Released where it was pressed. */
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 0);
        expect(&rig->keyboard[IVI], "1:30=0 |");
        /* A display without keyboard and knob leaves the focus. */
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 2, 10, 10);
        press(rig, &rig->alpha, SEAT_KEY, KEY_C, 1);
        expect(&rig->keyboard[KNOB], "1:46=1 |");
}

static void screen_without_focus_gives_keys_to_nobody(void **state)
{
        struct rig *rig = *state;

        assert_int_equal(seat_router_handle(rig->router, &rig->alpha, 1,
                                            &(struct seat_message) { .kind = SEAT_KEY, .code = KEY_A, .value = 1 }), 0);
        assert_int_equal(seat_router_handle(rig->router, &rig->alpha, 1,
                                            &(struct seat_message) { .kind = SEAT_ROTARY, .value = 1 }), 0);
        seat_router_commit(rig->router);
        expect_silence(rig);
        assert_false(seat_source_holds(&rig->alpha));
}

static void knob_goes_to_the_focus(void **state)
{
        struct rig *rig = *state;

        press(rig, &rig->alpha, SEAT_ROTARY, 0, -2);
        expect(&rig->knob, "2:7=-2 |");
        seat_router_set_focus(rig->router, 0, KNOB);
        press(rig, &rig->alpha, SEAT_ROTARY, 0, 1);
        expect_silence(rig);
}

static void pointer_belongs_to_the_display_under_it(void **state)
{
        struct rig *rig = *state;

        point(rig, &rig->alpha, 1000, 10);
        press(rig, &rig->alpha, SEAT_WHEEL, REL_WHEEL, -1);
        expect(&rig->pointer[IVI], "3:0=400 3:1=10 |2:8=-1 |");
        point(rig, &rig->alpha, 10, 10);
        press(rig, &rig->alpha, SEAT_WHEEL, REL_WHEEL, -1);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_RIGHT, 1);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_RIGHT, 0);
        expect_silence(rig);
}

static void held_button_keeps_the_pointer_where_it_was_pressed(void **state)
{
        struct rig *rig = *state;

        point(rig, &rig->alpha, 1000, 10);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 1);
        expect(&rig->pointer[IVI], "3:0=400 3:1=10 |3:0=400 3:1=10 1:272=1 |");
        point(rig, &rig->alpha, 10, 300);
        expect(&rig->pointer[IVI], "3:0=0 3:1=300 |");
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 0);
        expect(&rig->pointer[IVI], "1:272=0 |");
        expect_silence(rig);
}

static void left_button_is_a_finger_for_a_guest_without_pointer(void **state)
{
        struct rig *rig = *state;

        point(rig, &rig->alpha, 10, 10);
        expect_silence(rig);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 1);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=0 3:53=10 3:54=10 1:330=1 3:0=10 3:1=10 |");
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_RIGHT, 1);
        point(rig, &rig->alpha, 1000, 20);
        expect(&rig->touch[CLUSTER], "3:47=0 3:53=799 3:54=20 3:0=799 3:1=20 |");
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 0);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 1:330=0 |");
        /* The right one is still down: the pointer has not entered the other display. */
        point(rig, &rig->alpha, 1000, 30);
        expect_silence(rig);
}

static void eleventh_finger_is_ignored(void **state)
{
        struct rig *rig = *state;

        for (uint32_t i = 0; i < SINK_FINGERS_MAX; i++)
                finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, i, 10 + i, 10);
        rig->touch[CLUSTER].text[0] = 0;
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 10, 30, 10);
        finger(rig, &rig->beta, SEAT_TOUCH_DOWN, 10, 30, 10);
        finger(rig, &rig->beta, SEAT_TOUCH_MOVE, 10, 31, 10);
        expect_silence(rig);
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 4, 0, 0);
        finger(rig, &rig->beta, SEAT_TOUCH_DOWN, 10, 30, 10);
        expect(&rig->touch[CLUSTER], "3:47=4 3:57=-1 3:0=10 3:1=10 |3:47=4 3:57=10 3:53=30 3:54=10 3:0=10 3:1=10 |");
}

static void finger_that_comes_down_twice_was_lifted(void **state)
{
        struct rig *rig = *state;

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 10, 10);
        rig->touch[CLUSTER].text[0] = 0;
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 1000, 10);
        expect(&rig->touch[CLUSTER], "3:47=0 3:57=-1 1:330=0 |");
        assert_true(rig->touch[IVI].text[0]);
}

static void undefined_messages_are_refused_and_change_nothing(void **state)
{
        struct rig *rig = *state;
        const struct seat_message bad[] = {
                { .kind = 0 },
                { .kind = 10 },
                { .kind = UINT32_MAX },
                { .kind = SEAT_TOUCH_DOWN, .x = 65536 },
                { .kind = SEAT_TOUCH_MOVE, .y = UINT32_MAX },
                { .kind = SEAT_POINTER_MOVE, .x = 65536 },
                { .kind = SEAT_BUTTON, .code = BTN_LEFT, .value = 2 },
                { .kind = SEAT_BUTTON, .code = BTN_LEFT - 1, .value = 1 },
                { .kind = SEAT_BUTTON, .code = BTN_TASK + 1, .value = 1 },
                { .kind = SEAT_KEY, .code = 0, .value = 1 },
                { .kind = SEAT_KEY, .code = KEY_CNT, .value = 1 },
                { .kind = SEAT_KEY, .code = UINT32_MAX, .value = 1 },
                { .kind = SEAT_KEY, .code = KEY_A, .value = -1 },
                { .kind = SEAT_WHEEL, .code = REL_X, .value = 1 },
                { .kind = SEAT_WHEEL, .code = REL_WHEEL, .value = INT32_MIN },
                { .kind = SEAT_ROTARY, .value = INT32_MAX },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(say(rig, &rig->alpha, &bad[i]), -EBADMSG);
        finger(rig, &rig->alpha, SEAT_TOUCH_MOVE, 3, 10, 10);
        finger(rig, &rig->alpha, SEAT_TOUCH_UP, 3, 10, 10);
        press(rig, &rig->alpha, SEAT_KEY, KEY_A, 0);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 1);
        press(rig, &rig->alpha, SEAT_BUTTON, BTN_LEFT, 0);
        expect_silence(rig);
}

static void several_changes_of_one_moment_are_one_report(void **state)
{
        struct rig *rig = *state;
        struct seat_message m = { .kind = SEAT_TOUCH_MOVE, .x = 100, .y = 100 };

        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 0, 10, 10);
        finger(rig, &rig->alpha, SEAT_TOUCH_DOWN, 1, 20, 10);
        rig->touch[CLUSTER].text[0] = 0;
        assert_int_equal(seat_router_handle(rig->router, &rig->alpha, 0, &m), 0);
        m.id = 1;
        assert_int_equal(seat_router_handle(rig->router, &rig->alpha, 0, &m), 0);
        seat_router_commit(rig->router);
        expect(&rig->touch[CLUSTER], "3:47=0 3:53=2 3:54=1 3:0=2 3:1=1 3:47=1 3:53=2 3:54=1 3:0=2 3:1=1 |");
}

static void second_device_of_a_kind_is_refused(void **state)
{
        struct rig *rig = *state;
        struct sink sink;

        sink_init(&sink, SINK_TOUCH, &spy_ops);
        assert_int_equal(seat_router_add(rig->router, "ivi", &sink), -EEXIST);
        assert_int_equal(seat_router_add(rig->router, "none", &sink), -ENOENT);
        assert_int_equal(seat_router_screen(rig->router, "other"), 1);
        assert_int_equal(seat_router_screen(rig->router, ""), -ENOENT);
}

static void expect_map(enum scene_scaling scaling, uint32_t x, uint32_t y, bool shown, uint32_t to_x, uint32_t to_y)
{
        /* A picture of 400 by 100 in a region of 200 by 200 at 100,100: to fit, 200 by 50 at 100,175. */
        const struct scene_display d = {
                .region = { 100, 100, 200, 200 }, .width = 400, .height = 100, .scaling = scaling
        };
        struct seat_place place;

        assert_int_equal(seat_map(&d, (struct seat_place) { x, y }, &place), shown);
        assert_int_equal(place.x, to_x);
        assert_int_equal(place.y, to_y);
}

static void map_follows_the_scaling(void **state)
{
        expect_map(SCALING_NONE, 100, 100, true, 0, 0);
        expect_map(SCALING_NONE, 299, 199, true, 199, 99);
        expect_map(SCALING_NONE, 299, 200, false, 199, 99);
        expect_map(SCALING_STRETCH, 299, 299, true, 398, 99);
        expect_map(SCALING_STRETCH, 300, 99, false, 398, 0);
        expect_map(SCALING_FIT, 100, 174, false, 0, 0);
        expect_map(SCALING_FIT, 200, 175, true, 200, 0);
        expect_map(SCALING_FIT, 299, 224, true, 398, 98);
        expect_map(SCALING_FIT, 299, 225, false, 398, 98);
        expect_map(SCALING_FIT, 0, UINT32_MAX, false, 0, 98);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(touch_goes_to_the_display_at_its_place),
                CASE(place_is_scaled_to_the_picture),
                CASE(finger_stays_with_its_display_until_it_lifts),
                CASE(two_fingers_on_two_displays_are_two_touches),
                CASE(display_in_front_gets_the_touch_even_without_a_device),
                CASE(touch_beside_all_displays_is_nobodys),
                CASE(later_display_of_the_same_order_is_in_front),
                CASE(lost_source_lets_go_of_everything),
                CASE(key_held_by_two_sources_is_up_when_both_let_go),
                CASE(keys_follow_touch_where_the_scene_says_so),
                CASE(screen_without_focus_gives_keys_to_nobody),
                CASE(knob_goes_to_the_focus),
                CASE(pointer_belongs_to_the_display_under_it),
                CASE(held_button_keeps_the_pointer_where_it_was_pressed),
                CASE(left_button_is_a_finger_for_a_guest_without_pointer),
                CASE(eleventh_finger_is_ignored),
                CASE(finger_that_comes_down_twice_was_lifted),
                CASE(undefined_messages_are_refused_and_change_nothing),
                CASE(several_changes_of_one_moment_are_one_report),
                CASE(second_device_of_a_kind_is_refused),
                cmocka_unit_test(map_follows_the_scaling),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
