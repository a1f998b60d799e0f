/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the console: a guest with memory and rings, and streams that a test looks into. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/stream.h"
#include "device/console.h"
#include "virtio/device.h"
#include "virtio/driver.h"

#define GUEST_PORTS 2
#define GUEST_QUEUES (2 * GUEST_PORTS + 2)
#define GUEST_QUEUE_SIZE 32
#define GUEST_MEMORY_BYTES (16U << 20)
#define GUEST_DATA (2U << 20) /* free memory begins here */

struct loop;
struct space;

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
        struct loop *loop;
        struct space *space;
        char *memory; /* of guest-physical 0 */
        struct device *dev;
        struct spy *spies[GUEST_PORTS]; /* the device's */
        struct driver_queue queues[GUEST_QUEUES];
        int kick_fds[GUEST_QUEUES], call_fds[GUEST_QUEUES];
        uint64_t features;
        unsigned n_needs_reset, n_config_changed;
};

/* Return: 0 with all rings started, or a negative errno. */
int console_guest_init(struct console_guest *g, uint64_t features);
void console_guest_deinit(struct console_guest *g);

/* Adds and kicks one request, and lets the device work. Return: 0 or what driver_queue_add() says. */
int console_guest_send(struct console_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n);

/* Handles what is due; 1 MiB of output may take more than one call. */
void console_guest_settle(struct console_guest *g);
