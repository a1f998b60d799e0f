/* SPDX-License-Identifier: MPL-2.0 */
/* Devices of the monitor's own that both architectures have: serial port, watchdog, panic. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "monitor/monitor.h"
#include "monitor/vm.h"

/* A wire to the interrupt controller; vm NULL: to nowhere. KVM is told of changes only. */
struct wire {
        struct vm *vm; /* borrowed */
        unsigned line;
        bool level;
};

static inline void wire_set(struct wire *w, bool level)
{
        if (w->level != level && w->vm)
                (void) vm_set_line(w->vm, w->line, level);
        w->level = level;
}

#define PVPANIC_BYTES 2 /* of registers: all drivers of memory-mapped ones take two */

/* A byte by which a guest's kernel says that it panicked, after which the machine ends. Spec: QEMU,
   docs/specs/pvpanic.rst. */
int pvpanic_add(struct monitor *m, struct bus *bus, uint64_t start);

#define SERIAL_16550_BYTES 8

/*
 * The sending half of a 16550A: early messages of a guest. Nothing is ever received; a guest that is to be typed at
 * has a virtio console. Spec: National Semiconductor PC16550D (June 1995), section 8.
 */
struct serial_16550 {
        struct wire wire;
        int fd; /* borrowed; -1: messages are discarded */
        uint8_t registers[SERIAL_16550_BYTES]; /* as they were written, of those that keep it */
        uint8_t divisor[2];
        bool thre_pending;
};

/* @s: zeroed but for wire and fd. */
int serial_16550_add(struct serial_16550 *s, struct bus *bus, uint64_t start);
/* What any serial port does with a character. Whoever reads them may be slow: what does not fit is dropped, and the
   guest waits for nobody. */
void serial_send(int fd, uint8_t c);

#define WATCHDOG_BYTES 0x2000

/* Registers; the second page begins with REFRESH. */
enum {
        WATCHDOG_STATUS = 0x000,
        WATCHDOG_OFFSET = 0x008,
        WATCHDOG_COMPARE = 0x010,
        WATCHDOG_LEFT = 0xfd0, /* where Arm leaves room for one's own: half the counts until the end, for WDAT */
        WATCHDOG_REFRESH = 0x1000
};

/*
 * Arm's generic watchdog: when the guest has not refreshed it in time there is an interrupt, and as much time later
 * the machine ends. Two pages: control, refresh. On x86-64 it is the watchdog that the ACPI table WDAT describes.
 *
 * It counts by the system counter. A pause of the machine takes nothing of the time.
 *
 * Spec: Arm Base System Architecture (DEN 0094), appendix "Generic Watchdog", revision 1.
 */
struct watchdog {
        struct monitor *m;
        struct wire wire;
        uint64_t (*count)(void); /* the system counter as the host's programs see it */
        uint64_t behind;         /* the guest sees count() - behind */
        uint64_t frequency_hz;
        bool enabled, first, second; /* WCS: EN, WS0, WS1 */
        uint64_t offset;             /* WOR: 48 bits */
        uint64_t compare;            /* WCV, in the guest's count */
        bool paused;
        uint64_t paused_at; /* the guest's count */
        struct timer timer;
};

/* @w: zeroed but for wire, count, behind, frequency_hz and offset. Return: 0 or a negative errno. watchdog_deinit() is
   allowed in either case, and after zero-initialisation. */
int watchdog_add(struct watchdog *w, struct monitor *m, gpa_t at);
void watchdog_deinit(struct watchdog *w);

/* The guest's count stands still meanwhile. Idempotent. */
void watchdog_set_paused(struct watchdog *w, bool paused);
