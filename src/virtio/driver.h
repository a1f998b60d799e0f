/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The driver side of a virtqueue, split or packed: what a guest's driver does. Tests, benchmarks and fuzzers
 * drive devices with it. Lays its ring out in memory that the caller owns and shares with the device.
 *
 * Fast enough not to be the bottleneck of a benchmark: no allocation, no system call but the kick.
 *
 * Spec: VIRTIO 1.4, 2.7 and 2.8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct driver_buffer {
        gpa_t address;
        uint32_t len_bytes;
        bool device_writes;
};

struct driver_queue {
        uint64_t features; /* negotiated */
        uint16_t size;
        gpa_t descriptors, driver, device; /* addresses for queue_setup or SET_VRING_ADDR */
        void *descriptors_p, *driver_p, *device_p;
        int kick_fd, call_fd; /* borrowed; -1: none */
        uint16_t n_free;
        uint16_t *free_ids; /* owned */
        void **cookies;     /* owned: by buffer id */
        uint16_t *lengths;  /* owned: descriptors of each buffer id */
        uint16_t next_avail, last_used, free_head;
        bool avail_wrap, used_wrap;
        uint16_t n_added;   /* since the last kick */
        gpa_t indirect;     /* tables for indirect buffers, size entries each 16 * indirect_max bytes; 0: none */
        void *indirect_p;
        uint16_t indirect_max;
        uint64_t n_kicks;
};

/* Bytes of guest memory that a ring takes; align the start to 4096. */
size_t driver_queue_bytes(uint64_t features, uint16_t size, uint16_t indirect_max);

/**
 * driver_queue_init() - lay out an empty ring
 * @space, @at: guest memory of at least driver_queue_bytes()
 * @indirect_max: buffers of 2 to that many pieces use an indirect table if INDIRECT_DESC is negotiated; 0: none do
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int driver_queue_init(struct driver_queue *dq, const struct space *space, gpa_t at, uint64_t features, uint16_t size,
                      uint16_t indirect_max);
void driver_queue_deinit(struct driver_queue *dq);

/* Adds one request: readable pieces first. Return: 0; -ENOSPC if the ring is full. Not yet visible to the device
   (packed) or visible at the index update of driver_queue_kick(). @cookie comes back from driver_queue_get(). */
int driver_queue_add(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n, void *cookie);

/* Publishes what was added; signals kick_fd if the device wants to know. Return: true if it was signalled. */
bool driver_queue_kick(struct driver_queue *dq);

/* Takes one completed request. Return: 1 with its cookie and length; 0 if there is none; -EBADMSG if the device
   broke the rules. */
int driver_queue_get(struct driver_queue *dq, void **ret_cookie, uint32_t *ret_len);

/* Asks to be called at the next completion. Return: false if one is already there (do not wait). */
bool driver_queue_arm(struct driver_queue *dq);
/* Asks not to be called. */
void driver_queue_disarm(struct driver_queue *dq);
