/* SPDX-License-Identifier: MPL-2.0 */
/* A file of its own, so that tests of what chooses among them can bring others. */
#include "platform/kvm.h"
#include "platform/qemu.h"

const struct platform_ops *const platforms[] = { &kvm_platform, &qemu_platform, NULL };
