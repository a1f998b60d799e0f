/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ACPI tables of a machine: hardware-reduced, all addresses from its layout.
 *
 *   RSDP ─► XSDT ─► FADT ─► DSDT   what there is, in AML (acpi-dsdt.c)
 *                   MADT           CPUs and the IOAPIC
 *                   MCFG           PCI configuration space
 *                   WDAT           watchdog
 *
 * Spec: ACPI 6.5, 5.2; PCI Firmware Specification 3.3, 4.1.2 (MCFG).
 */
#pragma once

#include <stddef.h>

#include "mem/space.h"

struct aml;
struct layout;

struct acpi_machine {
        const struct layout *layout;
        unsigned n_cpus;
        size_t n_mmio; /* slots of virtio-mmio in use */
};

/* Writes all tables to @buf, which is n_max zero bytes of guest memory at @at; the RSDP is at its start. Return: 0, or
   -ENOSPC if they do not fit. */
int acpi_write(const struct acpi_machine *machine, gpa_t at, void *buf, size_t n_max);

/* The AML of the DSDT, without the table's header. */
void acpi_write_dsdt(const struct acpi_machine *machine, struct aml *a);
