/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The sending half of a 16550A: early messages of a guest. Nothing is ever received; a guest that is to be typed at
 * has a virtio console. Whoever reads the messages may be slow: what does not fit is dropped, the guest waits for
 * nobody.
 *
 * Spec: National Semiconductor PC16550D (June 1995), section 8.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bus_range;
struct vm;

#define SERIAL_16550_BYTES 8

struct serial_16550 {
        struct vm *vm; /* borrowed */
        unsigned line;
        int fd; /* borrowed; -1: messages are discarded */
        uint8_t registers[SERIAL_16550_BYTES]; /* as they were written, of those that keep it */
        uint8_t divisor[2];
        bool thre_pending, level;
};

void serial_16550_init(struct serial_16550 *s, struct vm *vm, unsigned line, int fd);
/* Its registers, for a bus. */
struct bus_range serial_16550_range(struct serial_16550 *s, uint64_t start);
