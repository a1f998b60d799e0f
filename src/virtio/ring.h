/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What queue.c shares with the two ring formats, split.c and packed.c. Private to src/virtio.
 *
 * Words: a chain is *taken* from the available side, *put* on the used side, and with all that was put
 * since, *published* to the driver. Between taken and published it is in flight.
 *
 * Shared memory is touched only through the helpers below: each reads or writes exactly once (the compiler
 * may neither repeat nor split it), and says how it is ordered. All rings are little-endian, as are the
 * machines that Busbar runs on.
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#include "base/macros.h"
#include "mem/space.h"
#include "virtio/chain.h"
#include "virtio/inflight.h"
#include "virtio/queue.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian");

typedef uint64_t __attribute__((may_alias, aligned(1))) shared_u64;

/* One copy of a 16-byte descriptor, split or packed: the address and the word after it. */
struct raw_descriptor {
        uint64_t address;
        uint64_t rest;
};

static inline struct raw_descriptor shared_descriptor(const void *p)
{
        const volatile shared_u64 *words = p;

        return (struct raw_descriptor) { words[0], words[1] };
}

static inline uint16_t shared_load(const void *p)
{
        return __atomic_load_n((const uint16_t *) p, __ATOMIC_RELAXED);
}

static inline uint16_t shared_load_acquire(const void *p)
{
        return __atomic_load_n((const uint16_t *) p, __ATOMIC_ACQUIRE);
}

static inline void shared_store(void *p, uint16_t value)
{
        __atomic_store_n((uint16_t *) p, value, __ATOMIC_RELAXED);
}

static inline void shared_store_release(void *p, uint16_t value)
{
        __atomic_store_n((uint16_t *) p, value, __ATOMIC_RELEASE);
}

/* Orders what was stored before with what is loaded after: needed where each side writes its half and then looks at
   the other's. ThreadSanitizer does not model fences, which gcc warns of: the other side of ours is a process that it
   does not see, or tests' driver, whose ring accesses are all atomic. */
