/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm PL031 clock: seconds since 1970, as the host's clock says until the guest sets it, and an alarm.
 *
 * The alarm is a timerfd of the host's clock: it is set by vCPU threads, and seen by the loop.
 *
 * Spec: PrimeCell Real Time Clock (PL031) Technical Reference Manual, DDI 0224.
 */
#pragma once

#include "base/loop.h"
#include "mem/space.h"
#include "monitor/aarch64/register.h"

struct bus;

struct pl031 {
        struct wire wire;
        uint32_t ahead_s; /* of the host's clock, modulo 2^32 */
        uint32_t loaded, match, mask, raised;
        struct watch watch;
        int timer_fd; /* owned */
};

/* Return: 0 or a negative errno. pl031_deinit() is allowed in either case, and after zero-initialisation with
   timer_fd -1. */
int pl031_add(struct pl031 *p, struct bus *bus, gpa_t at, struct loop *loop);
void pl031_deinit(struct pl031 *p);
