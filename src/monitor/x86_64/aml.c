/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/acpi.h"

#include <string.h>

enum { OP_NAME = 0x08, OP_BYTE = 0x0a, OP_STRING = 0x0d };

bool aml_fits(const struct aml *a) { return a->n <= a->n_max; }

void aml_put_bytes(struct aml *a, const void *bytes, size_t n_bytes)
{
        if (a->n <= a->n_max && n_bytes <= a->n_max - a->n)
                memcpy(a->buf + a->n, bytes, n_bytes);
        a->n += n_bytes;
}

void aml_put(struct aml *a, uint64_t value, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                aml_put_bytes(a, &(uint8_t){ (uint8_t) (value >> (8 * i)) }, 1);
}

void aml_set(struct aml *a, size_t at, uint64_t value, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes && at + i < a->n_max; i++)
                a->buf[at + i] = (uint8_t) (value >> (8 * i));
}

/* Where the object's length belongs is remembered; it takes no room yet. */
size_t aml_open(struct aml *a, enum aml_object op, const char *name)
{
        size_t object;

        aml_put(a, op, op > UINT8_MAX ? 2 : 1);
        object = a->n;
        aml_put_bytes(a, name, strlen(name));
        return object;
}

/* The length counts itself. One byte holds six bits; more bytes hold four bits and eight each. */
void aml_close(struct aml *a, size_t object)
{
        size_t n = a->n - object;
        uint8_t length[4];
        unsigned extra = n + 1 < (1U << 6) ? 0 : n + 2 < (1U << 12) ? 1 : n + 3 < (1U << 20) ? 2 : 3;

        n += 1 + extra;
        length[0] = extra ? (uint8_t) (extra << 6 | (n & 0xf)) : (uint8_t) n;
        for (unsigned i = 1; i <= extra; i++)
                length[i] = (uint8_t) (n >> (8 * i - 4));
        if (a->n <= a->n_max && 1 + extra <= a->n_max - a->n) {
                memmove(a->buf + object + 1 + extra, a->buf + object, a->n - object);
                memcpy(a->buf + object, length, 1 + extra);
        }
        a->n += 1 + extra;
}

void aml_name_integer(struct aml *a, const char *name, uint8_t value)
{
        aml_put(a, OP_NAME, 1);
        aml_put_bytes(a, name, strlen(name));
        if (value > 1) /* these two are opcodes themselves */
                aml_put(a, OP_BYTE, 1);
        aml_put(a, value, 1);
}

void aml_name_string(struct aml *a, const char *name, const char *s)
{
        aml_put(a, OP_NAME, 1);
        aml_put_bytes(a, name, strlen(name));
        aml_put(a, OP_STRING, 1);
        aml_put_bytes(a, s, strlen(s) + 1);
}

/* A buffer begins with its size, which is a byte here. */
size_t aml_open_resources(struct aml *a)
{
        size_t object;

        aml_put_bytes(a, "\x08_CRS", 5);
        object = aml_open(a, AML_BUFFER, "");
        aml_put(a, OP_BYTE, 2);
        return object;
}

void aml_close_resources(struct aml *a, size_t object)
{
        aml_put(a, 0x79, 2); /* end; without a checksum */
        aml_set(a, object + 1, a->n - object - 2, 1);
        aml_close(a, object);
}

void aml_resource_memory(struct aml *a, uint32_t start, uint32_t n_bytes)
{
        aml_put_bytes(a, (const uint8_t[]){ 0x86, 9, 0, 1 }, 4); /* 32-bit fixed memory range, read and write */
        aml_put(a, start, 4);
        aml_put(a, n_bytes, 4);
}

void aml_resource_ports(struct aml *a, uint16_t start, uint8_t n_bytes)
{
        aml_put_bytes(a, (const uint8_t[]){ 0x47, 1 }, 2); /* I/O ports, all 16 bits are decoded */
        aml_put(a, start, 2);
        aml_put(a, start, 2);
        aml_put(a, 1, 1); /* alignment */
        aml_put(a, n_bytes, 1);
}

void aml_resource_interrupt(struct aml *a, uint32_t line, bool edge)
{
        /* Extended interrupt, consumed here, active high, exclusive; one. */
        aml_put_bytes(a, (const uint8_t[]){ 0x89, 6, 0, edge ? 3 : 1, 1 }, 5);
        aml_put(a, line, 4);
}

void aml_resource_buses(struct aml *a, uint16_t first, uint16_t last)
{
        /* Word address space: bus numbers, both ends are fixed; no granularity. */
        aml_put_bytes(a, (const uint8_t[]){ 0x88, 13, 0, 2, 0x0c, 0, 0, 0 }, 8);
        aml_put(a, first, 2);
        aml_put(a, last, 2);
        aml_put(a, 0, 2); /* translation */
        aml_put(a, (uint64_t) last - first + 1, 2);
}

void aml_resource_window(struct aml *a, uint32_t start, uint32_t n_bytes)
{
        /* Double word address space: memory, both ends are fixed, read and write, not cached; no granularity. */
        aml_put_bytes(a, (const uint8_t[]){ 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0 }, 10);
        aml_put(a, start, 4);
        aml_put(a, start + n_bytes - 1, 4);
        aml_put(a, 0, 4); /* translation */
        aml_put(a, n_bytes, 4);
}
