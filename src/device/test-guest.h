/* SPDX-License-Identifier: MPL-2.0 */
/*
 * For tests and fuzzers of devices: a guest with memory and rings, whose driver and device take turns on one loop.
 *
 * The rings lie at the start of its memory, one behind the other; the rest is the test's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/device.h"
#include "virtio/driver.h"

#define TEST_GUEST_QUEUES_MAX 8

struct loop;
struct space;

struct test_guest {
        struct loop *loop;   /* owned */
        struct space *space; /* owned */
        char *memory;        /* of guest-physical 0 */
        struct device *dev;  /* owned */
        uint16_t n_queues, queue_size;
        struct driver_queue queues[TEST_GUEST_QUEUES_MAX];
        int kick_fds[TEST_GUEST_QUEUES_MAX], call_fds[TEST_GUEST_QUEUES_MAX];
        uint32_t base[TEST_GUEST_QUEUES_MAX]; /* where paused rings stand */
        uint64_t features;
        unsigned n_needs_reset, n_config_changed;
};

/* Memory, and a loop to make the device on. Return: 0 or a negative errno; test_guest_deinit() is due in any case. */
int test_guest_init(struct test_guest *g, uint64_t features, uint32_t memory_bytes, uint16_t n_queues,
                    uint16_t queue_size);
void test_guest_deinit(struct test_guest *g);

/* Starts the device, which is the guest's from now on, and all rings. Return: 0 or a negative errno. */
int test_guest_start(struct test_guest *g, struct device *dev_take);

/* Stops the rings as they are; goes on there, or resets the device and begins anew. Return: 0 or a negative errno. */
void test_guest_pause(struct test_guest *g);
int test_guest_resume(struct test_guest *g, bool anew);

/* Starts one ring that was stopped, where the driver stands. Return: 0 or a negative errno. */
int test_guest_start_queue(struct test_guest *g, uint16_t i);

/* Adds and kicks one request, and lets the device work. Return: 0 or what driver_queue_add() says. */
int test_guest_send(struct test_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n,
                    void *cookie);

/* Handles what is due; 1 MiB of a console's output may take more than one call. */
void test_guest_settle(struct test_guest *g);

/* For fuzzers: ring features by the four lowest bits. */
uint64_t test_guest_ring_features(uint8_t bits);

/*
 * For fuzzers: a chain of up to four pieces of the memory from @at, by six bytes: (unused), queue, how many pieces,
 * which the device writes, where, length. From 250 on the length is in units of @unit_bytes.
 */
int test_guest_send_any(struct test_guest *g, const uint8_t step[8], gpa_t at, uint32_t unit_bytes);
