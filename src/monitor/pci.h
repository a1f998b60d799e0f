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

#include "base/ratelimit.h"
#include "mem/space.h"

struct monitor;
struct pci;
struct pci_function;
struct vm;

#define PCI_CONFIG_BYTES 256
#define PCI_SLOTS 32

struct pci_function_ops {
        /* optional; around an access of the guest to [offset, offset + n) of the configuration space */
        void (*config_reads)(struct pci_function *f, unsigned offset, unsigned n_bytes);
        void (*config_written)(struct pci_function *f, unsigned offset, unsigned n_bytes);
        /* The BAR's registers, as a bus has them (bus.h); @data is the struct pci_function. */
        void (*bar_read)(void *data, uint64_t offset, void *buf, unsigned n_bytes);
        void (*bar_write)(void *data, uint64_t offset, const void *buf, unsigned n_bytes);
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

/*
 * MSI-X of one PCI function: a table of vectors (message and mask) and the sources of interrupts, which are eventfds
 * that somebody else writes. A source is connected to its vector's message in the kernel, so that nobody is in between,
 * exactly while it may be delivered:
 *
 *      source ── vector ── message        enabled, function not masked, vector not masked
 *      source ── vector                   masked: what comes is counted in the eventfd, which makes it pending, and
 *                                         sent on unmasking
 *      source                             no vector, or MSI-X disabled: what comes is dropped
 *
 * Spec: PCI Local Bus 3.0, 6.8.2; VIRTIO 1.4, 4.1.5.1.2.
 */
#define MSIX_NO_VECTOR 0xffff
#define MSIX_ENTRY_BYTES 16

struct msix_vector {
        uint64_t address;
        uint32_t data;
        uint32_t control; /* bit 0: masked */
};

struct msix_source {
        int fd; /* borrowed */
        uint16_t vector;
        int handle; /* of vm_attach_msi(); -1: not connected */
        struct msix_vector sent; /* while connected: the message */
};

struct msix {
        struct vm *vm;       /* borrowed */
        uint32_t requester;
        bool enabled, masked;
        uint16_t n_vectors, n_sources;
        struct ratelimit log_limit; /* of lines that a guest can trigger */
        struct msix_vector *vectors; /* owned */
        struct msix_source *sources; /* owned */
};

/* @fds: of the sources, borrowed until msix_deinit(). Return: 0 or -ENOMEM. */
int msix_init(struct msix *m, struct vm *vm, uint32_t requester, uint16_t n_vectors, const int *fds,
              uint16_t n_sources);
void msix_deinit(struct msix *m);

void msix_set_control(struct msix *m, bool enabled, bool masked);
/* Return: false, and the source has no vector, if there is no such one. */
bool msix_set_vector(struct msix *m, uint16_t source, uint16_t vector);
uint16_t msix_vector(const struct msix *m, uint16_t source);
/* No source has a vector. */
void msix_forget_vectors(struct msix *m);

/* The table, and after each other the pending bits; any offset and width. */
void msix_table_read(const struct msix *m, uint64_t offset, void *buf, unsigned n_bytes);
void msix_table_write(struct msix *m, uint64_t offset, const void *buf, unsigned n_bytes);
void msix_pending_read(const struct msix *m, uint64_t offset, void *buf, unsigned n_bytes);
