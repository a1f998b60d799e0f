/* SPDX-License-Identifier: MPL-2.0 */
/*
 * All virtio devices of a machine: connected to their servers (remote.h) and put on the bus (virtio-pci.h,
 * virtio-mmio.h).
 *
 * Connecting takes as long as the servers take, so it is begun first and finished while other things go on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "monitor/spec.h"

struct devices;
struct monitor;

/* Begins to connect to every server. Return: 0; -ENOSPC if there are too many with transport mmio; another negative
   errno. */
int devices_new(struct monitor *m, struct devices **ret);
/* Waits until all are negotiated, puts them on the bus. Return: 0, or a negative errno with a sentence that names
   the device in *ret_error (caller frees). */
int devices_attach(struct devices *d, char **ret_error);
/* In between no server touches guest memory; kicks are kept for later. vCPUs are paused already, and resumed last. */
void devices_pause(struct devices *d);
void devices_resume(struct devices *d);
/* Stops all rings and closes the connections: servers keep what they acknowledged and serve the next machine. */
struct devices *devices_free(struct devices *d);

/* What boot tables say of the devices with transport mmio: slot i of layout.h is in use for i < n. From
   devices_new() on. */
size_t devices_n_mmio(const struct devices *d);
