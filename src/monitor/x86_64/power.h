/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a guest turns its machine off and on again, and hears of the power button: the registers of hardware-reduced
 * ACPI (the tables say where they are), and the two old ports that reset a PC.
 *
 * Spec: ACPI 6.5, 4.8.3.7 (sleep control and status), 4.8.3.6 (reset), 5.6.9 (interrupt-signaled events).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct monitor;

/* Registers, from layout.power on, a byte each. */
enum power_register {
        POWER_SLEEP_CONTROL,
        POWER_SLEEP_STATUS,
        POWER_RESET,  /* POWER_RESET_VALUE resets */
        POWER_EVENTS, /* what happened since it was last read; while not zero, the line is raised */
        POWER_REGISTERS,
};

#define POWER_RESET_VALUE 1
#define POWER_SLEEP_OFF 5 /* sleep type of S5, in the tables' _S5 */
#define POWER_EVENT_BUTTON 0x01

struct power {
        struct monitor *m; /* borrowed */
        uint8_t events;
};

/* Return: 0 or a negative errno. */
int power_add(struct power *p, struct monitor *m);
/* Lock held. */
int power_press_button(struct power *p);
