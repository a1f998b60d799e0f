/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/sink.h"

#include <assert.h>
#include <string.h>

/* The most that one call adds. */
#define ADDED_MAX 8

void sink_init(struct sink *s, enum sink_kind kind, const struct sink_ops *ops)
{
        *s = (struct sink) { .ops = ops, .kind = kind };
}

void sink_commit(struct sink *s)
{
        size_t n = s->n_events;

        s->n_events = 0;
        if (n > 0)
                s->ops->report(s, s->events, n);
}

static void add(struct sink *s, uint16_t type, uint16_t code, int32_t value)
{
        assert(s->n_events < SINK_REPORT_MAX);
        s->events[s->n_events++] = (struct sink_event) { type, code, value };
}

/* Makes room for one call's events. */
static void reserve(struct sink *s)
{
        if (s->n_events + ADDED_MAX > SINK_REPORT_MAX)
                sink_commit(s);
}

/* One report says one thing of a key: down and up are two. */
static void separate(struct sink *s, uint16_t type, uint16_t code)
{
        for (size_t i = 0; i < s->n_events; i++) {
                if (s->events[i].type == type && s->events[i].code == code) {
                        sink_commit(s);
                        return;
                }
        }
}

void sink_key(struct sink *s, uint16_t code, bool down)
{
        uint8_t *holders;

        assert(code < KEY_CNT);
        holders = &s->holders[code];
        if (down ? *holders == UINT8_MAX : *holders == 0)
                return;
        *holders = (uint8_t) (*holders + (down ? 1 : -1));
        if (*holders != (down ? 1 : 0))
                return;
        separate(s, EV_KEY, code);
        reserve(s);
        add(s, EV_KEY, code, down);
}

void sink_position(struct sink *s, uint32_t x, uint32_t y)
{
        reserve(s);
        add(s, EV_ABS, ABS_X, (int32_t) x);
        add(s, EV_ABS, ABS_Y, (int32_t) y);
}

void sink_turn(struct sink *s, uint16_t axis, int32_t value)
{
        if (value == 0)
                return;
        separate(s, EV_REL, axis);
        reserve(s);
        add(s, EV_REL, axis, value);
}

/* The finger that single-touch readers follow. NULL: none is down. */
static const struct sink_contact *oldest(const struct sink *s)
{
        const struct sink_contact *found = NULL;

        for (size_t i = 0; i < SINK_FINGERS_MAX; i++) {
                const struct sink_contact *c = &s->contacts[i];

                if (c->down && (!found || (int32_t) (c->age - found->age) < 0))
                        found = c;
        }
        return found;
}

static void add_single_touch(struct sink *s)
{
        const struct sink_contact *c = oldest(s);

        if (!c)
                return;
        add(s, EV_ABS, ABS_X, (int32_t) c->x);
        add(s, EV_ABS, ABS_Y, (int32_t) c->y);
}

static void add_place(struct sink *s, const struct sink_contact *c)
{
        add(s, EV_ABS, ABS_MT_POSITION_X, (int32_t) c->x);
        add(s, EV_ABS, ABS_MT_POSITION_Y, (int32_t) c->y);
}

int sink_touch_down(struct sink *s, uint32_t x, uint32_t y)
{
        struct sink_contact *c;
        int slot = 0;

        while (slot < SINK_FINGERS_MAX && s->contacts[slot].down)
                slot++;
        if (slot == SINK_FINGERS_MAX)
                return -1;
        /* A finger that came or went is a report of its own: the same slot, or BTN_TOUCH, may be used again at once. */
        separate(s, EV_ABS, ABS_MT_TRACKING_ID);
        reserve(s);
        c = &s->contacts[slot];
        *c = (struct sink_contact) { .down = true, .age = s->next_age++, .x = x, .y = y };
        s->n_contacts++;
        add(s, EV_ABS, ABS_MT_SLOT, slot);
        add(s, EV_ABS, ABS_MT_TRACKING_ID, (int32_t) (c->age & SINK_TRACKING_MAX));
        add_place(s, c);
        if (s->n_contacts == 1)
                add(s, EV_KEY, BTN_TOUCH, 1);
        add_single_touch(s);
        return slot;
}

void sink_touch_move(struct sink *s, int slot, uint32_t x, uint32_t y)
{
        struct sink_contact *c = &s->contacts[slot];

        assert(slot >= 0 && slot < SINK_FINGERS_MAX && c->down);
        if (c->x == x && c->y == y)
                return;
        reserve(s);
        c->x = x;
        c->y = y;
        add(s, EV_ABS, ABS_MT_SLOT, slot);
        add_place(s, c);
        add_single_touch(s);
}

void sink_touch_up(struct sink *s, int slot)
{
        struct sink_contact *c = &s->contacts[slot];

        assert(slot >= 0 && slot < SINK_FINGERS_MAX && c->down);
        separate(s, EV_ABS, ABS_MT_TRACKING_ID);
        reserve(s);
        c->down = false;
        s->n_contacts--;
        add(s, EV_ABS, ABS_MT_SLOT, slot);
        add(s, EV_ABS, ABS_MT_TRACKING_ID, -1);
        if (s->n_contacts == 0)
                add(s, EV_KEY, BTN_TOUCH, 0);
        add_single_touch(s);
}
