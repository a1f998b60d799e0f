/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Writes ACPI tables: bytes one after the other, and the few objects of AML that describe a machine. Objects that
 * hold others are opened and closed: the length at the front of one is written when its end is known.
 *
 * What does not fit is counted and not written, so that one question at the end (aml_fits()) serves for all.
 *
 * Spec: ACPI 6.5, chapter 20 (AML), 6.4 (resources).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Terms. A name is one or two segments of four characters ("_SB_", "\\_SB_PWRB" for \_SB.PWRB). */
void aml_name_path(struct aml *a, const char *name);
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *s);
/* "PNP0A08" as the number that ids of its kind are. */
void aml_eisa_id(struct aml *a, const char *id);

/* Objects. Return: what aml_close() is given. */
size_t aml_open_scope(struct aml *a, const char *name);
size_t aml_open_device(struct aml *a, const char *name);
size_t aml_open_method(struct aml *a, const char *name, unsigned n_arguments, bool serialized);
size_t aml_open_package(struct aml *a, uint8_t n_elements);
size_t aml_open_if(struct aml *a);
/* A field of bytes in a region. aml_field_byte() names the next. */
size_t aml_open_field(struct aml *a, const char *region);
void aml_field_byte(struct aml *a, const char *name);
void aml_close(struct aml *a, size_t object);

/* Name (NAME, ...): what follows is its value. */
void aml_name(struct aml *a, const char *name);
void aml_name_integer(struct aml *a, const char *name, uint64_t value);
void aml_name_string(struct aml *a, const char *name, const char *s);
void aml_name_eisa_id(struct aml *a, const char *name, const char *id);

/* OperationRegion of I/O ports. */
void aml_port_region(struct aml *a, const char *name, uint16_t start, uint8_t n_bytes);

/* Name (_CRS, ResourceTemplate () { ... }). */
struct aml_resources {
        uint8_t bytes[128];
        struct aml a; /* points into bytes */
};

void aml_resources_init(struct aml_resources *r);
void aml_resource_memory(struct aml_resources *r, uint32_t start, uint32_t n_bytes);
void aml_resource_ports(struct aml_resources *r, uint16_t start, uint8_t n_bytes);
/* An interrupt of this device's own, active high. */
void aml_resource_interrupt(struct aml_resources *r, uint32_t line, bool edge);
/* Of a bridge: what it passes on. */
void aml_resource_buses(struct aml_resources *r, uint16_t first, uint16_t last);
void aml_resource_window(struct aml_resources *r, uint32_t start, uint32_t n_bytes);
void aml_name_resources(struct aml *a, struct aml_resources *r);

/* Operators that follow their operands' encoding: see the grammar. */
enum {
        AML_LOCAL0 = 0x60,
        AML_ARG3 = 0x6b,
        AML_STORE = 0x70,  /* source, target */
        AML_AND = 0x7b,    /* a, b, target (0: none) */
        AML_NOTIFY = 0x86, /* object, value */
        AML_RETURN = 0xa4,
};
