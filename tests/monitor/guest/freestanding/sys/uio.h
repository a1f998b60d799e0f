/* SPDX-License-Identifier: MPL-2.0 */
/* The monitor's headers name it; a program without a C library has no use for it. */
#pragma once

struct iovec;
