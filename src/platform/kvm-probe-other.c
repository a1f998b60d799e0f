/* SPDX-License-Identifier: MPL-2.0 */
/* Architectures without a monitor of ours. */
#include <errno.h>

#include "platform/kvm-probe.h"

int kvm_probe_guest_init(struct kvm_probe_guest *g, int kvm_fd) { return -EOPNOTSUPP; }

bool kvm_probe_guest_ended_part(const struct kvm_probe_guest *g) { return false; }
