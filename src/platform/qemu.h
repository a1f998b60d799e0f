/* SPDX-License-Identifier: MPL-2.0 */
/* Platform `qemu`: a machine is a QEMU process whose every device is a vhost-user front end. */
#pragma once

#include "platform/platform.h"

extern const struct platform_ops qemu_platform;
