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

#include <stdbool.h>
#include <stddef.h>

#include "mem/space.h"

struct layout;

struct acpi_machine {
        const struct layout *layout;
        unsigned n_cpus;
        size_t n_mmio; /* slots of virtio-mmio in use */
};

/* Writes all tables to @buf, which is n_max zero bytes of guest memory at @at; the RSDP is at its start. Return: 0, or
   -ENOSPC if they do not fit. */
int acpi_write(const struct acpi_machine *machine, gpa_t at, void *buf, size_t n_max);

/*
 * Writes ACPI tables: bytes one after the other, and the few objects of AML that describe a machine. Objects that
 * hold others are opened and closed: the length at the front of one is written when its end is known.
 *
 * What does not fit is counted and not written, so that one question at the end (aml_fits()) serves for all.
 *
 * Spec: ACPI 6.5, chapter 20 (AML), 6.4 (resources).
 */
struct aml {
        uint8_t *buf; /* borrowed; zero at first */
        size_t n, n_max;
};

bool aml_fits(const struct aml *a);

/* Numbers are little endian, of n_bytes. */
void aml_put(struct aml *a, uint64_t value, unsigned n_bytes);
void aml_put_bytes(struct aml *a, const void *bytes, size_t n_bytes);
/* Overwrites what was put at @at. */
void aml_set(struct aml *a, size_t at, uint64_t value, unsigned n_bytes);

/* Objects that hold others. @name: four characters, after a '\' one at the root; "" for an object that has none. */
enum aml_object { AML_SCOPE = 0x10, AML_BUFFER = 0x11, AML_DEVICE = 0x825b };

/* Return: what aml_close() is given. */
size_t aml_open(struct aml *a, enum aml_object op, const char *name);
void aml_close(struct aml *a, size_t object);

/* Name (NAME, value) */
void aml_name_integer(struct aml *a, const char *name, uint8_t value);
void aml_name_string(struct aml *a, const char *name, const char *s);

/* Name (_CRS, ResourceTemplate () { ... }): as an object. */
size_t aml_open_resources(struct aml *a);
void aml_close_resources(struct aml *a, size_t object);
void aml_resource_memory(struct aml *a, uint32_t start, uint32_t n_bytes);
void aml_resource_ports(struct aml *a, uint16_t start, uint8_t n_bytes);
/* An interrupt of this device's own, active high. */
void aml_resource_interrupt(struct aml *a, uint32_t line, bool edge);
/* Of a bridge: what it passes on. */
void aml_resource_buses(struct aml *a, uint16_t first, uint16_t last);
void aml_resource_window(struct aml *a, uint32_t start, uint32_t n_bytes);

/* The AML of the DSDT, without the table's header. */
void acpi_write_dsdt(const struct acpi_machine *machine, struct aml *a);
