/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A whole guest in a box, for tests and benchmarks: guest memory (sealed memfd), a front end and driver
 * queues (virtio/driver.h) on one vhost-user device. What a kernel's driver would do at probe time is
 * vhost_driver_start(); after that the caller adds buffers and takes completions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mem/space.h"
#include "vhost/frontend.h"
#include "virtio/driver.h"

struct vhost_driver_options {
        uint64_t features_wanted;   /* of those offered; VERSION_1 and PROTOCOL_FEATURES are added */
        uint64_t without_protocol;  /* protocol features to leave out */
        uint64_t memory_bytes;      /* guest RAM, at guest-physical 0 */
        uint16_t n_queues, queue_size;
        uint16_t indirect_max;
        bool inflight;              /* ask for in-flight tracking */
        bool no_driver_ok;          /* sets no status beyond FEATURES_OK and does not reset by status */
};

struct vhost_driver {
        struct frontend *frontend; /* owned */
        struct space *space;       /* owned: the same memory as the device sees */
        int memory_fd;             /* owned */
        char *memory;              /* of guest-physical 0 */
        uint64_t memory_bytes;
        gpa_t next_free;           /* vhost_driver_alloc() */
        uint64_t features;         /* negotiated */
        uint16_t n_queues;
        struct driver_queue *queues;       /* owned */
        struct frontend_inflight inflight; /* fd owned; -1: none */
        struct vhost_driver_options options;
};

/* Connects, negotiates, sets up memory and all rings, enables them. Return: 0 or a negative errno. */
int vhost_driver_start(struct vhost_driver *d, const char *socket_path, const struct vhost_driver_options *options);

/* After the server died: connects again with the same memory, rings and in-flight region, rings go on where the
   driver stands (base from the used ring, as a front end without GET_VRING_BASE must). */
int vhost_driver_reconnect(struct vhost_driver *d, const char *socket_path);

/* What a guest does that reboots or saw DEVICE_NEEDS_RESET: stops the rings, resets the device (by STATUS, else by
   RESET_DEVICE, else by a new start alone), and brings it up again with empty rings and a new in-flight region. What
   was in flight is forgotten. Return: 0 or a negative errno. */
int vhost_driver_reset(struct vhost_driver *d);

/* Stops rings, disconnects, frees. Idempotent. */
void vhost_driver_stop(struct vhost_driver *d);

/* Guest memory that nobody else uses, aligned; 0 if there is none left (0 itself is never given out). */
gpa_t vhost_driver_alloc(struct vhost_driver *d, uint64_t n_bytes, uint64_t align);
void *vhost_driver_pointer(struct vhost_driver *d, gpa_t at);

/* Waits for the next completion on a queue. Return: as driver_queue_get(), or -ETIMEDOUT. */
int vhost_driver_wait(struct vhost_driver *d, uint16_t index, unsigned timeout_ms, void **ret_cookie,
                      uint32_t *ret_len);
