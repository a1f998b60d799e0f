/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Arm PL061 with one pin in use: the power key. Pins that the guest makes outputs are wired to nothing.
 *
 * Spec: PrimeCell General Purpose Input/Output (PL061) Technical Reference Manual, DDI 0190.
 */
#pragma once

#include "base/loop.h"
#include "mem/space.h"
#include "monitor/aarch64/register.h"

struct bus;

#define POWER_KEY_PIN 3

/* Registers that are kept and handed back, a bit a pin, in their order. 5 to 7 are not among them. */
enum pl061_control {
        PL061_DIRECTION, /* set: output */
        PL061_IS_LEVEL,  /* this and the next: of interrupts */
        PL061_BOTH_EDGES,
        PL061_RISING, /* or high */
        PL061_MASK,
        PL061_FUNCTION = 8,
};

struct pl061 {
        struct wire wire;
        struct loop *loop; /* borrowed */
        struct timer release;
        uint8_t inputs, outputs;
        uint8_t edges; /* seen and not cleared */
        uint8_t control[PL061_FUNCTION + 1];
};

int pl061_add(struct pl061 *p, struct bus *bus, gpa_t at, struct loop *loop);
void pl061_deinit(struct pl061 *p);

/* Presses the key for a tenth of a second. On the loop's thread. Return: 0; -ENOTSUP if nobody listens for it. */
int pl061_press(struct pl061 *p);
