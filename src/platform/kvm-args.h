/* SPDX-License-Identifier: MPL-2.0 */
/* The command line of our own monitor for a machine: busbar-monitor(1). */
#pragma once

#include "base/argv.h"
#include "platform/platform.h"

struct kvm_fds {
        int control, serial; /* numbers in the monitor's process */
};

/* Return: 0 with *ret filled (argv_deinit() by the caller), or -ENOMEM. */
int kvm_args(const struct machine *m, const struct kvm_fds *fds, struct argv *ret);

/* A line for each thing of the machine that our monitor cannot do; NULL if there is none. Owned by the caller. */
char *kvm_args_check(const struct machine *m, const struct platform_probe *probe);
