/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The PCI Express host bridge: bus 0 with the bridge itself at device 0 and functions at devices 1 to 31, reached
 * through ECAM. Functions are plain type-0 ones with 256 bytes of configuration space, of which a mask says what the
 * guest may write, and at most one memory BAR, which has an address from the start and which the guest may move.
 *
 * Spec: PCI Local Bus 3.0, 6; PCI Firmware 3.3, 4.1.2 (ECAM).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mem/space.h"

struct monitor;
struct pci;
struct pci_function;

#define PCI_CONFIG_BYTES 256
#define PCI_SLOTS 32

struct pci_function_ops {
        /* optional; around an access of the guest to [offset, offset + n) of the configuration space */
        void (*config_reads)(struct pci_function *f, unsigned offset, unsigned n_bytes);
        void (*config_written)(struct pci_function *f, unsigned offset, unsigned n_bytes);
        /* The BAR's registers; any offset and width. */
        void (*bar_read)(struct pci_function *f, uint64_t offset, void *buf, unsigned n_bytes);
        void (*bar_write)(struct pci_function *f, uint64_t offset, const void *buf, unsigned n_bytes);
        /* The BAR is there from now on, or no more. */
        void (*bar_moved)(struct pci_function *f, bool mapped, gpa_t at);
};

struct pci_function {
        const struct pci_function_ops *ops;
        uint8_t config[PCI_CONFIG_BYTES];
        uint8_t mask[PCI_CONFIG_BYTES]; /* of what the guest can write */
        uint32_t bar_bytes;             /* a power of two; 0: none */
        struct pci *pci;                /* borrowed; NULL: not on a bus */
        uint8_t slot;
        bool mapped;
        gpa_t mapped_at;
        uint8_t next_capability; /* where pci_add_capability() puts the next one */
        uint8_t last_link;       /* and the byte that is to point at it */
};

struct pci_id {
        uint16_t vendor, device, subsystem_vendor, subsystem;
        uint8_t revision;
        uint32_t class_code; /* 24 bits */
};

/* The bridge answers at layout.ecam from now on. Return: 0 or a negative errno. */
int pci_new(struct monitor *m, struct pci **ret);
/* Functions are taken off by who put them there. */
struct pci *pci_free(struct pci *p);

/* @f: zeroed but for ops and bar_bytes. */
void pci_function_init(struct pci_function *f, const struct pci_id *id);
/* @capability: @n_bytes, of which the second is filled in. Return: where it is in the configuration space. */
uint8_t pci_add_capability(struct pci_function *f, const void *capability, uint8_t n_bytes);

/* Return: 0; -EBUSY if the slot is taken; -ENOSPC if the window has no room for the BAR. */
int pci_add(struct pci *p, struct pci_function *f, uint8_t slot);
void pci_remove(struct pci_function *f);
