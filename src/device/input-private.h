/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of the input device share. */
#pragma once

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/input.h"
#include "virtio/device.h"

/* ---- input-config.c: what the device is ---- */

/* Fills what the driver asked for by @select and @subsel; size 0 for what there is not. */
void input_config_fill(const struct input_options *options, const char *name, uint8_t select, uint8_t subsel,
                       struct virtio_input_config *ret);
/* Does the device say that it sends these? */
bool input_offers(const struct input_options *options, uint16_t type, uint16_t code);

/* ---- input-state.c: what is held down ---- */

#define INPUT_SLOTS SINK_FINGERS_MAX

/* What a driver knows when it has got certain events. */
struct input_state {
        uint8_t keys[KEY_CNT / 8];
        struct {
                int32_t tracking; /* -1: no finger */
                int32_t x, y;
        } slots[INPUT_SLOTS];
        int32_t x, y; /* ABS_X, ABS_Y */
        int slot;     /* that ABS_MT_* are of */
};

/* Nothing is held. */
void input_state_clear(struct input_state *s);
void input_state_apply(struct input_state *s, const struct sink_event *e);

typedef void (*input_emit_fn)(void *data, const struct sink_event *e);

/* Emits what leads from @from to @to, in reports (SYN_REPORT included) of at most SINK_REPORT_MAX + 1 events. */
void input_state_difference(const struct input_state *from, const struct input_state *to, input_emit_fn emit,
                            void *data);
/* The same from any state at all: everything that @options offers is let go first. */
void input_state_let_go(const struct input_options *options, const struct input_state *to, input_emit_fn emit,
                        void *data);

/* ---- input-backlog.c: what waits for buffers ---- */

/* A ring of whole reports, of which the first may be partly delivered. */
struct input_backlog {
        struct sink_event events[INPUT_BACKLOG];
        size_t head, n;  /* first event; events */
        size_t n_last;   /* events of the last report, SYN_REPORT included, if none of it is delivered; else 0 */
        bool torn;       /* some of the first report is delivered */
};

/* Adds a report (without SYN_REPORT). Return: false if there is no room for it. */
bool input_backlog_add(struct input_backlog *b, const struct sink_event *events, size_t n);
/* Adds an event as it is, where the caller knows that there is room. */
void input_backlog_append(struct input_backlog *b, const struct sink_event *e);
/* Events of the first report, or of what is left of it. 0: nothing waits. */
size_t input_backlog_first(const struct input_backlog *b);
struct sink_event input_backlog_take(struct input_backlog *b);
/* Forgets all but what is left of a report that was begun. */
void input_backlog_drop(struct input_backlog *b);
void input_backlog_clear(struct input_backlog *b);
