/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the console: a guest with memory and rings, and streams that a test looks into. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/stream.h"
#include "device/console.h"
#include "device/test-guest.h"

#define GUEST_PORTS 2
#define GUEST_QUEUES (2 * GUEST_PORTS + 2)
#define GUEST_QUEUE_SIZE 32
#define GUEST_MEMORY_BYTES (16U << 20)
#define GUEST_DATA (2U << 20) /* free memory begins here */

/* A stream that keeps what it gets, and gives what a test put there. */
struct spy {
        struct stream stream;
        char *output; /* owned */
        size_t n_output;
        const char *input; /* borrowed */
        size_t n_input;
        bool wanted;
};

struct console_guest {
        struct test_guest vm;
        struct spy *spies[GUEST_PORTS]; /* the device's */
};

/* Return: 0 with all rings started, or a negative errno; test_guest_deinit() is due in any case. */
int console_guest_init(struct console_guest *g, uint64_t features);
