/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a driver writes to the registers of one queue, before there is a ring: size and addresses. An enabled queue is
 * closed: every setter refuses until the queue, or the device, is reset. The ring that runs is another object
 * (remote.h), made from a copy of this one.
 *
 *      open ── enable ──► enabled ── reset of the queue ──► open
 *        └── DRIVER_OK ─► sealed     (it was not enabled in time)
 *
 * Spec: VIRTIO 1.4, 2.6, 4.1.4.3, 4.2.2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum queue_part { QUEUE_DESCRIPTORS, QUEUE_DRIVER, QUEUE_DEVICE, QUEUE_PARTS };

struct queue_config {
        uint16_t size_max, size;
        uint64_t address[QUEUE_PARTS];
        bool enabled, sealed;
};

/* As after a reset of the device, or of the queue. */
void queue_config_init(struct queue_config *q, uint16_t size_max);
/* Return: false if the queue is closed, or the value cannot be; nothing is changed then. */
bool queue_config_set_size(struct queue_config *q, uint64_t size);
/* @offset: 0 or 4 within the 64-bit address; @n_bytes 4, or 8 at 0. */
bool queue_config_set_address(struct queue_config *q, enum queue_part part, unsigned offset, unsigned n_bytes,
                              uint64_t value);
/* Also false if size or alignment is not one of the format. Where the ring lies is not checked here. */
bool queue_config_enable(struct queue_config *q, bool packed);
/* The device runs: a queue that is not enabled stays so. */
void queue_config_seal(struct queue_config *q);
