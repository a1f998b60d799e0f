/* SPDX-License-Identifier: MPL-2.0 */
/*
 * QEMU's command line for a machine. Everything that QEMU would add by itself is switched off; what remains is
 * the board, memory that can be shared with device servers, and the machine's devices at fixed PCI slots.
 *
 * Source: QEMU 7.2 and 10.0, qemu(1).
 */
#pragma once

#include <stdbool.h>

#include "base/argv.h"
#include "platform/machine.h"

/* The oldest version that is supported, and is known to work. */
#define QEMU_OLDEST 702
/* The same for displays, input and sound. */
#define QEMU_OLDEST_COCKPIT 1000

struct qemu_build {
        const char *binary;
        unsigned version; /* major * 100 + minor */
        bool kvm;
        int qmp_fd; /* number of the control socket in QEMU's process */
        int relay_fd; /* number of the first connection of devices that need a relay, in their order; 0: none is used */
        int boot_fd; /* number of its first boot file there, in the order of qemu_boot_files(); 0: by their paths */
};

#define QEMU_BOOT_FILES_MAX 3

/* Paths of those files of the bundle that QEMU itself reads. Return: how many. */
size_t qemu_boot_files(const struct machine *m, const char *ret[QEMU_BOOT_FILES_MAX]);

/* "qemu-system-x86_64" or "qemu-system-aarch64". */
const char *qemu_binary(enum machine_arch arch);

/* Return: 0 with *ret filled (argv_deinit() by the caller), or -ENOMEM. */
int qemu_args(const struct machine *m, const struct qemu_build *build, struct argv *ret);

/* Can QEMU not bear that the device's server is started again? Then it is connected to a relay (`busbar relay`). */
bool qemu_needs_relay(const struct machine_device *d);

/* A line for each thing of the machine that QEMU of that version cannot do; NULL if there is none.
   Owned by the caller. */
char *qemu_args_check(const struct machine *m, unsigned version);