static inline void shared_fence(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

/* What is remembered of a taken chain, by its sequence, until unpop is impossible. */
struct ring_taken {
        uint16_t id, n_descriptors, inflight_slot;
        bool recovered; /* from the in-flight region, not from the ring */
};

/* A chain that was pushed before its predecessors (IN_ORDER). */
struct ring_held {
        uint16_t id, n_descriptors, inflight_slot;
        bool pushed;
        uint32_t n_written;
};

struct queue_ring;

struct ring_ops {
        /* Maps the ring and begins at setup->base or where the in-flight region says. */
        int (*open)(struct queue_ring *r, const struct queue_setup *setup);
        /* Return: 1 and *c filled but for sequence and iov; 0 if nothing is available; -EBADMSG. */
        int (*take)(struct queue_ring *r, struct chain *c);
        /* The same for a chain that the in-flight region says was taken. Return: 1 or -EBADMSG. */
        int (*retake)(struct queue_ring *r, uint16_t slot, struct chain *c);
        /* Undoes the last take. */
        void (*untake)(struct queue_ring *r, const struct ring_taken *t);
        void (*put)(struct queue_ring *r, uint16_t id, uint16_t n_descriptors, uint32_t n_written);
        /* At least one chain was put. Return: true if the driver wants to be told. */
        bool (*publish)(struct queue_ring *r, bool check_call);
        /* Is there anything to take? */
        bool (*available)(const struct queue_ring *r);
        /* Asks for kicks. Return: true if something is available already. */
        bool (*arm)(struct queue_ring *r);
        void (*disarm)(struct queue_ring *r);
        uint32_t (*base)(const struct queue_ring *r);
};

extern const struct ring_ops split_ops, packed_ops;

struct queue_ring {
        const struct ring_ops *ops;
        struct space *space;        /* borrowed */
        struct space_window window; /* of the last buffer: most guests have one region that matters */
        struct iovec *iov;          /* owned: of the chain popped last */
        uint32_t n_iov_max;
        uint16_t size;
        bool event_idx, indirect, in_order;
        bool armed;       /* the driver was asked to kick and nothing was taken since */
        bool bad;         /* the driver broke the rules; pop says so again and again */
        bool stopping;    /* nothing is popped any more */
        bool log_used;
        bool call_missed; /* something was published while there was no call fd */
        int call_fd;      /* borrowed; -1: none */

        /* Available side. Split: a free-running index; packed: a slot and its wrap counter. */
        uint16_t avail;
        uint16_t avail_seen; /* split: the driver's index when last read */
        bool avail_wrap;
        /* Used side: where the first chain goes that is not yet published. */
        uint16_t used;
        bool used_wrap;
        uint16_t n_put;             /* chains put since the last publish */
        uint32_t n_put_descriptors; /* ring slots of those */
        uint32_t n_in_flight;       /* ring slots taken and not published: at most size */
        uint16_t put_slot;          /* packed: where the next chain goes */
        bool put_wrap;
        uint16_t first_flags;       /* packed: held back until publish */

        union {
                struct {
                        struct vring_desc *table;
                        struct vring_avail *avail;
                        struct vring_used *used;
                } split;
                struct {
                        struct vring_packed_desc *ring;
                        struct vring_packed_desc_event *driver; /* we read */
                        struct vring_packed_desc_event *device; /* we write */
                } packed;
        };

        uint32_t sequence;        /* of the next chain */
        uint32_t history_mask;
        struct ring_taken *taken; /* owned: by sequence */
        uint64_t *id_bits;        /* owned: by id, set from pop to push */
        struct ring_held *held;   /* owned: by sequence; NULL without IN_ORDER */
        uint32_t held_next;       /* sequence that may be put next */
        uint16_t *put_slots;      /* owned: in-flight slots put since the last publish; NULL without a region */

        struct inflight inflight;
        uint64_t features;
        gpa_t log_address;        /* what a split (packed) ring's used entries begin at */
};

static inline bool ring_id_taken(const struct queue_ring *r, uint16_t id)
{
        return r->id_bits[id / 64] >> (id % 64) & 1;
}

static inline void ring_log_used(struct queue_ring *r, uint64_t offset, uint64_t n_bytes)
{
        if (unlikely(r->log_used))
                space_mark_dirty(r->space, r->log_address + offset, n_bytes);
}

/* For ring_add(): what lies outside the window. */
int ring_add_slow(struct queue_ring *r, struct chain *c, uint64_t at, uint32_t len_bytes, bool device_writes);

/**
 * ring_add() - append one descriptor's buffer to the chain that is being taken
 *
 * Return: 0; -EBADMSG if it lies outside guest memory, is readable after a writable one, makes the chain's
 * total exceed 2^32 - 1 bytes, or has too many pieces.
 */
static inline int ring_add(struct queue_ring *r, struct chain *c, uint64_t at, uint32_t len_bytes, bool device_writes)
{
        uint64_t offset = at - r->window.start;
        uint32_t n = (uint32_t) c->n_read + c->n_write;

        if (unlikely((!device_writes && c->n_write > 0) || len_bytes == 0 || n == r->n_iov_max ||
                     len_bytes > UINT32_MAX - c->n_read_bytes - c->n_write_bytes ||
                     offset >= r->window.size_bytes || len_bytes > r->window.size_bytes - offset))
                return ring_add_slow(r, c, at, len_bytes, device_writes);

        r->iov[n] = (struct iovec) { r->window.host + offset, len_bytes };
        if (device_writes) {
                c->n_write++;
                c->n_write_bytes += len_bytes;
        } else {
                c->n_read++;
                c->n_read_bytes += len_bytes;
        }
        return 0;
}

/* What the next chain will read first: its table, or its first buffer with the device's header. Only a hint. */
static inline void ring_prefetch(const struct queue_ring *r, const void *descriptor)
{
        uint64_t offset = *(const volatile shared_u64 *) descriptor - r->window.start;

        if (offset < r->window.size_bytes)
                __builtin_prefetch(r->window.host + offset);
}

/* An indirect table: in one piece, or (p is NULL) read through the space entry by entry. */
struct ring_table {
        const char *p;
        gpa_t start;
        uint32_t n;
};

/* Checks and locates a table. Return: 0 or -EBADMSG. */
int ring_table_open(struct queue_ring *r, uint64_t at, uint32_t len_bytes, struct ring_table *ret);

/* For ring_table_read(): an entry of a table that is not in one piece. */
int ring_table_read_slow(struct queue_ring *r, const struct ring_table *t, uint32_t index, struct raw_descriptor *ret);

static inline int ring_table_read(struct queue_ring *r, const struct ring_table *t, uint32_t index,
                                  struct raw_descriptor *ret)
{
        if (unlikely(!t->p))
                return ring_table_read_slow(r, t, index, ret);
        *ret = shared_descriptor(t->p + index * sizeof(*ret));
        return 0;
}

/* queue.c: one wake-up: refills the budget and calls the device. */
void queue_wake(struct queue *q);

/* queue-poll.c, for queue.c. */
void queue_poll_slept(struct queue *q);    /* a kick came */
void queue_poll_continue(struct queue *q); /* the device has been called */
void queue_poll_cancel(struct queue *q);
