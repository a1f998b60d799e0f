/* SPDX-License-Identifier: MPL-2.0 */
/* Border: a bundle's device-tree overlay, which is the input. Corpus: boot-seeds.py. */
#include <libfdt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "monitor/aarch64/fdt.h"
#include "monitor/layout.h"
#include "monitor/memory.h"

#define ROOM_BYTES (128 << 10)

static void build(char *tree)
{
        static const struct layout places = {
                .serial = 0x9000000,
                .clock = 0x9010000,
                .watchdog = 0x9020000,
                .power = 0x9030000,
                .panic = 0x9040000,
                .mmio_slots = 0xa000000,
                .n_mmio_slots = 32,
                .pci_window = 0x10000000,
                .pci_window_bytes = 0x2f000000,
                .ecam = 0x3f000000,
                .ecam_bytes = 0x100000,
        };
        static const struct memory memory = { .ranges = { { .start = 0x40000000, .size_bytes = 1 << 30 } },
                                              .n_ranges = 1 };
        static const uint64_t mpidr[1] = { 0 };
        const struct fdt_facts facts = { .layout = &places,
                                         .memory = &memory,
                                         .gic_version = 3,
                                         .mpidr = mpidr,
                                         .n_vcpus = 1,
                                         .n_mmio = 1,
                                         .parameters = "quiet" };

        if (devicetree_build(&facts, tree, ROOM_BYTES) < 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static _Alignas(8) char made[ROOM_BYTES];
        /* On the heap and of just this size: whoever looks past an end is seen. */
        auto_cleanup(freep) char *tree = malloc(ROOM_BYTES), *overlay = malloc(size > 0 ? size : 1), *error = NULL;
        int r;

        if (!tree || !overlay)
                abort();
        if (fdt_magic(made) != FDT_MAGIC)
                build(made);
        memcpy(tree, made, fdt_totalsize(made));
        memcpy(overlay, data, size);
        r = devicetree_overlay(tree, ROOM_BYTES, overlay, size, &error);
        if ((r < 0) != (error != NULL) || r > 0)
                abort();
        if (r == 0 && fdt_check_full(tree, fdt_totalsize(tree)) < 0)
                abort();
        return 0;
}
