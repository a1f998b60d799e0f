/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Decides whose input what people do is. Pure: no descriptors, no time.
 *
 *      source (a sender, an evdev device) ── seat_router_handle() ──► router ── reports ──► sink (a guest's device)
 *
 * - A touch belongs to the display in front at the place where the finger went down, until it lifts: wherever it
 *   moves, whatever is shown meanwhile, and also if that display has no touch device or its guest is gone. Then nobody
 *   gets it. Places outside of the guest's picture become the nearest ones in it; a finger that goes down beside the
 *   picture is nobody's.
 * - A pointer belongs to the display in front of which it is; while a button is held, to the one where the first was
 *   pressed. If that display's guest has a touch device and no pointer, its left button is a finger.
 * - Keys and knobs belong to the display that has the focus of their screen; a key that was pressed there is released
 *   there. Focus begins where the scene says (keyFocus) and, with focusFollowsTouch, goes to the display touched last
 *   that has a keyboard or a knob; a touch of another one leaves it.
 *
 * What a source holds is remembered with the source, so that all of it can be let go when the source is lost.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seat/message.h"
#include "seat/sink.h"

#define SEAT_KEYS_MAX 16 /* that one source holds at a time; more are ignored */

struct scene;
struct seat_router;

struct seat_finger {
        bool down;
        uint32_t id;
        size_t display;
        int slot; /* of the display's touch device */
};

struct seat_held_key {
        uint16_t code;
        size_t display;
};

struct seat_pointer {
        bool placed;
        size_t screen;
        uint32_t x, y;    /* pixels of the screen */
        uint32_t buttons; /* held: bits from BTN_LEFT on */
        size_t grab;      /* display that has the buttons; while any is held */
        int slot;         /* of the finger that its left button is; -1: none */
};

/* What a source holds. Zeroed at first. Its owner's; the router keeps no pointer to it. */
struct seat_source {
        struct seat_finger fingers[SINK_FINGERS_MAX];
        struct seat_held_key keys[SEAT_KEYS_MAX];
        size_t n_keys;
        struct seat_pointer pointer;
};

/* @scene: borrowed. Return: 0 or -ENOMEM. */
int seat_router_new(const struct scene *scene, struct seat_router **ret);
struct seat_router *seat_router_free(struct seat_router *r);

static inline void seat_router_freep(struct seat_router **r)
{
        *r = seat_router_free(*r);
}

/**
 * seat_router_add() - a guest has a device for a display
 * @sink: borrowed until the router is freed or no longer used
 *
 * Return: 0; -ENOENT: there is no such display; -EEXIST: it has a device of that kind.
 */
int seat_router_add(struct seat_router *r, const char *display, struct sink *sink);

/* Gives the keys of a screen to a display; both are indexes. */
void seat_router_set_focus(struct seat_router *r, size_t screen, size_t display);

/* Return: the index of a screen; -ENOENT. */
int seat_router_screen(const struct seat_router *r, const char *name);
/* Pixels of a screen. */
void seat_router_screen_size(const struct seat_router *r, size_t screen, uint32_t *ret_width, uint32_t *ret_height);

/**
 * seat_router_handle() - take one message of a source
 * @screen: index
 * @m:      kind, id, code, value, x and y are used; they may be anything
 *
 * What the guests get is collected until seat_router_commit().
 *
 * Return: 0, also if it is nobody's; -EBADMSG for a kind or value that is not defined.
 */
int seat_router_handle(struct seat_router *r, struct seat_source *source, size_t screen, const struct seat_message *m);

/* Lets go of all that a source holds. */
void seat_router_leave(struct seat_router *r, struct seat_source *source);
bool seat_source_holds(const struct seat_source *source);

/* Gives the guests one report each of what was handled since the last time. */
void seat_router_commit(struct seat_router *r);
