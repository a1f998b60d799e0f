/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where things are in a guest's physical address space: one table an architecture (x86_64/layout.c,
 * aarch64/layout.c). Boot tables (ACPI, device tree) are written from the same table, so that they cannot disagree
 * with what answers.
 */
#pragma once

#include <stdint.h>

#include "mem/space.h"

#define MMIO_SLOT_BYTES 0x1000 /* of a virtio-mmio device: a page of its own */

struct layout {
        struct {
                gpa_t start;
                uint64_t size_bytes_max; /* the rest of the memory goes on in the next one */
        } ram[2];
        gpa_t ecam; /* of PCI bus 0, the only one */
        uint64_t ecam_bytes;
        gpa_t pci_window; /* 32-bit addresses for BARs */
        uint64_t pci_window_bytes;
        gpa_t mmio_slots; /* virtio-mmio device i: mmio_slots + i * MMIO_SLOT_BYTES ... */
        unsigned mmio_line; /* ... with interrupt line mmio_line + i */
        unsigned n_mmio_slots;
        gpa_t serial; /* arm64: PL011; x86-64: port of the 16550 */
        unsigned serial_line;
        gpa_t clock; /* arm64: PL031 */
        gpa_t watchdog; /* two pages: control, refresh */
        unsigned watchdog_line; /* arm64 */
        gpa_t power; /* x86-64: sleep, reset and event registers of reduced ACPI; arm64: PL061 with the power key */
        unsigned power_line;
        gpa_t panic; /* pvpanic: one byte */
};

extern const struct layout layout;
