/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The message frame of GICv2m: lets PCI devices of a machine without an ITS send messages. The page only says which
 * shared interrupts are for messages; a message never comes here, because arch_route_msi() makes a route to that
 * interrupt of it.
 *
 * Spec: Arm Server Base System Architecture (DEN 0029), appendix "GICv2m".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bus;

int v2m_add(struct bus *bus);

/* The shared interrupt that a message raises. Return: false if it is none of this frame's. */
bool v2m_line(uint64_t address, uint32_t data, unsigned *ret);
