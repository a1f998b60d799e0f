/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include "platform/platform.h"

extern const struct platform_ops kvm_platform;

/* For tests: how long a monitor gets until it is ready, and from its last word until it is gone. Of an instance that
   was just brought up. */
void kvm_set_limits(struct platform_instance *instance, uint64_t ready_ns, uint64_t leave_ns);
