/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm PL031 clock: seconds since 1970, as the host's clock says until the guest sets it, and an alarm.
 *
 * An alarm comes so many seconds after it was set, whatever somebody does to the host's clock meanwhile.
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
        struct loop *loop; /* borrowed */
        struct timer alarm;
};

/* Return: 0 or a negative errno. pl031_deinit() is allowed in either case, and after zero-initialisation. */
int pl031_add(struct pl031 *p, struct bus *bus, gpa_t at, struct loop *loop);
void pl031_deinit(struct pl031 *p);
