/* SPDX-License-Identifier: MPL-2.0 */
/*
 * In-flight region of one queue: shared memory that outlives the device server, in which every popped and
 * not yet used chain is recorded, so that a successor can finish it. Layouts and recovery are those of
 * vhost-user, "Inflight I/O tracking" (QueueRegionSplit, QueueRegionPacked).
 *
 * The region comes back from the front end: its contents are as hostile as guest memory. They are read only
 * when the queue starts; after that the region is written through from private state, so what a peer does
 * to it meanwhile has no effect. Chains of a packed ring are the exception: their descriptors are copied,
 * once, when they are popped again, and checked as those of the ring are.
 *
 * A server may be killed between any two instructions. Each record becomes valid (or void) by one store:
 *
 *      split    take      desc[head].inflight = 1
 *               publish   the used ring's idx: the batch, linked before from last_batch_head, is used
 *      packed   take      free_head and old_free_head, in one store, move past the chain's entries
 *               publish   flags of the batch's first descriptor in the ring
 *
 * What follows publishing (clearing inflight, catching up used_idx or the old_ fields) is redone by the
 * successor, which sees from the ring that the batch is out.
 *
 * One thing goes beyond that text: the used descriptors of a packed batch are written before its first one
 * makes them visible, so the successor of one who was killed in between makes those slots available again;
 * otherwise the driver would take them for used once the first slot is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vring_packed_desc;

struct inflight {
        void *region; /* borrowed; NULL: nothing is tracked */
        uint16_t size;
        uint64_t counter; /* of the next chain */

        uint16_t *resubmit; /* owned: slots (split: heads) of chains to pop again, in order of their first pop */
        uint16_t n_resubmit, n_resubmitted;

        uint16_t batch_head; /* split */

        /* Packed: private copies of the lists. An index of `size` ends the free list. */
        uint16_t *next, *last, *count; /* owned; last and count: of head entries */
        uint16_t free_head;
        uint16_t record, record_last; /* of the chain that is being taken: next entry to fill, entry filled last */
};

/* Where a packed ring stands according to its region. */
struct inflight_position {
        uint16_t used;
        bool used_wrap;
        uint32_t n_descriptors; /* of chains in flight: available is that far ahead of used */
};

/* Bytes that a queue of this size needs, aligned to 64. */
size_t inflight_region_bytes(bool packed, uint16_t queue_size);

/**
 * inflight_open_split() - recover what a predecessor left, or begin with an empty region
 * @used_idx: of the used ring
 * @ret_fresh: true if the region was uninitialised or made for another queue size
 *
 * Return: 0; -EBADMSG if the region is too small, not aligned or contradicts itself; -ENOMEM.
 */
int inflight_open_split(struct inflight *f, void *region, size_t n_bytes, uint16_t size, uint16_t used_idx,
                        bool *ret_fresh);
/* The same for a packed ring. @position: in: where a fresh region begins; out: where the recovered one stands. */
int inflight_open_packed(struct inflight *f, void *region, size_t n_bytes, uint16_t size,
                         struct vring_packed_desc *ring, struct inflight_position *position, bool *ret_fresh);
void inflight_close(struct inflight *f);

void inflight_split_take(struct inflight *f, uint16_t head);
void inflight_split_untake(struct inflight *f, uint16_t head);
/* Before and after the used ring's idx makes n chains visible. */
void inflight_split_publish(struct inflight *f, const uint16_t *heads, uint16_t n);
void inflight_split_published(struct inflight *f, const uint16_t *heads, uint16_t n, uint16_t used_idx);

/* Recording a chain: begin, add each descriptor as it was read, commit. Without commit nothing happened. */
void inflight_packed_begin(struct inflight *f);
void inflight_packed_add(struct inflight *f, uint64_t address, uint32_t len_bytes, uint16_t id, uint16_t flags);
/* Return: the chain's slot. */
uint16_t inflight_packed_commit(struct inflight *f, uint16_t n_descriptors);
void inflight_packed_untake(struct inflight *f, uint16_t slot);
/* Before and after the flags of the batch's first descriptor make n chains visible. @used: position after them. */
void inflight_packed_publish(struct inflight *f, const uint16_t *slots, uint16_t n, uint16_t used, bool used_wrap);
void inflight_packed_published(struct inflight *f, const uint16_t *slots, uint16_t n, uint16_t used, bool used_wrap);

/* The n-th recorded descriptor of a recovered chain. @at: the entry, updated; begins as the slot. */
void inflight_packed_read(const struct inflight *f, uint16_t *at, uint64_t *ret_address, uint64_t *ret_rest);
