/* SPDX-License-Identifier: MPL-2.0 */
/* A virtio device with a page of registers of its own and a wired interrupt (layout.mmio_slots). */
#pragma once

#include <stdint.h>

struct monitor;
struct remote;
struct virtio_mmio;

/* Puts a connected device into a slot. @remote is borrowed. Return: 0 or a negative errno. */
int virtio_mmio_new(struct monitor *m, unsigned slot, struct remote *remote, struct virtio_mmio **ret);
struct virtio_mmio *virtio_mmio_free(struct virtio_mmio *d);
