/* SPDX-License-Identifier: MPL-2.0 */
#include "device/gpu/edid.h"

#include <stdbool.h>
#include <string.h>

#include "base/macros.h"

/* Of CVT with reduced blanking: pixels and lines that do not depend on the mode. */
#define H_BLANK 160
#define H_FRONT 48
#define H_SYNC 32
#define V_FRONT 3
#define V_BACK_MIN 6
#define V_BLANK_MIN_US 460

/* A detailed timing of EDID has 12 bits for a size and 16 for the clock. */
#define DETAILED_PIXELS_MAX 4095
#define DETAILED_CLOCK_MAX 65535
#define DISPLAYID_CLOCK_MAX (1 << 24)

#define DETAILED_BYTES 18
#define DETAILED_AT 54
#define NAME_AT (DETAILED_AT + DETAILED_BYTES)
#define EXTENSIONS_AT 126
#define CHECKSUM_AT 127

#define DISPLAYID_TAG 0x70
#define DISPLAYID_VERSION 0x13
#define DISPLAYID_PAYLOAD_BYTES 121
#define DISPLAYID_TIMING_TAG 0x03
#define DISPLAYID_TIMING_BYTES 20

struct timing {
        uint32_t width, height;
        uint32_t v_blank, v_sync;
        uint32_t clock_10khz;
};

/* CVT gives each aspect ratio a length of the vertical sync, so that a display can tell them apart. */
static uint32_t v_sync_lines(uint32_t width, uint32_t height)
{
        static const struct {
                uint32_t x, y, lines;
        } ratios[] = { { 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 }, { 5, 4, 7 }, { 15, 9, 7 } };

        for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
                if (width * ratios[i].y == height * ratios[i].x)
                        return ratios[i].lines;
        return 10;
}

static struct timing timing_of(uint32_t width, uint32_t height, uint32_t rate_hz)
{
        struct timing t = { .width = width, .height = height, .v_sync = v_sync_lines(width, height) };
        /* A line takes what the rest of the period leaves; blanking is so many of them, rounded up. At high rates
           little is left, and the pause gets shorter than CVT has it: no display waits for it here. */
        uint64_t period_ns = NSEC_PER_SEC / rate_hz, pause_ns = MIN(V_BLANK_MIN_US * NSEC_PER_USEC, period_ns / 4);
        uint64_t pause_lines = pause_ns * height / (period_ns - pause_ns) + 1, clock;

        t.v_blank = (uint32_t) MAX(pause_lines, (uint64_t) V_FRONT + t.v_sync + V_BACK_MIN);
        clock = ((uint64_t) (width + H_BLANK) * (height + t.v_blank) * rate_hz + 5000) / 10000;
        t.clock_10khz = (uint32_t) MIN(clock, (uint64_t) DISPLAYID_CLOCK_MAX);
        return t;
}

static bool fits_detailed(const struct timing *t)
{
        return t->width <= DETAILED_PIXELS_MAX && t->height <= DETAILED_PIXELS_MAX &&
               t->clock_10khz <= DETAILED_CLOCK_MAX && t->v_blank <= DETAILED_PIXELS_MAX;
}

/* At 96 pixels an inch. */
static uint32_t millimetres(uint32_t pixels)
{
        return (pixels * 254 + 480) / 960;
}

static void put_16(uint8_t *p, uint32_t value)
{
        p[0] = (uint8_t) value;
        p[1] = (uint8_t) (value >> 8);
}

/* EDID 1.4, 3.10.2. */
static void put_detailed(uint8_t *p, const struct timing *t)
{
        uint32_t x_mm = MIN(millimetres(t->width), 4095u), y_mm = MIN(millimetres(t->height), 4095u);

        put_16(p, t->clock_10khz);
        p[2] = (uint8_t) t->width;
        p[3] = H_BLANK;
        p[4] = (uint8_t) (t->width >> 8 << 4);
        p[5] = (uint8_t) t->height;
        p[6] = (uint8_t) t->v_blank;
        p[7] = (uint8_t) (t->height >> 8 << 4 | t->v_blank >> 8);
        p[8] = H_FRONT;
        p[9] = H_SYNC;
        p[10] = (uint8_t) (V_FRONT << 4 | t->v_sync);
        p[12] = (uint8_t) x_mm;
        p[13] = (uint8_t) y_mm;
        p[14] = (uint8_t) (x_mm >> 8 << 4 | y_mm >> 8);
        p[17] = 0x1a; /* separate digital syncs: horizontal positive, vertical negative */
}

