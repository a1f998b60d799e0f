/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm's PrimeCell peripherals that a guest finds beside its virtio devices: serial port, clock, power key. All have
 * registers of 32 bits in a page, the last eight of which identify the part.
 *
 * Spec: PrimeCell Technical Reference Manuals: UART (PL011) DDI 0183, Real Time Clock (PL031) DDI 0224, General Purpose
 * Input/Output (PL061) DDI 0190.
 */
#pragma once

#include "monitor/registers.h"

#define PRIMECELL_BYTES 0x1000
#define PRIMECELL_ID 0xfe0 /* eight registers: part, then "PrimeCell" */

/* Register @offset of the identification, from PRIMECELL_ID on. */
static inline uint32_t primecell_id(uint32_t part, uint64_t offset)
{
        unsigned i = (unsigned) (offset - PRIMECELL_ID) / 4;

        return i < 4 ? (part >> (8 * i)) & 0xff : (0xb105f00dU >> (8 * (i - 4))) & 0xff;
}

#define PL011_KEPT 0x13 /* registers below 0x04c */

/* Serial port, output only: a guest's earliest messages. What is written is gone at once, so the transmitter is always
   ready; nothing is ever received. */
struct pl011 {
        struct wire wire;
        int fd; /* borrowed; -1: text is discarded */
        uint32_t raised;
        uint32_t kept[PL011_KEPT]; /* by offset / 4 */
};

/* @p: zeroed but for wire and fd. Return: 0 or a negative errno of bus_add(). So are the other two. */
int pl011_add(struct pl011 *p, struct bus *bus, gpa_t at);

/* Clock: seconds since 1970, as the host's clock says until the guest sets it. There is no alarm: its interrupt is
   wired to nothing, and the device tree says so. */
struct pl031 {
        uint32_t ahead_s; /* of the host's clock, modulo 2^32 */
        uint32_t loaded, match, mask;
};

int pl031_add(struct pl031 *p, struct bus *bus, gpa_t at);

#define POWER_KEY_PIN 3

/* Registers of the PL061 that are kept and handed back, a bit a pin, in their order. 5 to 7 are not among them. */
enum pl061_control {
        PL061_DIRECTION, /* set: output */
        PL061_IS_LEVEL,  /* this and the next: of interrupts */
        PL061_BOTH_EDGES,
        PL061_RISING, /* or high */
        PL061_MASK,
        PL061_FUNCTION = 8,
};

/* Pins, of which one is in use: the power key. Those that the guest makes outputs are wired to nothing. */
struct pl061 {
        struct wire wire;
        struct loop *loop; /* borrowed */
        struct timer release;
        uint8_t inputs, outputs;
        uint8_t edges; /* seen and not cleared */
        uint8_t control[PL061_FUNCTION + 1];
};

/* pl061_deinit() is allowed in either case, and after zero-initialisation. */
int pl061_add(struct pl061 *p, struct bus *bus, gpa_t at, struct loop *loop);
void pl061_deinit(struct pl061 *p);

/* Presses the key for a tenth of a second. On the loop's thread. Return: 0; -ENOTSUP if nobody listens for it. */
int pl061_press(struct pl061 *p);
