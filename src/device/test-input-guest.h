/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the input device: a guest that gives buffers when it is told to. */
#pragma once

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/input.h"
#include "device/test-guest.h"

#define GUEST_MEMORY_BYTES (4U << 20)
#define GUEST_DATA (1U << 20) /* free memory begins here */
#define GUEST_QUEUES 2

struct input_guest {
        struct test_guest vm;
        unsigned n_given;
};

/* Return: 0 with all rings started, or a negative errno; test_guest_deinit() is due in any case. */
int input_guest_init(struct input_guest *g, const struct input_options *options, uint64_t features,
                     uint16_t queue_size);

/* Gives @n buffers for events. Return: how many there was room for. */
unsigned input_guest_give(struct input_guest *g, unsigned n);
/* Takes one event. Return: false if there is none. */
bool input_guest_take(struct input_guest *g, struct virtio_input_event *ret);
