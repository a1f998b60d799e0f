/* SPDX-License-Identifier: MPL-2.0 */
/* EDIDs are read back here by the standards' layout, not by the code that wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "device/gpu/edid.h"

static uint8_t edid[EDID_BYTES_MAX];

static size_t make(const char *name, uint32_t width, uint32_t height, uint32_t rate_hz)
{
        const struct edid_display d = { .name = name, .serial = 7, .width = width, .height = height,
                                        .rate_hz = rate_hz };

        memset(edid, 0xcc, sizeof(edid));
        return edid_make(&d, edid);
}

static void assert_sums_to_zero(const uint8_t *p, size_t n)
{
        uint8_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += p[i];
        assert_int_equal(sum, 0);
}

static unsigned little_16(const uint8_t *p) { return p[0] | (unsigned) p[1] << 8; }

/* Pixels, lines and refresh rate of the detailed timing. */
static void assert_detailed(uint32_t width, uint32_t height, uint32_t rate_hz)
{
        const uint8_t *d = edid + 54;
        unsigned x = d[2] | (d[4] & 0xf0u) << 4, x_blank = d[3] | (d[4] & 0x0fu) << 8;
        unsigned y = d[5] | (d[7] & 0xf0u) << 4, y_blank = d[6] | (d[7] & 0x0fu) << 8;
        double rate = little_16(d) * 10000.0 / ((x + x_blank) * (double) (y + y_blank));
        unsigned front = d[8], sync = d[9], v_front = d[10] >> 4, v_sync = d[10] & 15u;

        assert_int_equal(x, width);
        assert_int_equal(y, height);
        assert_true(rate > rate_hz - 0.05 && rate < rate_hz + 0.05);
        assert_int_equal(d[11], 0);
        assert_true(front + sync < x_blank && v_front + v_sync < y_blank);
        assert_int_equal(d[17] & 0x18, 0x18);
}

static void base_block_names_a_display_of_its_size(void **state)
{
        static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };

        assert_int_equal(make("cluster", 1920, 720, 60), 128);
        assert_memory_equal(edid, header, sizeof(header));
        assert_int_equal(edid[18], 1);
        assert_int_equal(edid[19], 4);
        assert_int_equal(little_16(edid + 12), 7);
        assert_int_equal(edid[20] & 0x80, 0x80);
        assert_int_equal(edid[126], 0);
        assert_sums_to_zero(edid, 128);
        assert_detailed(1920, 720, 60);
        /* 96 pixels an inch: 508 by 190.5 millimetres */
        assert_int_equal(edid[21], 50);
        assert_int_equal(edid[22], 19);
        assert_int_equal(edid[54 + 12] | (edid[54 + 14] & 0xf0) << 4, 508);
        assert_memory_equal(edid + 72, "\0\0\0\xfc\0cluster\n     ", 18);
}

static void timing_of_1920_by_1080_is_that_of_reduced_blanking(void **state)
{
        /* CVT 1.2: 1920x1080R is 138.50 MHz, 2080 by 1111; the clock is not rounded to 250 kHz here. */
        (void) make("x", 1920, 1080, 60);
        assert_int_equal(little_16(edid + 54), 13865);
        assert_int_equal(edid[54 + 6] | (edid[54 + 7] & 15) << 8, 31);
        assert_int_equal(edid[54 + 10], 3 << 4 | 5);
}

static void any_size_is_told_as_it_is(void **state)
{
        static const struct {
                uint32_t width, height, rate;
        } modes[] = { { 1, 1, 1 }, { 1366, 768, 60 }, { 640, 480, 30 }, { 800, 480, 60 }, { 1280, 720, 120 },
                      { 720, 1920, 60 }, { 3840, 2160, 60 }, { 4095, 2160, 60 }, { 1920, 1080, 240 },
                      { 1921, 723, 59 } };

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                assert_int_equal(make("any", modes[i].width, modes[i].height, modes[i].rate), 128);
                assert_sums_to_zero(edid, 128);
                if (modes[i].width > 1)
                        assert_detailed(modes[i].width, modes[i].height, modes[i].rate);
        }
}

static void mode_too_large_for_edid_is_in_displayid(void **state)
{
        static const struct {
                uint32_t width, height, rate;
        } modes[] = { { 4096, 2160, 60 }, { 7680, 4320, 60 }, { 3840, 2160, 120 }, { 16384, 16384, 60 },
                      { 5760, 720, 60 } };

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                const uint8_t *section = edid + 129, *block = section + 4, *t = block + 3;
                double clock, rate;

                assert_int_equal(make("wide", modes[i].width, modes[i].height, modes[i].rate), 256);
                assert_int_equal(edid[126], 1);
                assert_sums_to_zero(edid, 128);
                assert_sums_to_zero(edid + 128, 128);
                assert_detailed(1024, 768, 60);
                assert_int_equal(edid[128], 0x70);
                assert_int_equal(section[1], 121);
                assert_sums_to_zero(section, 4 + 121 + 1);
                assert_int_equal(block[0], 0x03);
                assert_int_equal(block[2], 20);
                assert_int_equal(t[3] & 0x80, 0x80);
                assert_int_equal(little_16(t + 4) + 1, modes[i].width);
                assert_int_equal(little_16(t + 12) + 1, modes[i].height);
                clock = (little_16(t) + ((uint32_t) t[2] << 16) + 1) * 10000.0;
                rate = clock /
                       ((modes[i].width + little_16(t + 6) + 1.0) * (modes[i].height + little_16(t + 14) + 1.0));
                assert_true(rate > modes[i].rate - 0.05 && rate < modes[i].rate + 0.05);
        }
}

static void fastest_and_largest_still_make_an_edid(void **state)
{
        assert_int_equal(make("", 16384, 16384, 1000), 256);
        assert_sums_to_zero(edid, 128);
        assert_sums_to_zero(edid + 128, 128);
        assert_memory_equal(edid + 72, "\0\0\0\xfc\0\n            ", 18);
}

static void long_and_strange_names_are_cut(void **state)
{
        (void) make("a display with a long name", 800, 480, 60);
        assert_memory_equal(edid + 72, "\0\0\0\xfc\0a display wit", 18);
        (void) make("\xc3\xa4\tb\x7f", 800, 480, 60);
        assert_memory_equal(edid + 72, "\0\0\0\xfc\0b\n           ", 18);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(base_block_names_a_display_of_its_size),
                cmocka_unit_test(timing_of_1920_by_1080_is_that_of_reduced_blanking),
                cmocka_unit_test(any_size_is_told_as_it_is),
                cmocka_unit_test(mode_too_large_for_edid_is_in_displayid),
                cmocka_unit_test(fastest_and_largest_still_make_an_edid),
                cmocka_unit_test(long_and_strange_names_are_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
