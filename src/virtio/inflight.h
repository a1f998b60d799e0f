/* SPDX-License-Identifier: MPL-2.0 */
/*
 * In-flight region of one queue: shared memory that outlives the device server, in which every popped and
 * not yet used chain is recorded, so that a successor can finish it. Layouts and recovery are those of
 * vhost-user, "Inflight I/O tracking" (QueueRegionSplit, QueueRegionPacked).
 *
 * The region comes back from the front end: its contents are as hostile as guest memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a queue of this size needs, aligned to 64. */
size_t inflight_region_bytes(bool packed, uint16_t queue_size);
