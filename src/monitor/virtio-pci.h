/* SPDX-License-Identifier: MPL-2.0 */
/* A virtio device on the PCI bus. What is where in its BAR says virtio-pci.c. */
#pragma once

#include <stdint.h>

struct monitor;
struct pci;
struct remote;
struct virtio_pci;

/* Puts a connected device on the bus. @remote is borrowed. Return: 0; -EBUSY if the slot is taken; another negative
   errno. */
int virtio_pci_new(struct monitor *m, struct pci *pci, uint8_t slot, struct remote *remote, struct virtio_pci **ret);
struct virtio_pci *virtio_pci_free(struct virtio_pci *d);
