/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/evdev-translate.h"

#include <linux/input-event-codes.h>

#include "base/macros.h"

#define FRACTION 65536
#define POINTER_MAX ((int64_t) SEAT_AXIS_MAX * FRACTION)

void evdev_translator_init(struct evdev_translator *t, const struct evdev_shape *shape)
{
        *t = (struct evdev_translator) { .shape = *shape, .pointer = { POINTER_MAX / 2, POINTER_MAX / 2 } };
}

static uint32_t axis_of(const struct evdev_translator *t, int axis, int32_t value)
{
        int64_t range = (int64_t) t->shape.max[axis] - t->shape.min[axis],
                offset = (int64_t) value - t->shape.min[axis];

        if (range <= 0)
                return 0;
        return (uint32_t) (MIN(MAX(offset, INT64_C(0)), range) * SEAT_AXIS_MAX / range);
}

static void take_absolute(struct evdev_translator *t, uint16_t code, int32_t value)
{
        struct evdev_contact *c = &t->contacts[t->slot >= 0 && t->slot < SINK_FINGERS_MAX ? t->slot : 0];
        bool known = t->slot >= 0 && t->slot < SINK_FINGERS_MAX;

        if (t->shape.panel && code == ABS_MT_SLOT)
                t->slot = value;
        else if (t->shape.panel && known && code == ABS_MT_TRACKING_ID) {
                c->replaced |= c->down && value >= 0;
                c->down = value >= 0;
        } else if (t->shape.panel && known && (code == ABS_MT_POSITION_X || code == ABS_MT_POSITION_Y)) {
                c->at[code == ABS_MT_POSITION_Y] = value;
                c->moved = true;
        } else if (t->shape.single_panel && code <= ABS_Y) {
                c->at[code] = value;
                c->moved = true;
        } else if (t->shape.tablet && code <= ABS_Y) {
                t->pointer[code] = (int64_t) axis_of(t, code, value) * FRACTION;
                t->pointed = true;
        }
}

static void keep(struct evdev_translator *t, uint16_t type, uint16_t code, int32_t value)
{
        if (t->n_later == ARRAY_SIZE(t->later))
                return;
        t->later[t->n_later].type = type;
        t->later[t->n_later].code = code;
        t->later[t->n_later++].value = value;
}

static void take_relative(struct evdev_translator *t, uint16_t code, int32_t value)
{
        uint32_t size = code == REL_X ? t->shape.width : t->shape.height;

        if (t->shape.mouse && (code == REL_X || code == REL_Y)) {
                int64_t step = MIN(MAX(value, -SEAT_AXIS_MAX), SEAT_AXIS_MAX);
                int64_t at = t->pointer[code] + step * SEAT_AXIS_MAX * FRACTION / MAX(size, 1U);

                t->pointer[code] = MIN(MAX(at, INT64_C(0)), POINTER_MAX);
                t->pointed = true;
        } else if (code == REL_DIAL || code == REL_WHEEL || code == REL_HWHEEL || (t->shape.knob && code == REL_X))
                keep(t, EV_REL, code, value);
}

static void take_key(struct evdev_translator *t, uint16_t code, int32_t value)
{
        if (value != 0 && value != 1)
                return; /* repeats are the guest's */
        if (code == BTN_TOUCH && t->shape.single_panel)
                t->contacts[0].down = value;
        else if (code != BTN_TOUCH && !(code >= BTN_DIGI && code < BTN_WHEEL))
                keep(t, EV_KEY, code, value);
}

static void emit_contact(struct evdev_translator *t, uint32_t id, evdev_emit_fn emit, void *data)
{
        struct evdev_contact *c = &t->contacts[id];
        struct seat_message m = { .id = id, .x = axis_of(t, 0, c->at[0]), .y = axis_of(t, 1, c->at[1]) };

        if (c->was_down && (!c->down || c->replaced)) {
                m.kind = SEAT_TOUCH_UP;
                emit(data, &m);
                c->was_down = false;
        }
        m.kind = c->was_down ? SEAT_TOUCH_MOVE : SEAT_TOUCH_DOWN;
        if (c->down && (c->moved || !c->was_down))
                emit(data, &m);
        c->was_down = c->down;
        c->replaced = c->moved = false;
}

static void emit_later(const struct evdev_translator *t, size_t i, evdev_emit_fn emit, void *data)
{
        uint16_t code = t->later[i].code;
        bool turn = t->later[i].type == EV_REL;
        struct seat_message m = { .code = code, .value = t->later[i].value };

        if (turn)
                m.kind = t->shape.knob || code == REL_DIAL ? SEAT_ROTARY : SEAT_WHEEL;
        else
                m.kind = code >= BTN_MOUSE && code <= BTN_TASK ? SEAT_BUTTON : SEAT_KEY;
        emit(data, &m);
}

void evdev_translate(struct evdev_translator *t, uint16_t type, uint16_t code, int32_t value, evdev_emit_fn emit,
                     void *data)
{
        switch (type) {
        case EV_ABS:
                take_absolute(t, code, value);
                return;
        case EV_REL:
                take_relative(t, code, value);
                return;
        case EV_KEY:
                take_key(t, code, value);
                return;
        case EV_SYN:
                if (code == SYN_REPORT)
                        break;
                return;
        default:
                return;
        }
        for (uint32_t i = 0; i < SINK_FINGERS_MAX; i++)
                emit_contact(t, i, emit, data);
        if (t->pointed)
                emit(data, &(struct seat_message) { .kind = SEAT_POINTER_MOVE,
                                                   .x = (uint32_t) (t->pointer[0] / FRACTION),
                                                   .y = (uint32_t) (t->pointer[1] / FRACTION) });
        t->pointed = false;
        for (size_t i = 0; i < t->n_later; i++)
                emit_later(t, i, emit, data);
        t->n_later = 0;
}
