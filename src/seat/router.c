/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/router.h"

#include <assert.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "scene/scene.h"
#include "seat/map.h"

#define BUTTONS 8 /* BTN_LEFT to BTN_TASK */

struct seat_router {
        const struct scene *scene;          /* borrowed */
        struct sink *(*sinks)[SINK_KINDS];  /* owned, entries borrowed; by display; NULL: no such device */
        size_t *focus;                      /* owned; display by screen; SEAT_NO_DISPLAY: nobody's */
};

int seat_router_new(const struct scene *scene, struct seat_router **ret)
{
        auto_cleanup(seat_router_freep) struct seat_router *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->scene = scene;
        r->sinks = calloc(scene->n_displays + 1, sizeof(*r->sinks));
        r->focus = calloc(scene->n_screens + 1, sizeof(*r->focus));
        if (!r->sinks || !r->focus)
                return -ENOMEM;
        for (size_t i = 0; i < scene->n_screens; i++) {
                const char *name = scene->screens[i].key_focus;

                r->focus[i] = SEAT_NO_DISPLAY;
                for (size_t k = 0; name && k < scene->n_displays; k++)
                        if (strcmp(scene->displays[k].name, name) == 0)
                                r->focus[i] = k;
        }
        *ret = take_ptr(&r);
        return 0;
}

struct seat_router *seat_router_free(struct seat_router *r)
{
        if (!r)
                return NULL;
        free(r->sinks);
        free(r->focus);
        free(r);
        return NULL;
}

int seat_router_add(struct seat_router *r, const char *display, struct sink *sink)
{
        for (size_t i = 0; i < r->scene->n_displays; i++) {
                if (strcmp(r->scene->displays[i].name, display) != 0)
                        continue;
                if (r->sinks[i][sink->kind])
                        return -EEXIST;
                r->sinks[i][sink->kind] = sink;
                return 0;
        }
        return -ENOENT;
}

void seat_router_set_focus(struct seat_router *r, size_t screen, size_t display)
{
        assert(screen < r->scene->n_screens && display < r->scene->n_displays);
        r->focus[screen] = display;
}

int seat_router_screen(const struct seat_router *r, const char *name)
{
        for (size_t i = 0; i < r->scene->n_screens; i++)
                if (strcmp(r->scene->screens[i].name, name) == 0)
                        return (int) i;
        return -ENOENT;
}

void seat_router_screen_size(const struct seat_router *r, size_t screen, uint32_t *ret_width, uint32_t *ret_height)
{
        assert(screen < r->scene->n_screens);
        *ret_width = r->scene->screens[screen].width;
        *ret_height = r->scene->screens[screen].height;
}

static struct sink *sink_of(const struct seat_router *r, size_t display, enum sink_kind kind)
{
        return display == SEAT_NO_DISPLAY ? NULL : r->sinks[display][kind];
}

static struct seat_place place_of(const struct seat_router *r, size_t screen, const struct seat_message *m)
{
        const struct scene_screen *s = &r->scene->screens[screen];

        return (struct seat_place) { seat_axis_to_pixel(m->x, s->width), seat_axis_to_pixel(m->y, s->height) };
}

/* Somebody touched a display, or clicked there. */
static void move_focus(struct seat_router *r, size_t screen, size_t display)
{
        if (r->scene->screens[screen].focus_follows_touch &&
            (sink_of(r, display, SINK_KEYBOARD) || sink_of(r, display, SINK_ROTARY)))
                r->focus[screen] = display;
}

/* ---- fingers ---- */

static struct seat_finger *find_finger(struct seat_source *source, uint32_t id)
{
        for (size_t i = 0; i < SINK_FINGERS_MAX; i++)
                if (source->fingers[i].down && source->fingers[i].id == id)
                        return &source->fingers[i];
        return NULL;
}

static void lift(struct seat_router *r, struct seat_finger *finger)
{
        if (!finger)
                return;
        sink_touch_up(sink_of(r, finger->display, SINK_TOUCH), finger->slot);
        finger->down = false;
}

/* Return: slot of the touch device at that place; -1: nobody's. */
static int put_down(struct seat_router *r, size_t screen, struct seat_place at, size_t *ret_display)
{
        size_t display = seat_display_at(r->scene, screen, at);
        struct sink *sink = sink_of(r, display, SINK_TOUCH);
        struct seat_place place;

        move_focus(r, screen, display);
        if (!sink || !seat_map(&r->scene->displays[display], at, &place))
                return -1;
        *ret_display = display;
        return sink_touch_down(sink, place.x, place.y);
}

