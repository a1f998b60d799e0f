/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Devices of the host: what they are taken for and what their events mean, with descriptions made in memory; and, where
 * /dev/uinput may be used, a real one that is plugged, grabbed and pulled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "scene/scene.h"
#include "seat/evdev-private.h"
#include "seat/evdev.h"
#include "seat/router.h"

static struct libevdev *dev;
static struct evdev_translator translator;
static char heard[4096];

static int setup(void **state)
{
        log_set_level(LOG_LEVEL_ERROR);
        dev = libevdev_new();
        *heard = 0;
        return dev ? 0 : -1;
}

static int teardown(void **state)
{
        libevdev_free(dev);
        return 0;
}

static void offer(unsigned type, unsigned code)
{
        assert_int_equal(libevdev_enable_event_code(dev, type, code, NULL), 0);
}

static void offer_axis(unsigned code, int min, int max)
{
        const struct input_absinfo info = { .minimum = min, .maximum = max };

        assert_int_equal(libevdev_enable_event_code(dev, EV_ABS, code, &info), 0);
}

static void offer_panel(void)
{
        offer_axis(ABS_MT_SLOT, 0, 9);
        offer_axis(ABS_MT_TRACKING_ID, 0, 65535);
        offer_axis(ABS_MT_POSITION_X, 100, 1099);
        offer_axis(ABS_MT_POSITION_Y, 0, 4095);
        offer_axis(ABS_X, 100, 1099);
        offer_axis(ABS_Y, 0, 4095);
        offer(EV_KEY, BTN_TOUCH);
}

static void begin(void)
{
        struct evdev_shape shape;

        assert_int_equal(evdev_shape_of(dev, &shape), 0);
        shape.width = 1000;
        shape.height = 500;
        evdev_translator_init(&translator, &shape);
}

static void hear(void *data, const struct seat_message *m)
{
        size_t at = strlen(heard);
        bool placed = m->kind <= SEAT_POINTER_MOVE && m->kind != SEAT_TOUCH_UP;

        if (placed)
                (void) snprintf(heard + at, sizeof(heard) - at, "%u#%u@%u,%u ", m->kind, m->id, m->x, m->y);
        else
                (void) snprintf(heard + at, sizeof(heard) - at, "%u#%u:%u=%d ", m->kind, m->id, m->code, m->value);
}

static void event(uint16_t type, uint16_t code, int32_t value)
{
        evdev_translate(&translator, type, code, value, hear, NULL);
}

/* Ends the report. */
static void expect(const char *text)
{
        assert_string_equal(heard, "");
        event(EV_SYN, SYN_REPORT, 0);
        assert_string_equal(heard, text);
        *heard = 0;
}

static void panel_range_becomes_the_screens(void **state)
{
        offer_panel();
        begin();
        assert_true(translator.shape.panel);
        event(EV_ABS, ABS_MT_SLOT, 0);
        event(EV_ABS, ABS_MT_TRACKING_ID, 5);
        event(EV_ABS, ABS_MT_POSITION_X, 100);
        event(EV_ABS, ABS_MT_POSITION_Y, 4095);
        event(EV_KEY, BTN_TOUCH, 1);
        event(EV_ABS, ABS_X, 100);
        event(EV_ABS, ABS_MT_SLOT, 1);
        event(EV_ABS, ABS_MT_TRACKING_ID, 6);
        event(EV_ABS, ABS_MT_POSITION_X, 1099);
        event(EV_ABS, ABS_MT_POSITION_Y, 0);
        expect("1#0@0,65535 1#1@65535,0 ");
        event(EV_ABS, ABS_MT_POSITION_X, 2000);
        event(EV_ABS, ABS_MT_POSITION_Y, -7);
        expect("2#1@65535,0 ");
        expect("");
        event(EV_ABS, ABS_MT_SLOT, 0);
        event(EV_ABS, ABS_MT_TRACKING_ID, -1);
        expect("3#0:0=0 ");
}

static void finger_that_takes_the_place_of_another_is_a_new_one(void **state)
{
        offer_panel();
        begin();
        event(EV_ABS, ABS_MT_TRACKING_ID, 5);
        event(EV_ABS, ABS_MT_POSITION_X, 100);
        event(EV_ABS, ABS_MT_POSITION_Y, 0);
        expect("1#0@0,0 ");
        event(EV_ABS, ABS_MT_TRACKING_ID, 6);
        expect("3#0:0=0 1#0@0,0 ");
        event(EV_ABS, ABS_MT_TRACKING_ID, -1);
        event(EV_ABS, ABS_MT_TRACKING_ID, 7);
        expect("");
}