/* EDID 1.4, 3.10.3.4: ended by a line feed, padded with spaces. */
static void put_name(uint8_t *p, const char *name)
{
        size_t n = 0;

        p[3] = 0xfc;
        for (; *name && n < EDID_NAME_MAX; name++)
                if (*name >= ' ' && *name <= '~')
                        p[5 + n++] = (uint8_t) *name;
        if (n < EDID_NAME_MAX)
                p[5 + n++] = '\n';
        memset(p + 5 + n, ' ', EDID_NAME_MAX - n);
}

static uint8_t checksum(const uint8_t *p, size_t n)
{
        uint8_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += p[i];
        return (uint8_t) -sum;
}

/* DisplayID 1.3, 4.4: a detailed timing of type I; every field is less by one than what it says. */
static void put_displayid(uint8_t *p, const struct timing *t)
{
        uint8_t *section = p + 1, *block = section + 4, *timing = block + 3;

        p[0] = DISPLAYID_TAG;
        section[0] = DISPLAYID_VERSION;
        section[1] = DISPLAYID_PAYLOAD_BYTES;
        block[0] = DISPLAYID_TIMING_TAG;
        block[2] = DISPLAYID_TIMING_BYTES;
        put_16(timing, t->clock_10khz - 1);
        timing[2] = (uint8_t) ((t->clock_10khz - 1) >> 16);
        timing[3] = 0x88; /* preferred; the aspect ratio is not one of the table's */
        put_16(timing + 4, t->width - 1);
        put_16(timing + 6, H_BLANK - 1);
        put_16(timing + 8, (H_FRONT - 1) | 0x8000); /* positive */
        put_16(timing + 10, H_SYNC - 1);
        put_16(timing + 12, t->height - 1);
        put_16(timing + 14, t->v_blank - 1);
        put_16(timing + 16, V_FRONT - 1);
        put_16(timing + 18, t->v_sync - 1);
        section[4 + DISPLAYID_PAYLOAD_BYTES] = checksum(section, 4 + DISPLAYID_PAYLOAD_BYTES);
        p[CHECKSUM_AT] = checksum(p, CHECKSUM_AT);
}

/* EDID 1.4, 3.3 to 3.9. */
static void put_header(uint8_t *p, const struct edid_display *d)
{
        static const uint8_t magic[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
        static const uint8_t srgb[] = { 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 };
        uint32_t x_cm = millimetres(d->width) / 10, y_cm = millimetres(d->height) / 10;

        memcpy(p, magic, sizeof(magic));
        p[8] = ('B' - '@') << 2 | ('S' - '@') >> 3; /* manufacturer: BSB, five bits a letter */
        p[9] = (('S' - '@') << 5 & 0xff) | ('B' - '@');
        put_16(p + 10, 1);
        put_16(p + 12, d->serial);
        put_16(p + 14, d->serial >> 16);
        p[16] = 0xff; /* the next is the year of the model */
        p[17] = 2026 - 1990;
        p[18] = 1;
        p[19] = 4;
        p[20] = 0xa0; /* digital, 8 bits a colour */
        if (x_cm <= 255 && y_cm <= 255) {
                p[21] = (uint8_t) x_cm;
                p[22] = (uint8_t) y_cm;
        }
        p[23] = 220 - 100; /* gamma 2.2 */
        p[24] = 0x06;      /* sRGB; the first timing is the display's own */
        memcpy(p + 25, srgb, sizeof(srgb));
        memset(p + 38, 0x01, 16); /* no standard timings */
}

size_t edid_make(const struct edid_display *d, uint8_t ret[static EDID_BYTES_MAX])
{
        struct timing t = timing_of(d->width, d->height, d->rate_hz);
        struct timing small = timing_of(1024, 768, 60);
        bool extended = !fits_detailed(&t);

        memset(ret, 0, EDID_BYTES_MAX);
        put_header(ret, d);
        put_detailed(ret + DETAILED_AT, extended ? &small : &t);
        put_name(ret + NAME_AT, d->name);
        ret[NAME_AT + DETAILED_BYTES + 3] = 0x10; /* two that say nothing */
        ret[NAME_AT + 2 * DETAILED_BYTES + 3] = 0x10;
        if (extended)
                put_displayid(ret + EDID_BLOCK_BYTES, &t);
        ret[EXTENSIONS_AT] = extended;
        ret[CHECKSUM_AT] = checksum(ret, CHECKSUM_AT);
        return extended ? EDID_BYTES_MAX : EDID_BLOCK_BYTES;
}
