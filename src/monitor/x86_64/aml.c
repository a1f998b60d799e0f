/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/aml.h"

#include <string.h>

enum {
        OP_ZERO = 0x00,
        OP_ONE = 0x01,
        OP_NAME = 0x08,
        OP_BYTE = 0x0a,
        OP_WORD = 0x0b,
        OP_DWORD = 0x0c,
        OP_STRING = 0x0d,
        OP_QWORD = 0x0e,
        OP_SCOPE = 0x10,
        OP_BUFFER = 0x11,
        OP_PACKAGE = 0x12,
        OP_METHOD = 0x14,
        OP_DUAL_NAME = 0x2e,
        OP_EXTENDED = 0x5b, /* the next byte is one of these */
        OP_EXT_REGION = 0x80,
        OP_EXT_FIELD = 0x81,
        OP_EXT_DEVICE = 0x82,
        OP_IF = 0xa0,
};

#define REGION_SYSTEM_IO 1
#define FIELD_BYTE_ACCESS 1
#define METHOD_SERIALIZED 0x08
#define SEGMENT_BYTES 4

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

void aml_name_path(struct aml *a, const char *name)
{
        if (*name == '\\')
                aml_put(a, (uint8_t) *name++, 1);
        if (strlen(name) > SEGMENT_BYTES)
                aml_put(a, OP_DUAL_NAME, 1);
        aml_put_bytes(a, name, strlen(name));
}

void aml_integer(struct aml *a, uint64_t value)
{
        unsigned n_bytes = value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : value <= UINT32_MAX ? 4 : 8;

        if (value <= 1) {
                aml_put(a, value ? OP_ONE : OP_ZERO, 1);
                return;
        }
        aml_put(a, n_bytes == 1 ? OP_BYTE : n_bytes == 2 ? OP_WORD : n_bytes == 4 ? OP_DWORD : OP_QWORD, 1);
        aml_put(a, value, n_bytes);
}

void aml_string(struct aml *a, const char *s)
{
        aml_put(a, OP_STRING, 1);
        aml_put_bytes(a, s, strlen(s) + 1);
}

static unsigned hex_digit(char c) { return c <= '9' ? (unsigned) (c - '0') : (unsigned) (c - 'A' + 10); }

/* Three letters of five bits, four digits; the bytes in the other order. */
void aml_eisa_id(struct aml *a, const char *id)
{
        uint32_t value = 0;

        for (unsigned i = 0; i < 3; i++)
                value = value << 5 | (uint32_t) (id[i] - '@');
        for (unsigned i = 3; i < 7; i++)
                value = value << 4 | hex_digit(id[i]);
        aml_put(a, OP_DWORD, 1);
        aml_put(a, __builtin_bswap32(value), 4);
}

