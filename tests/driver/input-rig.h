/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Of the input server's driver tests: the server as a process, two displays of 800 by 600 side by side, a touch device
 * for each and a keyboard for the right one, which has the keys, and somebody who touches the screen. One at a time.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"
#include "input-guest.h"

#define RIG_SHORT_MS 50 /* for what is not to come */

extern struct input_rig {
        struct harness harness;
        struct vhost_driver left, right, keyboard;
        struct seat_sender *sender; /* owned */
        const char *seat_path;
} rig;

int rig_setup(void **state);
int rig_teardown(void **state);

void rig_start_server(void);
/* @name: "left", "right" or "keys". */
void rig_connect(struct vhost_driver *d, const char *name, bool packed);
/* A file of the rig's folder. */
void rig_write(const char *path, const char *text);

void rig_finger(uint32_t kind, uint32_t id, uint32_t x, uint32_t y);
void rig_key(uint32_t code, int value);

void rig_expect_report(struct vhost_driver *d, const char *text);
void rig_expect_silence(struct vhost_driver *d);
