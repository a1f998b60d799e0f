/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What people do, on its way from where it is noticed (VNC and window outputs of the display server, `busbar input`) to
 * the input server, which listens on a SOCK_DGRAM unix socket (`--seat=PATH`) of mode 0600. One struct a datagram, host
 * byte order; nothing is answered. evdev devices are read by the input server itself.
 *
 * Connectionless on purpose: each side may be restarted without the other. A sender never waits: what does not fit is
 * lost, and the receiver lets go of everything a source holds when a message of that source says so (SEAT_LEAVE) or its
 * sequence has a gap.
 */
#pragma once

#include <stdint.h>

#define SEAT_MAGIC 0x54414553u /* "SEAT" */
#define SEAT_NAME_MAX 31
#define SEAT_AXIS_MAX 65535
#define SEAT_CLICKS_MAX 100 /* either way, of one message */

enum seat_kind {
        SEAT_TOUCH_DOWN = 1, /* id: finger; x, y */
        SEAT_TOUCH_MOVE,     /* id, x, y */
        SEAT_TOUCH_UP,       /* id */
        SEAT_POINTER_MOVE,   /* x, y; with BTN_LEFT down, a touch for a display whose guest has a touch but no pointer
                                device */
        SEAT_BUTTON,         /* code: BTN_*; value: 1 down, 0 up */
        SEAT_WHEEL,          /* value: clicks, up is positive, where the pointer is; code: REL_WHEEL or REL_HWHEEL */
        SEAT_KEY,            /* code: KEY_*; value: 1 down, 0 up */
        SEAT_ROTARY,         /* value: clicks, clockwise is positive */
        SEAT_LEAVE,          /* the source goes away: everything it holds is let go */
};

struct seat_message {
        uint32_t magic;
        uint32_t source;   /* random, one a sender's life */
        uint32_t sequence; /* of this source, from 0 */
        uint32_t kind;
        char screen[SEAT_NAME_MAX + 1]; /* NUL-terminated name of the screen */
        uint32_t id, code;
        int32_t value;
        uint32_t x, y; /* 0 to SEAT_AXIS_MAX across the screen's width and height */
};

/* The middle of pixel @pixel of @size, and the pixel of a place: one is the other's inverse for sizes up to
   SCENE_PIXELS_MAX. */
static inline uint32_t seat_axis_from_pixel(uint32_t pixel, uint32_t size)
{
        if (size == 0 || pixel >= size)
                return size == 0 ? 0 : SEAT_AXIS_MAX;
        return (uint32_t) ((pixel * UINT64_C(2) + 1) * 32768 / size);
}

static inline uint32_t seat_axis_to_pixel(uint32_t axis, uint32_t size)
{
        return axis > SEAT_AXIS_MAX ? size - (size > 0) : (uint32_t) ((uint64_t) axis * size / 65536);
}
