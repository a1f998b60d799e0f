/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Rings written by hand, for the tests of drivers that break the rules. Whatever such a driver does, the
 * device neither crashes nor hangs, touches nothing but guest memory, breaks at most this queue, and a reset
 * revives it.
 */
#pragma once

#include <linux/virtio_ring.h>

#include "base/macros.h"
#include "virtio/test-rig.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define TABLE (RIG_BUFFERS - 0x10000) /* where indirect tables go */
#define BUFFER RIG_BUFFERS
#define END (RIG_MEMORY_BYTES + RIG_REGION_BYTES)

struct piece {
        uint64_t address;
        uint32_t len;
        uint16_t flags, next;
};

bool is_packed(const struct rig *rig);
struct vring_avail *avail_of(struct rig *rig);
void put_descriptor(struct rig *rig, unsigned i, const struct piece *p);

/* The first request of a fresh ring: n descriptors from 0 on, exactly as given. */
void offer(struct rig *rig, const struct piece *pieces, unsigned n);
/* An indirect table. */
void put_table(struct rig *rig, gpa_t at, const struct piece *pieces, unsigned n);

/* Resets the device; the driver begins with an empty ring. */
void renew(struct rig *rig);
/* The same, and a request is done. */
void works_again(struct rig *rig);

/* What was offered breaks the queue, once, until a reset. */
void expect_broken(struct rig *rig);
/* What was offered is a request of this size. */
void expect_popped(struct rig *rig, uint32_t n_read_bytes, uint32_t n_write_bytes);

#define OFFER(rig, ...)                                                       \
        do {                                                                  \
                const struct piece offered_[] = { __VA_ARGS__ };              \
                offer((rig), offered_, ARRAY_SIZE(offered_));                 \
        } while (0)
#define PUT_TABLE(rig, at, ...)                                               \
        do {                                                                  \
                const struct piece entries_[] = { __VA_ARGS__ };              \
                put_table((rig), (at), entries_, ARRAY_SIZE(entries_));       \
        } while (0)
