/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm's generic watchdog: when the guest has not refreshed it in time there is an interrupt, and as much time later
 * the machine ends. Two pages: control, refresh.
 *
 * It counts by the system counter. A pause of the machine takes nothing of the time.
 *
 * Spec: Arm Base System Architecture (DEN 0094), appendix "Generic Watchdog", revision 1.
 */
#pragma once

#include "base/loop.h"
#include "mem/space.h"
#include "monitor/aarch64/register.h"

struct bus;

struct watchdog {
        struct wire wire;
        uint64_t (*count)(void); /* the system counter as the host's programs see it */
        uint64_t behind;         /* the guest sees count() - behind */
        uint64_t frequency_hz;
        void (*bite)(void *data); /* the second time is over; lock held */
        void *data;               /* borrowed */
        bool enabled, first, second; /* WCS: EN, WS0, WS1 */
        uint64_t offset;          /* WOR: 48 bits */
        uint64_t compare;         /* WCV, in the guest's count */
        bool paused;
        struct loop *loop; /* borrowed */
        struct timer timer;
};

/* Return: 0 or a negative errno. watchdog_deinit() is allowed in either case, and after zero-initialisation. */
int watchdog_add(struct watchdog *w, struct bus *bus, gpa_t at, struct loop *loop);
void watchdog_deinit(struct watchdog *w);

/* The guest's count stands still meanwhile: whoever ends the pause sets @behind first. */
void watchdog_set_paused(struct watchdog *w, bool paused);
