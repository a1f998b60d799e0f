/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where input ends: the input device of one guest, as the router sees it. It takes Linux input events
 * (linux/input-event-codes.h) in reports: all that changed at one moment. A report is collected here and given to the
 * device in one piece; the device adds the closing SYN_REPORT.
 *
 * What several sources hold down at the same time is counted, so that a key is up when the last of them lets go.
 *
 * Touch is multi-touch protocol type B, with the position of the oldest finger as ABS_X and ABS_Y and BTN_TOUCH
 * besides, as Linux' own drivers do it for readers of single touches.
 */
#pragma once

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_FINGERS_MAX 10
#define SINK_REPORT_MAX 60  /* events of one report, SYN_REPORT not counted; ten fingers at once take 43 */
#define SINK_TRACKING_MAX 65535 /* ABS_MT_TRACKING_ID goes round */

enum sink_kind { SINK_TOUCH, SINK_KEYBOARD, SINK_POINTER, SINK_ROTARY, SINK_KINDS };

struct sink;

struct sink_event {
        uint16_t type, code;
        int32_t value;
};

struct sink_ops {
        /* One report; @n at least 1. */
        void (*report)(struct sink *s, const struct sink_event *events, size_t n);
};

struct sink_contact {
        bool down;
        uint32_t age;  /* the lower, the longer it is down */
        uint32_t x, y; /* pixels of the guest's picture */
};

/* Embedded in the device. */
struct sink {
        const struct sink_ops *ops;
        enum sink_kind kind;
        struct sink_event events[SINK_REPORT_MAX]; /* of the report that is being collected */
        size_t n_events;
        uint8_t holders[KEY_CNT]; /* sources that hold each key or button */
        struct sink_contact contacts[SINK_FINGERS_MAX]; /* by slot */
        size_t n_contacts;
        uint32_t next_age;
};

void sink_init(struct sink *s, enum sink_kind kind, const struct sink_ops *ops);

/* Gives what was collected to the device. */
void sink_commit(struct sink *s);

/* A source pressed or released a key or button; each source does so in turn. */
void sink_key(struct sink *s, uint16_t code, bool down);
void sink_position(struct sink *s, uint32_t x, uint32_t y);
void sink_turn(struct sink *s, uint16_t axis, int32_t value);

/* Return: the slot of the new finger; -1 if all are taken. */
int sink_touch_down(struct sink *s, uint32_t x, uint32_t y);
void sink_touch_move(struct sink *s, int slot, uint32_t x, uint32_t y);
void sink_touch_up(struct sink *s, int slot);