static void slots_beyond_ten_are_ignored(void **state)
{
        offer_panel();
        begin();
        event(EV_ABS, ABS_MT_SLOT, SINK_FINGERS_MAX);
        event(EV_ABS, ABS_MT_TRACKING_ID, 5);
        event(EV_ABS, ABS_MT_POSITION_X, 500);
        expect("");
        event(EV_ABS, ABS_MT_SLOT, -1);
        event(EV_ABS, ABS_MT_TRACKING_ID, 5);
        expect("");
}

static void single_touch_panel_is_one_finger(void **state)
{
        offer_axis(ABS_X, 0, 1000);
        offer_axis(ABS_Y, 0, 1000);
        offer(EV_KEY, BTN_TOUCH);
        begin();
        assert_true(translator.shape.single_panel);
        event(EV_ABS, ABS_X, 500);
        event(EV_ABS, ABS_Y, 1000);
        event(EV_KEY, BTN_TOUCH, 1);
        expect("1#0@32767,65535 ");
        event(EV_ABS, ABS_X, 0);
        expect("2#0@0,65535 ");
        event(EV_KEY, BTN_TOUCH, 0);
        expect("3#0:0=0 ");
        event(EV_ABS, ABS_X, 7);
        expect("");
}

static void tablet_moves_before_it_clicks(void **state)
{
        offer_axis(ABS_X, 0, 1000);
        offer_axis(ABS_Y, 0, 1000);
        offer(EV_KEY, BTN_LEFT);
        begin();
        assert_true(translator.shape.tablet);
        event(EV_KEY, BTN_LEFT, 1);
        event(EV_ABS, ABS_X, 1000);
        event(EV_ABS, ABS_Y, 0);
        event(EV_REL, REL_WHEEL, -1);
        expect("4#0@65535,0 5#0:272=1 6#0:8=-1 ");
}

static void mouse_moves_by_pixels_and_stays_on_the_screen(void **state)
{
        offer(EV_REL, REL_X);
        offer(EV_REL, REL_Y);
        offer(EV_KEY, BTN_LEFT);
        begin();
        assert_true(translator.shape.mouse);
        event(EV_REL, REL_X, -2000);
        event(EV_REL, REL_Y, -2000);
        expect("4#0@0,0 ");
        for (int i = 0; i < 999; i++) {
                *heard = 0;
                event(EV_REL, REL_X, 1);
                event(EV_SYN, SYN_REPORT, 0);
        }
        assert_string_equal(heard, "4#0@65469,0 ");
        *heard = 0;
        event(EV_REL, REL_X, INT32_MAX);
        event(EV_REL, REL_Y, INT32_MIN);
        expect("4#0@65535,0 ");
}

static void knobs_of_all_kinds_turn(void **state)
{
        offer(EV_REL, REL_X);
        begin();
        event(EV_REL, REL_X, 2);
        expect("8#0:0=2 ");
        assert_int_equal(libevdev_disable_event_code(dev, EV_REL, REL_X), 0);
        offer(EV_REL, REL_WHEEL);
        begin();
        event(EV_REL, REL_WHEEL, -1);
        expect("8#0:8=-1 ");
        offer(EV_REL, REL_DIAL);
        offer(EV_KEY, BTN_LEFT);
        begin();
        event(EV_REL, REL_DIAL, 1);
        event(EV_REL, REL_WHEEL, 1);
        expect("8#0:7=1 6#0:8=1 ");
}

static void keyboard_repeats_are_the_guests_business(void **state)
{
        offer(EV_KEY, KEY_A);
        begin();
        event(EV_MSC, MSC_SCAN, 30);
        event(EV_KEY, KEY_A, 1);
        expect("7#0:30=1 ");
        event(EV_KEY, KEY_A, 2);
        expect("");
        event(EV_KEY, KEY_A, 0);
        event(EV_KEY, BTN_TOOL_PEN, 1);
        expect("7#0:30=0 ");
}

static void device_without_anything_of_use_is_refused(void **state)
{
        struct evdev_shape shape;

        offer(EV_SW, SW_LID);
        assert_int_equal(evdev_shape_of(dev, &shape), -ENOTSUP);
}

/* ---- files ---- */

static char name[] = "main";
static struct scene_screen screen = { .name = name, .width = 1000, .height = 500, .key_focus = name };
static struct scene_display display = { .name = name, .region = { 0, 0, 1000, 500 }, .width = 1000, .height = 500 };
static const struct scene scene = { .screens = &screen, .n_screens = 1, .displays = &display, .n_displays = 1 };
static int n_held;