static void slide(struct seat_router *r, size_t display, int slot, struct seat_place at)
{
        struct seat_place place;

        (void) seat_map(&r->scene->displays[display], at, &place);
        sink_touch_move(sink_of(r, display, SINK_TOUCH), slot, place.x, place.y);
}

/* A finger that is nobody's is not remembered: it can only lift. */
static void touch_down(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        struct seat_finger finger = { .down = true, .id = m->id };

        lift(r, find_finger(source, m->id));
        for (size_t i = 0; i < SINK_FINGERS_MAX; i++) {
                if (source->fingers[i].down)
                        continue;
                finger.slot = put_down(r, screen, place_of(r, screen, m), &finger.display);
                if (finger.slot >= 0)
                        source->fingers[i] = finger;
                return;
        }
}

static void touch_move(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        const struct seat_finger *finger = find_finger(source, m->id);

        if (finger && r->scene->displays[finger->display].screen == screen)
                slide(r, finger->display, finger->slot, place_of(r, screen, m));
}

/* ---- pointer ---- */

/* Whose the pointer is now. */
static size_t pointed_at(const struct seat_router *r, const struct seat_pointer *p)
{
        if (p->buttons != 0)
                return p->grab;
        return p->placed ? seat_display_at(r->scene, p->screen, (struct seat_place) { p->x, p->y }) : SEAT_NO_DISPLAY;
}

static void place_pointer(const struct seat_router *r, const struct seat_pointer *p, size_t display)
{
        struct sink *sink = sink_of(r, display, SINK_POINTER);
        struct seat_place place;

        if (!sink || r->scene->displays[display].screen != p->screen)
                return;
        (void) seat_map(&r->scene->displays[display], (struct seat_place) { p->x, p->y }, &place);
        sink_position(sink, place.x, place.y);
}

static void pointer_move(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        struct seat_pointer *p = &source->pointer;
        struct seat_place at = place_of(r, screen, m);

        if (p->buttons != 0 && p->screen != screen)
                return;
        p->placed = true;
        p->screen = screen;
        p->x = at.x;
        p->y = at.y;
        if (p->buttons != 0 && p->slot >= 0)
                slide(r, p->grab, p->slot, at);
        place_pointer(r, p, pointed_at(r, p));
}

static void press(struct seat_router *r, struct seat_pointer *p, uint16_t code)
{
        if (p->buttons == 0) {
                p->grab = pointed_at(r, p);
                p->slot = -1;
                if (p->placed)
                        move_focus(r, p->screen, p->grab);
        }
        p->buttons |= 1U << (code - BTN_LEFT);
        if (sink_of(r, p->grab, SINK_POINTER)) {
                place_pointer(r, p, p->grab);
                sink_key(sink_of(r, p->grab, SINK_POINTER), code, true);
        } else if (code == BTN_LEFT && p->placed && p->grab != SEAT_NO_DISPLAY) {
                size_t display = p->grab;
                struct seat_place place;
                struct sink *sink = sink_of(r, display, SINK_TOUCH);

                if (sink && seat_map(&r->scene->displays[display], (struct seat_place) { p->x, p->y }, &place))
                        p->slot = sink_touch_down(sink, place.x, place.y);
        }
}

static void release(struct seat_router *r, struct seat_pointer *p, uint16_t code)
{
        struct sink *sink = sink_of(r, p->grab, SINK_POINTER);

        p->buttons &= ~(1U << (code - BTN_LEFT));
        if (sink)
                sink_key(sink, code, false);
        if (code == BTN_LEFT && p->slot >= 0) {
                sink_touch_up(sink_of(r, p->grab, SINK_TOUCH), p->slot);
                p->slot = -1;
        }
}

static int button(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        struct seat_pointer *p = &source->pointer;
        bool held;

        if (m->code < BTN_LEFT || m->code >= BTN_LEFT + BUTTONS || (m->value != 0 && m->value != 1))
                return -EBADMSG;
        held = p->buttons >> (m->code - BTN_LEFT) & 1;
        if (held == (m->value == 1) || (!held && p->placed && p->screen != screen))
                return 0;
        if (m->value == 1)
                press(r, p, (uint16_t) m->code);
        else
                release(r, p, (uint16_t) m->code);
        return 0;
}

