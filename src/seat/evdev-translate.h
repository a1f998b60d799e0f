/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the events of one evdev device to what a person does: pure. Events are collected until SYN_REPORT; then what
 * moved comes first, keys and buttons after it, as they came.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seat/message.h"
#include "seat/sink.h"

/* What a device is; all that apply. */
struct evdev_shape {
        bool panel;        /* touch, multi-touch type B */
        bool single_panel; /* touch, one finger: ABS_X, ABS_Y, BTN_TOUCH */
        bool tablet;       /* pointer with a place: ABS_X, ABS_Y */
        bool mouse;        /* pointer that moves: REL_X, REL_Y */
        bool knob;         /* turns; REL_DIAL does so on any device */
        int32_t min[2], max[2]; /* x, y of a panel or tablet */
        uint32_t width, height; /* of the screen: a mouse's step is a pixel */
};

struct evdev_contact {
        bool down, was_down, replaced, moved;
        int32_t at[2];
};

struct evdev_translator {
        struct evdev_shape shape;
        int slot;
        struct evdev_contact contacts[SINK_FINGERS_MAX];
        bool pointed;    /* since the last report */
        int64_t pointer[2]; /* 16 bits of fraction of an axis unit */
        struct {
                uint16_t type, code;
                int32_t value;
        } later[32]; /* keys, buttons and turns of this report */
        size_t n_later;
};

typedef void (*evdev_emit_fn)(void *data, const struct seat_message *m);

void evdev_translator_init(struct evdev_translator *t, const struct evdev_shape *shape);

/* Takes one event; emits at SYN_REPORT. Of messages kind, id, code, value, x and y are filled in. */
void evdev_translate(struct evdev_translator *t, uint16_t type, uint16_t code, int32_t value, evdev_emit_fn emit,
                     void *data);
