/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include "platform/platform.h"

extern const struct platform_ops kvm_platform;
