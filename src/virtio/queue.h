/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The device side of a virtqueue, split or packed: requests are popped, completed in any order and pushed;
 * what was pushed becomes visible to the driver, and the driver is told, at queue_notify().
 *
 *      driver:   available ─────────────►                       ◄───────── used
 *      device:        queue_pop() ─► work ─► queue_push() ... ─► queue_notify()
 *
 * Invariants
 * - Every descriptor is read once, into a local, and checked before use: index, length, address, flags,
 *   chain length (at most the queue size, which also ends loops), total length (below 2^32).
 * - A queue on which the driver broke the rules is broken: it is not touched again until it is stopped and
 *   started. Other queues and devices live on.
 * - With IN_ORDER negotiated, chains that are pushed out of order are held back until their predecessors
 *   are pushed; the caller need not care.
 * - With an in-flight region (inflight.h) every popped chain is recorded until it is used; what a crashed
 *   predecessor left there is popped first, in the order of its submission.
 *
 * Threads: a started queue belongs to the thread of its loop. Start and stop run there too (loop_call()).
 *
 * Spec: VIRTIO 1.4, 2.7 (split), 2.8 (packed), 2.7.10 and 2.8.10 (notification suppression).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "mem/space.h"
#include "virtio/chain.h"

struct device;
struct queue_ring; /* split.c or packed.c */

#define QUEUE_SIZE_MAX 32768
#define QUEUE_SIZE_DEFAULT 256

/* All that a transport knows of a ring when the driver has enabled it. */
struct queue_setup {
        struct space *space;   /* borrowed until queue_stop() */
        uint64_t features;     /* negotiated */
        uint16_t size;         /* entries; a power of two for split rings */
        gpa_t descriptors;     /* split: descriptor table; packed: descriptor ring */
        gpa_t driver;          /* split: available ring; packed: driver event suppression */
        gpa_t device;          /* split: used ring; packed: device event suppression */
        /*
         * Where to begin, as vhost-user gives it in SET_VRING_BASE: split: next available index; packed:
         * bits 0-14 next available, 15 its wrap counter, 16-30 next used, 31 its wrap counter.
         */
        uint32_t base;
        int kick_fd;           /* borrowed; -1: polled by queue_kick(). Never read if it is an eventfd */
        int call_fd;           /* borrowed; -1: driver polls */
        void *inflight;        /* borrowed: this queue's in-flight region, or NULL */
        size_t inflight_bytes;
        bool log_used_ring;    /* mark writes to the used ring in the space's dirty log */
};

/* Busy waiting of one queue, see queue_set_poll(). */
struct queue_poll {
        uint64_t max_ns;    /* 0: never */
        uint64_t window_ns; /* how long the next wait may be; 0: not worth it now */
        uint64_t deadline_ns;
        uint64_t idle_since_ns; /* when the ring was found empty; 0: it was not */
        bool active;        /* an empty ring is looked at again instead of asking for kicks */
        struct task task;
        uint64_t n_hits, n_misses; /* waits that saw a request, or did not */
};

struct queue {
        struct device *device; /* borrowed */
        uint16_t index;
        struct loop *loop;     /* borrowed: where its events are handled */
        struct queue_ring *ring; /* owned; NULL: stopped */
        bool enabled;          /* vhost-user: SET_VRING_ENABLE; a ring without it is not popped. True at first */
        bool broken;           /* sticky until queue_stop() */
        uint32_t budget;       /* chains that this wake-up may still pop */
        bool lazy;             /* an empty ring is not armed: the device comes back by itself, see queue_set_lazy() */
        struct watch kick;
        struct task again;     /* continues when the budget of a wake-up was spent */
        struct queue_poll poll;
        uint64_t n_kicks, n_popped, n_pushed, n_calls; /* counters for statistics and tests */
};

/* Chains that one wake-up may take before others on the loop have their turn. */
#define QUEUE_BUDGET 256

/**
 * queue_start() - begin to serve a ring
 *
 * Validates size, alignment and addresses, recovers in-flight chains, calls the device's queue_start and
 * watches the kick fd; handles what is already available as if kicked. Caller: the queue's loop thread.
 *
 * Return: 0; -EBADMSG if the setup breaks the rules of the ring format or the in-flight region contradicts
 * itself; -EBUSY if the queue is started; a negative errno.
 */
int queue_start(struct queue *q, const struct queue_setup *setup);

