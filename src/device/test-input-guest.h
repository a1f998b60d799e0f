/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the input device: a guest with memory and rings that gives buffers when it is told
   to. */
#pragma once

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/input.h"
#include "virtio/device.h"
#include "virtio/driver.h"

#define GUEST_MEMORY_BYTES (4U << 20)
#define GUEST_DATA (1U << 20) /* free memory begins here */
#define GUEST_QUEUES 2

struct loop;
struct space;

struct input_guest {
        struct loop *loop;
        struct space *space;
        char *memory; /* of guest-physical 0 */
        struct device *dev;
        struct driver_queue queues[GUEST_QUEUES];
        int kick_fds[GUEST_QUEUES], call_fds[GUEST_QUEUES];
        uint64_t features;
        uint16_t queue_size;
        uint32_t base[GUEST_QUEUES]; /* where stopped rings stand */
        unsigned n_needs_reset, n_given;
};

/* Return: 0 with all rings started, or a negative errno. */
int input_guest_init(struct input_guest *g, const struct input_options *options, uint64_t features,
                     uint16_t queue_size);
void input_guest_deinit(struct input_guest *g);

/* Stops the rings as they are; and starts them there, or anew. Return: 0 or a negative errno. */
void input_guest_pause(struct input_guest *g);
int input_guest_resume(struct input_guest *g, bool anew);

/* Gives @n buffers for events. Return: how many there was room for. */
unsigned input_guest_give(struct input_guest *g, unsigned n);
/* Takes one event. Return: false if there is none. */
bool input_guest_take(struct input_guest *g, struct virtio_input_event *ret);
/* Adds and kicks one request, and lets the device work. Return: 0 or what driver_queue_add() says. */
int input_guest_send(struct input_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n);
void input_guest_settle(struct input_guest *g);
