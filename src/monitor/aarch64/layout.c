/* SPDX-License-Identifier: MPL-2.0 */
/*
 * arm64's address space. Devices are in the first GiB, memory is above, in one piece. With the 40 bits of address that
 * every guest gets (vm.c) that is room for 1023 GiB.
 */
#include "monitor/layout.h"

#define GIB (UINT64_C(1) << 30)

const struct layout layout = {
        .ram = { { .start = GIB, .size_bytes_max = 1023 * GIB } },
        .serial = 0x09000000,
        .serial_line = 1,
        .clock = 0x09010000,
        .watchdog = 0x09020000,
        .watchdog_line = 3,
        .power = 0x09030000,
        .power_line = 4,
        .panic = 0x09040000,
        .mmio_slots = 0x0a000000,
        .mmio_line = 16,
        .n_mmio_slots = 32,
        .pci_window = 0x10000000,
        .pci_window_bytes = 0x2f000000,
        .ecam = 0x3f000000,
        .ecam_bytes = 0x100000,
};
