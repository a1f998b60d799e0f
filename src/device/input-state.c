/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is held down, as somebody knows it who has got certain events. The device keeps two: what is so now, and what
 * the driver was told. When they had to part (the driver gave no buffers for too long, or began anew), the difference
 * brings them together again, so that no key or finger sticks.
 */
#include <string.h>

#include "device/input-private.h"

/* Keys of one report of a difference. */
#define KEYS_AT_ONCE 32

void input_state_clear(struct input_state *s)
{
        *s = (struct input_state) { .x = -1, .y = -1 };
        for (size_t i = 0; i < INPUT_SLOTS; i++)
                s->slots[i].tracking = s->slots[i].x = s->slots[i].y = -1;
}

static bool has_key(const struct input_state *s, uint16_t code)
{
        return s->keys[code / 8] >> (code % 8) & 1;
}

static void apply_axis(struct input_state *s, uint16_t code, int32_t value)
{
        switch (code) {
        case ABS_X:
                s->x = value;
                break;
        case ABS_Y:
                s->y = value;
                break;
        case ABS_MT_SLOT:
                s->slot = value;
                break;
        case ABS_MT_TRACKING_ID:
                s->slots[s->slot].tracking = value;
                break;
        case ABS_MT_POSITION_X:
                s->slots[s->slot].x = value;
                break;
        case ABS_MT_POSITION_Y:
                s->slots[s->slot].y = value;
                break;
        }
}

void input_state_apply(struct input_state *s, const struct sink_event *e)
{
        uint8_t bit = (uint8_t) (1U << (e->code % 8));

        if (e->type == EV_ABS)
                apply_axis(s, e->code, e->value);
        else if (e->type == EV_KEY && e->value)
                s->keys[e->code / 8] |= bit;
        else if (e->type == EV_KEY)
                s->keys[e->code / 8] &= (uint8_t) ~bit;
        /* Where the last finger was is nobody's business any more. */
        if (e->type == EV_KEY && e->code == BTN_TOUCH && !e->value)
                s->x = s->y = -1;
}

/* Cuts events into reports. */
struct writer {
        input_emit_fn emit;
        void *data;
        size_t n; /* since the last SYN_REPORT */
};

static void put(struct writer *w, uint16_t type, uint16_t code, int32_t value)
{
        w->emit(w->data, &(struct sink_event) { type, code, value });
        w->n++;
}

static void end_report(struct writer *w)
{
        if (w->n > 0)
                put(w, EV_SYN, SYN_REPORT, 0);
        w->n = 0;
}

static void put_key(struct writer *w, uint16_t code, bool down)
{
        put(w, EV_KEY, code, down);
        if (w->n >= KEYS_AT_ONCE)
                end_report(w);
}

/* Fingers that are gone, or are others by now. */
static void lift_fingers(struct writer *w, const struct input_state *from, const struct input_state *to)
{
        for (int i = 0; i < INPUT_SLOTS; i++) {
                if (from->slots[i].tracking < 0 || from->slots[i].tracking == to->slots[i].tracking)
                        continue;
                put(w, EV_ABS, ABS_MT_SLOT, i);
                put(w, EV_ABS, ABS_MT_TRACKING_ID, -1);
        }
}

static void put_fingers(struct writer *w, const struct input_state *from, const struct input_state *to)
{
        for (int i = 0; i < INPUT_SLOTS; i++) {
                bool known = from->slots[i].tracking == to->slots[i].tracking;

                if (to->slots[i].tracking < 0 || (known && from->slots[i].x == to->slots[i].x &&
                                                  from->slots[i].y == to->slots[i].y))
                        continue;
                put(w, EV_ABS, ABS_MT_SLOT, i);
                if (!known)
                        put(w, EV_ABS, ABS_MT_TRACKING_ID, to->slots[i].tracking);
                put(w, EV_ABS, ABS_MT_POSITION_X, to->slots[i].x);
                put(w, EV_ABS, ABS_MT_POSITION_Y, to->slots[i].y);
        }
        if (to->x >= 0 && from->x != to->x)
                put(w, EV_ABS, ABS_X, to->x);
        if (to->y >= 0 && from->y != to->y)
                put(w, EV_ABS, ABS_Y, to->y);
}

void input_state_difference(const struct input_state *from, const struct input_state *to, input_emit_fn emit,
                            void *data)
{
        struct writer w = { .emit = emit, .data = data };

        lift_fingers(&w, from, to);
        for (uint16_t code = 0; code < KEY_CNT; code++)
                if (has_key(from, code) && !has_key(to, code))
                        put_key(&w, code, false);
        end_report(&w);
        put_fingers(&w, from, to);
        for (uint16_t code = 0; code < KEY_CNT; code++)
                if (!has_key(from, code) && has_key(to, code))
                        put_key(&w, code, true);
        end_report(&w);
}

void input_state_let_go(const struct input_options *options, const struct input_state *to, input_emit_fn emit,
                        void *data)
{
        struct input_state all, none;

        input_state_clear(&all);
        input_state_clear(&none);
        for (uint16_t code = 0; code < KEY_CNT; code++)
                if (input_offers(options, EV_KEY, code))
                        input_state_apply(&all, &(struct sink_event) { EV_KEY, code, 1 });
        for (size_t i = 0; options->kind == SINK_TOUCH && i < INPUT_SLOTS; i++)
                all.slots[i].tracking = 0;
        input_state_difference(&all, &none, emit, data);
        input_state_difference(&none, to, emit, data);
}
