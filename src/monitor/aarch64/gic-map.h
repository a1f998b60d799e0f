/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where the interrupt controller is, and which interrupts are whose: what layout.h has no name for. Numbers of shared
 * interrupts (SPIs) count from 0, those of private ones (PPIs) too, as in a device tree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GIC_DIST 0x08000000
#define GIC_DIST_BYTES 0x10000
#define GIC_CPU 0x08010000 /* version 2 */
#define GIC_CPU_BYTES 0x10000
#define GIC_V2M 0x08020000 /* version 2: its message frame */
#define GIC_V2M_BYTES 0x1000
#define GIC_ITS 0x08080000
#define GIC_ITS_BYTES 0x20000
#define GIC_REDIST 0x080a0000
#define GIC_REDIST_BYTES 0x20000 /* for each vCPU */

/* 0-15: registers of the monitor's own; 16-47: virtio-mmio; 48-63: free; 64-223: messages of the v2m frame. */
#define GIC_V2M_LINE 64
#define GIC_V2M_LINES 160
#define GIC_LINES (GIC_V2M_LINE + GIC_V2M_LINES)
#define GIC_FIRST_LINE 32 /* the interrupt id of shared interrupt 0 */
#define GIC_FIRST_PRIVATE 16

#define GIC_V2M_TYPER 0x008
#define GIC_V2M_SETSPI 0x040

#define PRIVATE_TIMER_SECURE 13
#define PRIVATE_TIMER 14
#define PRIVATE_TIMER_VIRTUAL 11
#define PRIVATE_TIMER_HYPERVISOR 10
#define PRIVATE_PMU 7

struct bus;

/*
 * The message frame of GICv2m: lets PCI devices of a machine without an ITS send messages. The page only says which
 * shared interrupts are for messages; a message never comes here, because arch_route_msi() makes a route to that
 * interrupt of it.
 *
 * Spec: Arm Server Base System Architecture (DEN 0029), appendix "GICv2m".
 */
int v2m_add(struct bus *bus);

/* The shared interrupt that a message raises. Return: false if it is none of this frame's. */
bool v2m_line(uint64_t address, uint32_t data, unsigned *ret);