static void on_report(struct sink *s, const struct sink_event *events, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (events[i].type == EV_KEY)
                        n_held += events[i].value ? 1 : -1;
}

static const struct sink_ops ops = { .report = on_report };

struct host {
        struct loop *loop;
        struct seat_router *router;
        struct sink keyboard;
};

static void open_host(struct host *h)
{
        n_held = 0;
        assert_int_equal(loop_new(&h->loop), 0);
        assert_int_equal(seat_router_new(&scene, &h->router), 0);
        sink_init(&h->keyboard, SINK_KEYBOARD, &ops);
        assert_int_equal(seat_router_add(h->router, name, &h->keyboard), 0);
}

static void close_host(struct host *h)
{
        h->router = seat_router_free(h->router);
        h->loop = loop_free(h->loop);
}

static void path_that_is_no_input_device_is_refused(void **state)
{
        char folder[] = "/tmp/evdev-XXXXXX", fifo[64];
        struct seat_evdev *e = NULL;
        struct host h;

        open_host(&h);
        assert_non_null(mkdtemp(folder));
        (void) snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(seat_evdev_new(h.loop, h.router, 0, fifo, &e), -ENOTTY);
        assert_int_equal(seat_evdev_new(h.loop, h.router, 0, folder, &e), -ENOTTY);
        assert_int_equal(seat_evdev_new(h.loop, h.router, 0, "/dev/null", &e), -ENOTTY);
        assert_int_equal(unlink(fifo), 0);
        assert_int_equal(rmdir(folder), 0);
        close_host(&h);
}

static void device_that_is_not_there_yet_is_waited_for(void **state)
{
        struct seat_evdev *e = NULL;
        struct host h;

        open_host(&h);
        assert_int_equal(seat_evdev_new(h.loop, h.router, 0, "/dev/input/none", &e), 0);
        for (uint64_t end_ns = clock_now_ns() + 1500 * NSEC_PER_MSEC; clock_now_ns() < end_ns;)
                assert_int_equal(loop_step(h.loop, 100), 0);
        e = seat_evdev_free(e);
        close_host(&h);
}

static void plugged_keyboard_is_grabbed_read_and_let_go_of_when_pulled(void **state)
{
        struct libevdev_uinput *uinput;
        struct libevdev *other = NULL;
        struct seat_evdev *e = NULL;
        struct host h;
        int fd;

        offer(EV_KEY, KEY_A);
        libevdev_set_name(dev, "test keyboard");
        if (libevdev_uinput_create_from_device(dev, LIBEVDEV_UINPUT_OPEN_MANAGED, &uinput) < 0) {
                print_message("# /dev/uinput cannot be used here: no device was plugged\n");
                return;
        }
        open_host(&h);
        assert_int_equal(seat_evdev_new(h.loop, h.router, 0, libevdev_uinput_get_devnode(uinput), &e), 0);
        fd = open(libevdev_uinput_get_devnode(uinput), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_int_equal(libevdev_new_from_fd(fd, &other), 0);
        assert_int_equal(libevdev_grab(other, LIBEVDEV_GRAB), -EBUSY);
        libevdev_free(other);
        (void) close(fd);
        assert_int_equal(libevdev_uinput_write_event(uinput, EV_KEY, KEY_A, 1), 0);
        assert_int_equal(libevdev_uinput_write_event(uinput, EV_SYN, SYN_REPORT, 0), 0);
        while (n_held == 0)
                assert_int_equal(loop_step(h.loop, 5000), 0);
        libevdev_uinput_destroy(uinput);
        while (n_held == 1)
                assert_int_equal(loop_step(h.loop, 5000), 0);
        e = seat_evdev_free(e);
        close_host(&h);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(panel_range_becomes_the_screens),
                CASE(finger_that_takes_the_place_of_another_is_a_new_one),
                CASE(slots_beyond_ten_are_ignored),
                CASE(single_touch_panel_is_one_finger),
                CASE(tablet_moves_before_it_clicks),
                CASE(mouse_moves_by_pixels_and_stays_on_the_screen),
                CASE(knobs_of_all_kinds_turn),
                CASE(keyboard_repeats_are_the_guests_business),
                CASE(device_without_anything_of_use_is_refused),
                CASE(path_that_is_no_input_device_is_refused),
                CASE(device_that_is_not_there_yet_is_waited_for),
                CASE(plugged_keyboard_is_grabbed_read_and_let_go_of_when_pulled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
