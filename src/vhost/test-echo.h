/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A device for tests: it writes what it read. The first byte of a request may ask for more:
 *
 *   'H'  is held: answered when the queue stops
 *   'B'  breaks the queue, as if the driver had broken the rules
 *   'C'  the config space changes
 *
 * Config space: 4 bytes that the driver may write, then 4 that count the changes, then 4 that say ECHO.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "virtio/device.h"

#define ECHO_HELD_MAX 64
#define ECHO_FEATURE 3 /* a bit of the device's own */

struct echo_queue {
        struct chain held[ECHO_HELD_MAX];
        unsigned n_held;
};

struct echo {
        struct device dev;
        uint8_t scratch[4];
        _Atomic uint32_t n_config_changes;
        atomic_uint n_starts, n_resets, n_requests, n_queue_starts;
        uint8_t mac[6];
        uint16_t mtu;
        struct echo_queue *queues; /* owned */
};

/* Return: 0, *ret freed with device_free(), or -ENOMEM. */
int echo_new(const char *name, struct loop *loop, uint16_t n_queues, struct echo **ret);
