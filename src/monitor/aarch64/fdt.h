/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The device tree of a guest, from plain facts: no KVM, any host.
 *
 * Spec: Devicetree Specification 0.4; Linux, Documentation/devicetree/bindings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct layout;
struct memory;

#define FDT_BYTES_MAX (2 << 20)       /* Linux, Documentation/arch/arm64/booting.rst */
#define FDT_OVERLAY_BYTES_MAX (256 << 10)
#define FDT_OVERLAY_DEPTH_MAX 32

struct fdt_facts {
        const struct layout *layout; /* borrowed, as are all pointers here */
        const struct memory *memory;
        unsigned gic_version; /* 2 or 3 */
        bool pmu;
        const uint64_t *mpidr; /* of each vCPU: its affinity fields */
        unsigned n_vcpus;
        size_t n_mmio;               /* slots in use */
        const char *parameters;      /* NULL where absent */
        gpa_t initrd;                /* with initrd_bytes > 0 */
        uint64_t initrd_bytes;
        uint8_t seed[64];            /* fresh random bytes */
        uint64_t kaslr_seed;
};

/**
 * devicetree_build() - write the tree
 * @buf: of @n_bytes, at most FDT_BYTES_MAX, aligned to 8
 *
 * Return: 0; -ENOSPC if it does not fit.
 */
int devicetree_build(const struct fdt_facts *facts, void *buf, size_t n_bytes);

/**
 * devicetree_overlay() - apply a bundle's overlay to a tree in place
 * @buf:     what devicetree_build() wrote, with room up to @n_bytes
 * @overlay: @n_overlay_bytes of a file that nobody has checked; changed by this. Aligned to 8
 * @ret_error: a sentence, on failure; owned by the caller
 *
 * Return: 0; -EBADMSG if it is no overlay, or one that does not fit this tree; -ENOSPC if the result is too large.
 * After a failure *buf is no longer a tree.
 */
int devicetree_overlay(void *buf, size_t n_bytes, void *overlay, size_t n_overlay_bytes, char **ret_error);
