/* SPDX-License-Identifier: MPL-2.0 */
/*
 * MSI-X of one PCI function: a table of vectors (message and mask) and the sources of interrupts, which are eventfds
 * that somebody else writes. A source is connected to its vector's message in the kernel, so that nobody is in between,
 * exactly while it may be delivered:
 *
 *      source ── vector ── message        enabled, function not masked, vector not masked
 *      source ── vector                   masked: what comes is counted in the eventfd, which makes it pending, and sent
 *                                         on unmasking
 *      source                             no vector, or MSI-X disabled: what comes is dropped
 *
 * Spec: PCI Local Bus 3.0, 6.8.2; VIRTIO 1.4, 4.1.5.1.2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

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
