/* SPDX-License-Identifier: MPL-2.0 */
/* PNG files: read, written, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "display/image.h"
#include "display/test-rig-display.h"

static char path[] = "/tmp/busbar-image-XXXXXX";

static int make_file(void **state)
{
        int fd = mkstemp(path);

        return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) { return unlink(path); }

static void write_file(const void *bytes, size_t n)
{
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

/* A PNG of one chunk of pixels: @depth bits a channel, colour type 6 is RGBA. */
static size_t make_header(uint8_t *png, uint32_t width, uint32_t height)
{
        static const uint8_t signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                             0,    0,   0,   13,  'I',  'H',  'D',  'R' };
        uint32_t crc;

        memcpy(png, signature, sizeof(signature));
        for (int i = 0; i < 4; i++) {
                png[16 + i] = (uint8_t) (width >> (24 - 8 * i));
                png[20 + i] = (uint8_t) (height >> (24 - 8 * i));
        }
        memcpy(png + 24, "\x08\x06\0\0\0", 5);
        crc = (uint32_t) crc32(0, png + 12, 17);
        for (int i = 0; i < 4; i++)
                png[29 + i] = (uint8_t) (crc >> (24 - 8 * i));
        return 33;
}

static void what_is_encoded_is_read_again(void **state)
{
        auto_cleanup(picture_unrefp) struct picture *p = pattern_new(123, 45, 3), *q = NULL;
        auto_cleanup(freep) uint8_t *png = NULL;
        char *error = NULL;
        size_t n;

        assert_int_equal(image_encode(p, &png, &n), 0);
        write_file(png, n);
        assert_int_equal(image_load(path, 0, &q, &error), 0);
        assert_null(error);
        assert_true(q->width == 123 && q->height == 45 && q->format == PIXMAN_x8r8g8b8);
        for (uint32_t y = 0; y < 45; y++)
                for (uint32_t x = 0; x < 123; x++)
                        assert_int_equal(((uint32_t *) (void *) (q->pixels + (size_t) y * q->stride_bytes))[x],
                                         pattern_pixel(x, y, 3));
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
        auto_cleanup(picture_unrefp) struct picture *p = pattern_new(20, 10, 3);
        auto_cleanup(freep) uint8_t *png = NULL;
        size_t n;

        assert_int_equal(image_encode(p, &png, &n), 0);
        for (size_t i = 0; i + 16 < n; i++) {
                struct picture *q = NULL;
                char *error = NULL;

                write_file(png, i);
                if (image_load(path, 0, &q, &error) < 0) {
                        assert_non_null(strstr(error, path));
                        assert_null(q);
                }
                free(error);
                picture_unref(q);
        }
}

static void a_claim_of_great_size_costs_no_memory(void **state)
{
        static const uint32_t sizes[][2] = { { 16385, 1 },        { 1, 16385 },
                                             { 4097, 4097 },      { 0x7fffffff, 0x7fffffff },
                                             { UINT32_MAX, 1 },   { 0, 5 },
                                             { 1000000, 1000000 } };
        uint8_t png[64];

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct picture *p = NULL;
                char *error = NULL;

                write_file(png, make_header(png, sizes[i][0], sizes[i][1]));
                assert_int_equal(image_load(path, 0, &p, &error), -EINVAL);
                assert_non_null(error);
                free(error);
        }
}

static void what_is_no_png_or_is_not_there_is_refused(void **state)
{
        struct picture *p = NULL;
        char *error = NULL;

        write_file("GIF89a", 6);
        assert_int_equal(image_load(path, 0, &p, &error), -EINVAL);
        free(error);
        assert_int_equal(image_load("/nonexistent/cover.png", 0, &p, &error), -ENOENT);
        assert_non_null(strstr(error, "/nonexistent/cover.png"));
        free(error);
}

static void a_fallback_image_is_shown_in_the_displays_scaling(void **state)
{
        auto_cleanup(picture_unrefp) struct picture *p = pattern_new(30, 20, 3);
        auto_cleanup(freep) uint8_t *png = NULL;
        struct rig *rig;
        struct scene_display *d;
        size_t n;

        assert_int_equal(image_encode(p, &png, &n), 0);
        write_file(png, n);
        assert_int_equal(rig_set_up((void **) &rig), 0);
        d = rig_add_display(rig, "a", 0, 0, 60, 60);
        d->scaling = SCALING_FIT;
        d->fallback_image = path;
        d->fallback_colour = 0x123456;
        rig_open(rig, 60, 60);
        assert_plain(rig, 0, 0, 60, 10, 0x123456);
        assert_plain(rig, 0, 50, 60, 10, 0x123456);
        for (uint32_t y = 0; y < 20; y++)
                for (uint32_t x = 0; x < 30; x++)
                        assert_plain(rig, x * 2, 10 + y * 2, 2, 2, pattern_pixel(x, y, 3));
        rig_tear_down((void **) &rig);
}

static void a_cover_image_fills_its_region(void **state)
{
        auto_cleanup(picture_unrefp) struct picture *p = pattern_new(10, 5, 3);
        auto_cleanup(freep) uint8_t *png = NULL;
        struct rig *rig;
        size_t n;

        assert_int_equal(image_encode(p, &png, &n), 0);
        write_file(png, n);
        assert_int_equal(rig_set_up((void **) &rig), 0);
        rig_add_guard(rig, rig_add_display(rig, "a", 5, 5, 50, 50), "g", RULE_FRESH, 10, 10, 20, 20)->cover = path;
        rig_open(rig, 60, 60);
        rig_frame(rig, 300);
        for (uint32_t y = 0; y < 5; y++)
                for (uint32_t x = 0; x < 10; x++)
                        assert_plain(rig, 15 + x * 2, 15 + y * 4, 2, 4, pattern_pixel(x, y, 3));
        rig_tear_down((void **) &rig);
}

static void an_image_that_cannot_be_read_is_said_at_the_start(void **state)
{
        struct rig *rig;
        char *error = NULL;

        assert_int_equal(rig_set_up((void **) &rig), 0);
        rig_add_display(rig, "a", 0, 0, 10, 10)->fallback_image = (char *) "/nonexistent/f.png";
        rig->screen_config = (struct scene_screen){ .name = (char *) "main", .width = 10, .height = 10 };
        assert_int_equal(screen_new(rig->loop, &rig->scene, 0, &rig->screen, &error), -ENOENT);
        assert_non_null(strstr(error, "/nonexistent/f.png"));
        free(error);
        rig_tear_down((void **) &rig);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_encoded_is_read_again),
                cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
                cmocka_unit_test(a_claim_of_great_size_costs_no_memory),
                cmocka_unit_test(what_is_no_png_or_is_not_there_is_refused),
                cmocka_unit_test(a_fallback_image_is_shown_in_the_displays_scaling),
                cmocka_unit_test(a_cover_image_fills_its_region),
                cmocka_unit_test(an_image_that_cannot_be_read_is_said_at_the_start),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
