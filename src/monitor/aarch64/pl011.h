/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm PL011 serial port, output only: a guest's earliest messages. What is written is gone at once, so the
 * transmitter is always ready; nothing is ever received. A reader of the other end who does not read loses text: the
 * guest never waits for one.
 *
 * Spec: PrimeCell UART (PL011) Technical Reference Manual, DDI 0183.
 */
#pragma once

#include "monitor/aarch64/register.h"
#include "mem/space.h"

struct bus;

#define PL011_KEPT 0x13 /* registers below 0x04c */

struct pl011 {
        struct wire wire;
        int fd; /* borrowed; -1: text is discarded */
        uint32_t raised;
        uint32_t kept[PL011_KEPT]; /* by offset / 4 */
};

/* Return: 0 or a negative errno of bus_add(). */
int pl011_add(struct pl011 *p, struct bus *bus, gpa_t at);
