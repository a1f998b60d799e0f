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
        uint16_t n_free;      /* descriptors */
        uint16_t *free_ids;   /* owned: link from each free id to the next */
        void **cookies;       /* owned: by buffer id */
        uint16_t *lengths;    /* owned: descriptors of each buffer id; 0: not in flight */
        uint32_t *writable;   /* owned: bytes that the device may write, by buffer id */
        uint16_t next_avail, last_used, free_head;
        bool avail_wrap, used_wrap;
        uint16_t n_added;     /* since the last kick: split: requests, packed: descriptors */
        uint16_t used_seen;   /* split: the device's index when last read */
        uint16_t first_slot, first_flags; /* packed: what makes all that was added visible */
        gpa_t indirect;       /* tables for indirect buffers, size entries each 16 * indirect_max bytes; 0: none */
        void *indirect_p;
        uint16_t indirect_max;
        bool event_idx, packed;
        uint16_t *order;      /* owned: ids in order of adding, for IN_ORDER; else NULL */
        uint16_t order_head, order_tail;
        bool in_batch;        /* IN_ORDER: one used entry stands for all up to batch_id */
        uint16_t batch_id;
        uint32_t batch_len;
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

/* Adds one request: readable pieces first. Not visible to the device before driver_queue_kick(). @cookie comes back
   from driver_queue_get(). Return: 0; -ENOSPC if there is no room for it now; -EINVAL if there never is. */
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

/* Where a device that knows nothing of its predecessor goes on (queue_setup.base): all that is not used is available
   again. For a ring of which the device is gone. */
uint32_t driver_queue_base(const struct driver_queue *dq);
