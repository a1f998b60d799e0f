/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Registers by address: one bus for memory-mapped ones, on x86-64 a second one for ports.
 *
 * A range may be moved (a PCI BAR) while vCPUs run; everything here is called with the machine's lock held
 * (monitor.h). Handlers get what the guest wrote and nothing else: any offset in the range, 1 to 8 bytes, unaligned
 * too. An access that no range holds wholly reads as all ones and writes nothing.
 *
 * Most ranges are registers of one width: a read gets the bytes that are there, of as many registers as it covers; a
 * write counts only from a register's start on, each register gets what is left for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bus_range {
        uint64_t start, size_bytes;
        void (*read)(void *data, uint64_t offset, void *buf, unsigned n_bytes);
        void (*write)(void *data, uint64_t offset, const void *buf, unsigned n_bytes);
        void *data; /* borrowed */
        /* In place of read and write, of registers of that many bytes, 1 or 4. @offset: of the register's start. */
        unsigned register_bytes;
        uint32_t (*get)(void *data, uint64_t offset);
        void (*set)(void *data, uint64_t offset, uint32_t value);
};

struct bus {
        struct bus_range *ranges; /* owned; sorted by start */
        unsigned n_ranges;
};

void bus_deinit(struct bus *b);

/* Copies *range. Return: 0; -EEXIST if it overlaps another; -EINVAL if it is empty or wraps; -ENOMEM. */
int bus_add(struct bus *b, const struct bus_range *range);
/* The range that starts there. Idempotent. */
void bus_remove(struct bus *b, uint64_t start);

/* Return: false if nobody is there. */
bool bus_read(struct bus *b, uint64_t address, void *buf, unsigned n_bytes);
bool bus_write(struct bus *b, uint64_t address, const void *buf, unsigned n_bytes);