/* Return: where the object's length belongs; it takes no room yet. */
static size_t begin(struct aml *a, unsigned op)
{
        aml_put(a, op, 1);
        return a->n;
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

static size_t begin_extended(struct aml *a, unsigned op)
{
        aml_put(a, OP_EXTENDED, 1);
        return begin(a, op);
}

size_t aml_open_scope(struct aml *a, const char *name)
{
        size_t object = begin(a, OP_SCOPE);

        aml_name_path(a, name);
        return object;
}

size_t aml_open_device(struct aml *a, const char *name)
{
        size_t object = begin_extended(a, OP_EXT_DEVICE);

        aml_name_path(a, name);
        return object;
}

size_t aml_open_method(struct aml *a, const char *name, unsigned n_arguments, bool serialized)
{
        size_t object = begin(a, OP_METHOD);

        aml_name_path(a, name);
        aml_put(a, n_arguments | (serialized ? METHOD_SERIALIZED : 0), 1);
        return object;
}

size_t aml_open_package(struct aml *a, uint8_t n_elements)
{
        size_t object = begin(a, OP_PACKAGE);

        aml_put(a, n_elements, 1);
        return object;
}

size_t aml_open_if(struct aml *a) { return begin(a, OP_IF); }

size_t aml_open_field(struct aml *a, const char *region)
{
        size_t object = begin_extended(a, OP_EXT_FIELD);

        aml_name_path(a, region);
        aml_put(a, FIELD_BYTE_ACCESS, 1);
        return object;
}

void aml_field_byte(struct aml *a, const char *name)
{
        aml_name_path(a, name);
        aml_put(a, 8, 1); /* bits, written as a length */
}

void aml_name(struct aml *a, const char *name)
{
        aml_put(a, OP_NAME, 1);
        aml_name_path(a, name);
}

void aml_name_integer(struct aml *a, const char *name, uint64_t value)
{
        aml_name(a, name);
        aml_integer(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *s)
{
        aml_name(a, name);
        aml_string(a, s);
}

void aml_name_eisa_id(struct aml *a, const char *name, const char *id)
{
        aml_name(a, name);
        aml_eisa_id(a, id);
}

void aml_port_region(struct aml *a, const char *name, uint16_t start, uint8_t n_bytes)
{
        aml_put(a, OP_EXTENDED, 1);
        aml_put(a, OP_EXT_REGION, 1);
        aml_name_path(a, name);
        aml_put(a, REGION_SYSTEM_IO, 1);
        aml_integer(a, start);
        aml_integer(a, n_bytes);
}

void aml_resources_init(struct aml_resources *r) { r->a = (struct aml){ .buf = r->bytes, .n_max = sizeof(r->bytes) }; }

void aml_resource_memory(struct aml_resources *r, uint32_t start, uint32_t n_bytes)
{
        aml_put_bytes(&r->a, (const uint8_t[]){ 0x86, 9, 0, 1 }, 4); /* 32-bit fixed memory range, read and write */
        aml_put(&r->a, start, 4);
        aml_put(&r->a, n_bytes, 4);
}

void aml_resource_ports(struct aml_resources *r, uint16_t start, uint8_t n_bytes)
{
        aml_put_bytes(&r->a, (const uint8_t[]){ 0x47, 1 }, 2); /* I/O ports, all 16 bits are decoded */
        aml_put(&r->a, start, 2);
        aml_put(&r->a, start, 2);
        aml_put(&r->a, 1, 1); /* alignment */
        aml_put(&r->a, n_bytes, 1);
}

void aml_resource_interrupt(struct aml_resources *r, uint32_t line, bool edge)
{
        /* Extended interrupt, consumed here, active high, exclusive; one. */
        aml_put_bytes(&r->a, (const uint8_t[]){ 0x89, 6, 0, edge ? 3 : 1, 1 }, 5);
        aml_put(&r->a, line, 4);
}

void aml_resource_buses(struct aml_resources *r, uint16_t first, uint16_t last)
{
        /* Word address space: bus numbers, both ends are fixed; no granularity. */
        aml_put_bytes(&r->a, (const uint8_t[]){ 0x88, 13, 0, 2, 0x0c, 0, 0, 0 }, 8);
        aml_put(&r->a, first, 2);
        aml_put(&r->a, last, 2);
        aml_put(&r->a, 0, 2); /* translation */
        aml_put(&r->a, (uint64_t) last - first + 1, 2);
}

void aml_resource_window(struct aml_resources *r, uint32_t start, uint32_t n_bytes)
{
        /* Double word address space: memory, both ends are fixed, read and write, not cached; no granularity. */
        aml_put_bytes(&r->a, (const uint8_t[]){ 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0 }, 10);
        aml_put(&r->a, start, 4);
        aml_put(&r->a, start + n_bytes - 1, 4);
        aml_put(&r->a, 0, 4); /* translation */
        aml_put(&r->a, n_bytes, 4);
}

void aml_name_resources(struct aml *a, struct aml_resources *r)
{
        size_t object;

        aml_put(&r->a, 0x79, 1); /* end; without a checksum */
        aml_put(&r->a, 0, 1);
        aml_name(a, "_CRS");
        object = begin(a, OP_BUFFER);
        aml_integer(a, r->a.n);
        aml_put_bytes(a, r->bytes, aml_fits(&r->a) ? r->a.n : 0);
        aml_close(a, object);
}