/**
 * queue_stop() - stop serving; nothing touches guest memory afterwards
 * @ret_base: where a successor would begin, in the format of queue_setup.base; may be NULL; untouched if the
 *            queue was not started
 *
 * The device's queue_stop drains what it has in flight; it is completed to the guest first. What it pops and
 * neither pushes nor unpops is lost to the driver unless an in-flight region records it. Idempotent.
 * Caller: the queue's loop thread.
 */
void queue_stop(struct queue *q, uint32_t *ret_base);

bool queue_started(const struct queue *q);
uint64_t queue_features(const struct queue *q); /* negotiated; 0 when stopped */
uint16_t queue_size(const struct queue *q);     /* 0 when stopped */
/* Guest memory, for devices whose requests hold addresses. Pointers from it are valid while the handler runs: the
   memory may change between two wake-ups. NULL when stopped. */
const struct space *queue_space(const struct queue *q);
/* The used side stands where that of a new ring does. So does one, now and then, that has gone round: a split ring
   after 65536 requests, a packed one after twice its size. */
bool queue_looks_new(const struct queue *q);

/* New call fd (borrowed, -1 for none) of a started queue; takes effect at once. */
void queue_set_call(struct queue *q, int call_fd);
/* New kick fd (borrowed, -1 for none) of a started queue. Return: 0 or a negative errno. */
int queue_set_kick(struct queue *q, int kick_fd);
/* vhost-user's SET_VRING_ENABLE. Enabling handles what is available. */
void queue_set_enabled(struct queue *q, bool enabled);
/* Turns marking of the used ring in the dirty log on or off. */
void queue_set_log(struct queue *q, bool log_used_ring);

/* chain.sequence of the chain that will be popped next. */
uint32_t queue_next_sequence(const struct queue *q);

/* Handles the queue as if the driver had kicked it. */
void queue_kick(struct queue *q);

/**
 * queue_set_poll() - wait busily for a while before asking for kicks
 * @max_ns: longest wait; 0: none
 *
 * For devices whose handler always empties the ring; called by their queue_start. An empty ring is then looked
 * at again between rounds of the loop, whose other events are served meanwhile. The wait adapts: it is done
 * only while the driver comes back within @max_ns, so that an idle or slow one costs nothing.
 */
void queue_set_poll(struct queue *q, uint64_t max_ns);

/* For devices that look at a ring at times of their own: while it is on, the driver need not kick, and the device must
   come back with queue_kick(). Takes effect at the next pop; stop and start turn it off. */
void queue_set_lazy(struct queue *q, bool on);

/* The driver's kicks are not listened to while it is on, and cost nothing; the device must come back with queue_kick().
   Stop and start turn it off, and so does a new kick fd. The queue's thread. */
void queue_set_deaf(struct queue *q, bool on);

/**
 * queue_pop() - take the next request
 * @ret:  filled on 1, untouched on 0; segments borrow guest memory until queue_push() or stop, the
 *        iovec array is the queue's until the next queue_pop() (chain_keep() copies it)
 *
 * When the ring is empty the driver's notifications are armed and the ring is looked at once more, so a
 * caller that pops until 0 misses nothing. One that stops earlier must come back by itself.
 *
 * Return: 1 popped; 0 ring empty, stopped, disabled or wake-up budget spent (@q then re-kicks itself);
 * -EBADMSG if the driver broke the rules: return it from the handler, which breaks the queue.
 */
int queue_pop(struct queue *q, struct chain *ret);

/* Puts the last n popped chains back, none of which was pushed; they are popped again. */
void queue_unpop(struct queue *q, unsigned n_chains);

/**
 * queue_push() - complete a request
 * @n_written: bytes written to the writable part, from its start without holes
 *
 * Staged: visible to the driver at the next queue_notify(), all at once. Marks the pages of these bytes in the
 * dirty log. Those of what a device wrote beyond them (a frame that was read and dropped) stay clean: a driver may
 * not look there (VIRTIO 1.4, 2.7.8.3), so that neither the old nor the new contents is wrong after a migration. Does
 * nothing on a queue that is broken or stopped, or for a chain that was pushed before.
 */
void queue_push(struct queue *q, const struct chain *c, uint32_t n_written);

/**
 * queue_notify() - publish what was pushed, tell the driver if it wants to know
 *
 * Return: 0, so that handlers can end with it.
 */
int queue_notify(struct queue *q);

/**
 * queue_break() - stop a queue on which an error was found outside its handler
 * @error: -EBADMSG or a host failure, for the log line (rate-limited)
 *
 * Nothing is popped or pushed any more until stop and start; the transport is told (DEVICE_NEEDS_RESET).
 */
void queue_break(struct queue *q, int error);
