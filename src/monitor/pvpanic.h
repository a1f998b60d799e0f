/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A byte by which a guest's kernel says that it panicked, after which the machine ends.
 *
 * Spec: QEMU, docs/specs/pvpanic.rst.
 */
#pragma once

#include <stdint.h>

struct bus;
struct monitor;

#define PVPANIC_BYTES 2 /* of registers: all drivers of memory-mapped ones take two */

int pvpanic_add(struct monitor *m, struct bus *bus, uint64_t start);
