/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests and the fuzzer of the sound card: a guest with memory and rings, on speakers that a test mixes period by period. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audio/speakers.h"
#include "device/sound/protocol.h"
#include "device/sound/sound.h"
#include "virtio/device.h"
#include "virtio/driver.h"

#define GUEST_QUEUES 4
#define GUEST_QUEUE_SIZE 32
#define GUEST_MEMORY_BYTES (4U << 20)
#define GUEST_REQUEST (1U << 20) /* free memory: requests, their answers, frames */
#define GUEST_ANSWER (GUEST_REQUEST + 0x10000U)
#define GUEST_FRAMES (2U << 20)
#define GUEST_PERIOD 240 /* frames, of the speakers: 48 kHz, two channels */

struct loop;
struct space;

struct sound_guest {
        struct loop *loop;
        struct space *space;
        char *memory; /* of guest-physical 0 */
        struct speakers *speakers;
        struct device *dev;
        struct driver_queue queues[GUEST_QUEUES];
        int kick_fds[GUEST_QUEUES], call_fds[GUEST_QUEUES];
        uint64_t features;
        unsigned n_needs_reset;
        double out[GUEST_PERIOD * 2]; /* what was mixed last */
};

/* @options: NULL: two to play, one to record, controls. Return: 0 with all rings started, or a negative errno. */
int sound_guest_init(struct sound_guest *g, uint64_t features, const struct sound_options *options);
void sound_guest_deinit(struct sound_guest *g);

/* Starts one ring, where the driver stands. Return: 0 or a negative errno. */
int sound_guest_start_queue(struct sound_guest *g, uint16_t i);

/* Adds and kicks one request, and lets the device work. Return: 0 or what driver_queue_add() says. */
int sound_guest_send(struct sound_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n, void *cookie);

/* Handles what is due. */
void sound_guest_settle(struct sound_guest *g);

/* One period is heard, and recorded again. */
void sound_guest_mix(struct sound_guest *g);
