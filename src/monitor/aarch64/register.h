/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the 32-bit registers here have in common. A read of any width and offset gets the bytes that are there; a
 * write counts only at a register's start, with what fits into it.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/vm.h"

#define PRIMECELL_ID 0xfe0 /* eight registers: part, then "PrimeCell" */

/* @value: of the register at @offset rounded down to 4. */
static inline void register_answer(uint64_t offset, void *buf, unsigned n_bytes, uint32_t value)
{
        uint32_t at = htole32(value >> (8 * (offset & 3)));

        memset(buf, 0, n_bytes);
        memcpy(buf, &at, MIN(n_bytes, 4U));
}

/* Return: false for a write that counts for nothing. */
static inline bool register_written(uint64_t offset, const void *buf, unsigned n_bytes, uint32_t *ret_value)
{
        uint32_t value = 0;

        if (offset & 3)
                return false;
        memcpy(&value, buf, MIN(n_bytes, 4U));
        *ret_value = le32toh(value);
        return true;
}

/* Of a PrimeCell with the part number @part: register @offset of its identification, from PRIMECELL_ID on. */
static inline uint32_t primecell_id(uint32_t part, uint64_t offset)
{
        unsigned i = (unsigned) (offset - PRIMECELL_ID) / 4;

        return i < 4 ? (part >> (8 * i)) & 0xff : (0xb105f00dU >> (8 * (i - 4))) & 0xff;
}

/* A wire to the interrupt controller. KVM is told of changes only. */
struct wire {
        struct vm *vm; /* borrowed */
        unsigned line;
        bool level;
};

static inline void wire_set(struct wire *w, bool level)
{
        if (w->level == level)
                return;
        w->level = level;
        (void) vm_set_line(w->vm, w->line, level);
}
