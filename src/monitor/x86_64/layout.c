/* SPDX-License-Identifier: MPL-2.0 */
/*
 *   0           640 KiB     what the boot protocol leaves in memory (boot.c), then RAM
 *   640 KiB     1 MiB       RAM that no guest uses: the ACPI tables are in it
 *   1 MiB       3 GiB       RAM
 *   3 GiB       3.5 GiB     BARs of PCI devices
 *   3.5 GiB     + 1 MiB     configuration space of PCI bus 0 (ECAM)
 *   0xfea00000  + 72 KiB    virtio-mmio devices
 *   0xfea20000  + 8 KiB     watchdog
 *   0xfec00000              IOAPIC of KVM; 0xfee00000 local APIC; 0xfeffc000 KVM's own pages (x86.h)
 *   4 GiB                   the rest of the RAM
 *
 * Most registers of the monitor itself are I/O ports: an access to one needs no decoding of instructions. Lines are
 * pins of the IOAPIC, of which KVM has 24. Pin 0 stays free, for some systems take it for the timer of a PC.
 */
#include "monitor/layout.h"

#include "base/macros.h"

const struct layout layout = {
        .ram = {
                { 0, UINT64_C(3) << 30 },
                { UINT64_C(4) << 30, UINT64_C(1) << 40 },
        },
        .ecam = 0xe0000000,
        .ecam_bytes = 1 << 20,
        .pci_window = 0xc0000000,
        .pci_window_bytes = 512 << 20,
        .mmio_slots = 0xfea00000,
        .mmio_line = 6,
        .n_mmio_slots = 18,
        .serial = 0x3f8, /* COM1, where every kernel looks for one */
        .serial_line = 4,
        .watchdog = 0xfea20000,
        .power = 0x600,
        .power_line = 5,
        .panic = 0x505, /* where QEMU has it, too */
};
