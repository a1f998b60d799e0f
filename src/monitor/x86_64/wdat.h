/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The watchdog that the ACPI table WDAT describes, instruction by instruction. Ours to define; three registers of
 * four bytes, from layout.watchdog on:
 *
 *   CONTROL    1: runs, 0: stands still
 *   COUNTDOWN  write: the time to count down, in ticks; read: what is left of it
 *   RELOAD     a write starts the countdown over
 *
 * Spec: Microsoft, Hardware Watchdog Timers Design Specification 1.01, which names the actions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct monitor;

enum wdat_register { WDAT_CONTROL = 0, WDAT_COUNTDOWN = 4, WDAT_RELOAD = 8, WDAT_BYTES = 12 };

#define WDAT_TICK_MS 100
#define WDAT_TICKS_MIN 1
#define WDAT_TICKS_MAX 0xffff

struct wdat {
        struct monitor *m;  /* borrowed */
        struct timer timer; /* started while it runs and is not paused */
        uint32_t ticks;     /* to count down */
        bool running, paused;
        uint64_t left_ns; /* running and paused */
};

/* Return: 0 or a negative errno. */
int wdat_add(struct wdat *w, struct monitor *m);
/* Idempotent; fine for a zeroed one. */
void wdat_deinit(struct wdat *w);

/* No time passes while the machine stands still. Lock held. */
void wdat_set_paused(struct wdat *w, bool paused);
