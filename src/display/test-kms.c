/* SPDX-License-Identifier: MPL-2.0 */
/* What of a screen on a connector needs no graphics; the rest runs on a board (tests/board/kms.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/macros.h"
#include "display/kms-private.h"
#include "display/outputs.h"
#include "display/frame.h"
#include "display/picture.h"

static const drmModeModeInfo modes[] = {
        { .hdisplay = 1280, .vdisplay = 720, .vrefresh = 60 },
        { .hdisplay = 1920, .vdisplay = 1080, .vrefresh = 60, .flags = DRM_MODE_FLAG_INTERLACE },
        { .hdisplay = 1920, .vdisplay = 1080, .vrefresh = 30 },
        { .hdisplay = 1920, .vdisplay = 1080, .vrefresh = 50, .type = DRM_MODE_TYPE_PREFERRED },
        { .hdisplay = 1920, .vdisplay = 1080, .vrefresh = 75 },
        { .hdisplay = 1920, .vdisplay = 720, .vrefresh = 60 },
};

static void a_mode_is_chosen_by_size_then_by_rate(void **state)
{
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 1920, 720, 60), &modes[5]);
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 1920, 1080, 75), &modes[4]);
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 1920, 1080, 60), &modes[3]);
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 1920, 1080, 25), &modes[2]);
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 1920, 1080, 0), &modes[3]);
        assert_null(kms_choose_mode(modes, ARRAY_SIZE(modes), 800, 600, 60));
        assert_null(kms_choose_mode(modes, 0, 0, 0, 0));
}

static void without_a_size_the_preferred_mode_is_taken(void **state)
{
        assert_ptr_equal(kms_choose_mode(modes, ARRAY_SIZE(modes), 0, 0, 60), &modes[3]);
        assert_ptr_equal(kms_choose_mode(modes, 3, 0, 0, 0), &modes[0]);
}

#define MESSAGE(text) text, sizeof(text)

static void hot_plugs_of_graphics_are_told_from_other_news(void **state)
{
        assert_true(kms_is_hotplug(
                MESSAGE("change@/devices/pci/drm/card0\0ACTION=change\0SUBSYSTEM=drm\0HOTPLUG=1\0SEQNUM=7")));
        assert_false(kms_is_hotplug(MESSAGE("change@/x\0ACTION=change\0SUBSYSTEM=drm\0SEQNUM=7")));
        assert_false(kms_is_hotplug(MESSAGE("change@/x\0ACTION=change\0SUBSYSTEM=usb\0HOTPLUG=1")));
        assert_false(kms_is_hotplug(MESSAGE("SUBSYSTEM=drm_dp_aux_dev\0HOTPLUG=10")));
        assert_false(kms_is_hotplug("HOTPLUG=1\0SUBSYSTEM=drm", 16)); /* cut off */
        assert_false(kms_is_hotplug("", 0));
}

static void a_buffer_takes_what_is_stale_and_nothing_else(void **state)
{
        enum { WIDTH = 16, HEIGHT = 8 };
        static uint32_t picture[HEIGHT][WIDTH + 4], buffer[HEIGHT][WIDTH + 8];
        struct picture p = { .width = WIDTH, .height = HEIGHT, .stride_bytes = sizeof(picture[0]),
                             .pixels = (uint8_t *) picture, .n_refs = 1 };
        struct frame *frame = frame_new(WIDTH, HEIGHT, 1);
        pixman_region32_t all;
        struct kms_buffer b = { .stride_bytes = sizeof(buffer[0]), .pixels = (uint8_t *) buffer };

        for (uint32_t y = 0; y < HEIGHT; y++)
                for (uint32_t x = 0; x < WIDTH; x++)
                        picture[y][x] = 100 * y + x + 1;
        pixman_region32_init_rect(&all, 0, 0, WIDTH, HEIGHT);
        assert_true(frame && frame_add(frame, &p, &all, 0, 0));
        pixman_region32_init_rect(&b.stale, 2, 3, 4, 2);
        assert_true(pixman_region32_union_rect(&b.stale, &b.stale, 15, 7, 1, 1));
        kms_buffer_update(&b, frame);
        for (uint32_t y = 0; y < HEIGHT; y++)
                for (uint32_t x = 0; x < WIDTH + 8; x++) {
                        bool stale = (x >= 2 && x < 6 && y >= 3 && y < 5) || (x == 15 && y == 7);

                        assert_int_equal(buffer[y][x], stale ? picture[y][x] : 0);
                }
        assert_false(pixman_region32_not_empty(&b.stale));
        pixman_region32_fini(&b.stale);
        pixman_region32_fini(&all);
        frame_unref(frame);
}

static void devices_that_are_none_are_errors_that_say_so(void **state)
{
        struct scene_screen screen = { .name = (char *) "main", .output = OUTPUT_KMS };
        struct loop *loop = NULL;
        struct output *o = NULL;
        char *text = NULL;

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(output_open(loop, &screen, NULL, &text, &o), -EINVAL);
        assert_string_equal(text, "KMS needs \"device\"");
        free(text);
        screen.device = (char *) "/dev/dri/none";
        assert_int_equal(output_open(loop, &screen, NULL, &text, &o), -ENOENT);
        assert_string_equal(text, "/dev/dri/none: No such file or directory");
        free(text);
        screen.device = (char *) "/dev/null";
        assert_int_equal(output_open(loop, &screen, NULL, &text, &o), -ENOTSUP);
        assert_non_null(strstr(text, "lacks atomic mode setting"));
        free(text);
        loop_free(loop);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mode_is_chosen_by_size_then_by_rate),
                cmocka_unit_test(without_a_size_the_preferred_mode_is_taken),
                cmocka_unit_test(hot_plugs_of_graphics_are_told_from_other_news),
                cmocka_unit_test(a_buffer_takes_what_is_stale_and_nothing_else),
                cmocka_unit_test(devices_that_are_none_are_errors_that_say_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