/* ---- keys and knobs ---- */

static void forget_key(struct seat_router *r, struct seat_source *source, size_t i)
{
        const struct seat_held_key *key = &source->keys[i];

        sink_key(sink_of(r, key->display, SINK_KEYBOARD), key->code, false);
        source->keys[i] = source->keys[--source->n_keys];
}

static int key(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        size_t focus = r->focus[screen], i = 0;
        struct sink *sink = sink_of(r, focus, SINK_KEYBOARD);

        if (m->code == 0 || m->code >= KEY_CNT || (m->value != 0 && m->value != 1))
                return -EBADMSG;
        while (i < source->n_keys && source->keys[i].code != m->code)
                i++;
        if (m->value == 0 && i < source->n_keys)
                forget_key(r, source, i);
        else if (m->value == 1 && sink && i == source->n_keys && i < SEAT_KEYS_MAX) {
                source->keys[source->n_keys++] = (struct seat_held_key) { (uint16_t) m->code, focus };
                sink_key(sink, (uint16_t) m->code, true);
        }
        return 0;
}

static int turn(struct sink *sink, uint16_t axis, int32_t clicks)
{
        if (clicks < -SEAT_CLICKS_MAX || clicks > SEAT_CLICKS_MAX)
                return -EBADMSG;
        if (sink)
                sink_turn(sink, axis, clicks);
        return 0;
}

static int wheel(struct seat_router *r, struct seat_source *source, const struct seat_message *m)
{
        if (m->code != REL_WHEEL && m->code != REL_HWHEEL)
                return -EBADMSG;
        return turn(sink_of(r, pointed_at(r, &source->pointer), SINK_POINTER), (uint16_t) m->code, m->value);
}

/* ---- all kinds ---- */

int seat_router_handle(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m)
{
        bool has_place = m->kind == SEAT_TOUCH_DOWN || m->kind == SEAT_TOUCH_MOVE || m->kind == SEAT_POINTER_MOVE;

        assert(screen < r->scene->n_screens);
        if (has_place && (m->x > SEAT_AXIS_MAX || m->y > SEAT_AXIS_MAX))
                return -EBADMSG;
        switch (m->kind) {
        case SEAT_TOUCH_DOWN:
                touch_down(r, source, screen, m);
                return 0;
        case SEAT_TOUCH_MOVE:
                touch_move(r, source, screen, m);
                return 0;
        case SEAT_TOUCH_UP:
                lift(r, find_finger(source, m->id));
                return 0;
        case SEAT_POINTER_MOVE:
                pointer_move(r, source, screen, m);
                return 0;
        case SEAT_BUTTON:
                return button(r, source, screen, m);
        case SEAT_WHEEL:
                return wheel(r, source, m);
        case SEAT_KEY:
                return key(r, source, screen, m);
        case SEAT_ROTARY:
                return turn(sink_of(r, r->focus[screen], SINK_ROTARY), REL_DIAL, m->value);
        case SEAT_LEAVE:
                seat_router_leave(r, source);
                return 0;
        default:
                return -EBADMSG;
        }
}

void seat_router_leave(struct seat_router *r, struct seat_source *source)
{
        for (size_t i = 0; i < SINK_FINGERS_MAX; i++)
                if (source->fingers[i].down)
                        lift(r, &source->fingers[i]);
        while (source->n_keys > 0)
                forget_key(r, source, source->n_keys - 1);
        for (uint16_t i = 0; i < BUTTONS; i++)
                if (source->pointer.buttons >> i & 1)
                        release(r, &source->pointer, (uint16_t) (BTN_LEFT + i));
        source->pointer.placed = false;
}

bool seat_source_holds(const struct seat_source *source)
{
        for (size_t i = 0; i < SINK_FINGERS_MAX; i++)
                if (source->fingers[i].down)
                        return true;
        return source->n_keys > 0 || source->pointer.buttons != 0;
}

void seat_router_commit(struct seat_router *r)
{
        for (size_t i = 0; i < r->scene->n_displays; i++)
                for (size_t k = 0; k < SINK_KINDS; k++)
                        if (r->sinks[i][k])
                                sink_commit(r->sinks[i][k]);
}
