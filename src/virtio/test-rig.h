/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A device with one queue and a driver on the other side, in one process and one piece of memory: what the
 * tests of this folder stand on. The device does what `handle` says; by default it echoes.
 *
 * Guest memory: [0, RIG_MEMORY_BYTES), and a second region right after it from another part of the file, so
 * that buffers can cross. The ring is at RIG_RING, buffers from RIG_BUFFERS.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio/device.h"
#include "virtio/driver.h"
#include "virtio/features.h"

#define RIG_MEMORY_BYTES UINT64_C(0x400000)
#define RIG_REGION_BYTES UINT64_C(0x10000) /* the second region */
#define RIG_RING UINT64_C(0x1000)
#define RIG_BUFFERS UINT64_C(0x200000)

#define RIG_SPLIT FEATURE(VIRTIO_FEATURE_VERSION_1)
#define RIG_PACKED (RIG_SPLIT | FEATURE(VIRTIO_FEATURE_RING_PACKED))
#define RIG_INDIRECT FEATURE(VIRTIO_FEATURE_INDIRECT_DESC)
#define RIG_EVENT FEATURE(VIRTIO_FEATURE_EVENT_IDX)
#define RIG_ORDER FEATURE(VIRTIO_FEATURE_IN_ORDER)

struct rig {
        struct device dev; /* first: its ops get at the rig */
        struct queue *q;
        struct loop *loop;
        struct space *space;
        int memory_fd;
        char *memory; /* of guest-physical 0 */
        struct driver_queue dq;
        int kick_fd, call_fd;
        struct queue_setup setup;

        int (*handle)(struct rig *rig, struct queue *q);
        void (*stop)(struct rig *rig, struct queue *q); /* NULL: nothing is in flight at a stop */
        unsigned n_handled, n_needs_reset;
        void *data; /* the test's */
};

/* Features and size of the ring come from the test's initial state. */
struct rig_config {
        uint64_t features;
        uint16_t size;
        uint16_t indirect_max;
};

int rig_setup(void **state);
int rig_teardown(void **state);

/* Starts the queue where the driver's ring begins; the first wake-up is still to come (rig_run()). */
void rig_start(struct rig *rig);
/* Handles events until none is left. */
void rig_run(struct rig *rig);
/* Stops and starts the queue where it stood, as a transport would. */
void rig_restart(struct rig *rig);

int rig_echo(struct rig *rig, struct queue *q);

/* Adds a request of one readable and one writable buffer of n bytes each, of slot i. Return: driver_queue_add(). */
int rig_add(struct rig *rig, unsigned i, uint32_t n_bytes, uintptr_t cookie);

/* Runs every case with every configuration. Return: the number of failures. */
int rig_run_cases(const struct CMUnitTest *cases, size_t n_cases, const struct rig_config *configs, size_t n_configs);

#define RIG_CASE(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
