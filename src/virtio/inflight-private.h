/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What inflight.c shares with inflight-split.c and inflight-packed.c: layouts of vhost-user, and recovery's
 * common part. Private to src/virtio.
 *
 * Stores to the region are volatile: their order in the program is their order in memory as far as a kill
 * of this process goes, which is all that matters here (nobody reads the region while we live).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "virtio/inflight.h"

#define INFLIGHT_VERSION 1

struct split_entry {
        uint8_t inflight;
        uint8_t padding[5];
        uint16_t next;
        uint64_t counter;
};

struct split_region {
        uint64_t features;
        uint16_t version;
        uint16_t desc_num;
        uint16_t last_batch_head;
        uint16_t used_idx;
        struct split_entry desc[];
};

struct packed_entry {
        uint8_t inflight;
        uint8_t padding;
        uint16_t next;
        uint16_t last;
        uint16_t num;
        uint64_t counter;
        uint16_t id;
        uint16_t flags;
        uint32_t len;
        uint64_t addr;
};

/* The two pairs of new and old are each stored at once, so that no kill comes between. */
union packed_heads {
        struct {
                uint16_t free_head;
                uint16_t old_free_head;
        };
        uint32_t word;
};

union packed_used {
        struct {
                uint16_t used_idx;
                uint16_t old_used_idx;
                uint8_t used_wrap_counter;
                uint8_t old_used_wrap_counter;
                uint8_t padding[2];
        };
        uint64_t word;
};

struct packed_region {
        uint64_t features;
        uint16_t version;
        uint16_t desc_num;
        union packed_heads heads;
        union packed_used used;
        uint8_t padding[8]; /* 5 bytes of the layout and 3 that align what follows */
        struct packed_entry desc[];
};

_Static_assert(sizeof(struct split_entry) == 16 && sizeof(struct split_region) == 16, "layout of vhost-user");
_Static_assert(sizeof(struct packed_entry) == 32 && sizeof(struct packed_region) == 32, "layout of vhost-user");

/* A chain found in flight. */
struct inflight_found {
        uint64_t counter;
        uint16_t slot;
};

/* Return: 0; -EBADMSG if the region is too small or not aligned. */
int inflight_check(const void *region, size_t n_bytes, bool packed, uint16_t size);

/* Sorts what was found by age and keeps the slots in f->resubmit. Return: 0 or -ENOMEM. */
int inflight_keep_order(struct inflight *f, struct inflight_found *found, uint16_t n);
