/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the parts of the back end share; nobody outside of backend*.c includes this.
 *
 *   backend.c           the connection: messages in, replies out, and its end
 *   backend-requests.c  which request does what; negotiation, config space, status
 *   backend-ring.c      messages about one ring
 *   backend-run.c       from what the front end said of a ring to queue_start() and back
 *   backend-memory.c    guest memory, dirty log
 *   backend-inflight.c  the in-flight region
 *   backend-events.c    what the device says to the front end: config change, needs reset
 *
 * Threads: all state belongs to the connection's loop, except the `said_` members, which any thread writes.
 * A queue is only touched on its own loop, by loop_call(). Nobody calls the other way with loop_call(): that
 * would wait for a loop that waits.
 */
#pragma once

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "mem/filemap.h"
#include "mem/space.h"
#include "vhost/backend.h"
#include "vhost/message.h"
#include "virtio/device.h"
#include "virtio/features.h"
#include "virtio/queue.h"

#define VHOST_RINGS_MAX 256 /* an index has 8 bits */

/* NOTIFY_ON_EMPTY and ANY_LAYOUT: of legacy; some front ends pass them on beside VERSION_1, where they mean nothing. */
#define BACKEND_LEGACY_FEATURES (FEATURE(24) | FEATURE(27))

/*
 * A ring is described (size, addresses, base), gets a kick fd, and starts when the features and the memory
 * are there too; the device starts with its first ring. DRIVER_OK is not waited for: QEMU's generic front ends
 * (rng, gpio, i2c, sound ...) negotiate STATUS and never set it. A ring stops by GET_VRING_BASE, a reset or the
 * end of the connection.
 */
struct backend_ring {
        struct queue *queue; /* borrowed: the device's */
        uint16_t index, size;
        bool has_size, has_address, has_kick, enabled;
        bool running;  /* queue_start() succeeded and queue_stop() was not called since */
        bool resuming; /* ran before what goes on now, is to run after it */
        bool log;
        struct vhost_vring_address address;
        uint32_t base;
        int kick_fd, call_fd, err_fd; /* owned; -1: none */
        struct timer poll;            /* on the queue's loop: rings without a kick fd */
};

struct backend_channel { /* for requests to the front end */
        int fd; /* owned; -1: none */
        struct watch watch;
        struct vhost_sender tx;
        bool config_changed; /* still to be told */
};

struct backend_inflight {
        struct filemap map;
        atomic_bool damaged;
        uint64_t stride_bytes; /* of one queue's region */
        uint16_t n_queues;
};

struct vhost_backend {
        struct loop *loop;     /* borrowed */
        struct device *device; /* borrowed */
        vhost_backend_closed_fn closed;
        void *data;

        int fd; /* owned; -1: disconnected */
        struct watch watch;
        struct vhost_receiver rx;
        struct vhost_sender tx; /* the one reply under way */
        int reply_fd;           /* owned: goes with the reply; -1: none */
        char reason[160];       /* why a request was refused */

        uint64_t protocol_features;
        uint64_t features; /* as set, the transport's bits included */
        bool features_set;
        uint8_t status;

        struct space *space; /* owned */
        int log_fd;          /* owned; -1: none */
        struct vhost_log log;

        struct backend_inflight inflight;
        struct backend_channel channel;
        int gpu_fd; /* owned: where the front end would be told what to show; -1: none */

        int said_fd; /* owned eventfd: something was said */
        struct watch said_watch;
        atomic_bool said_config_changed, said_needs_reset;
        _Atomic uint64_t said_broken[VHOST_RINGS_MAX / 64]; /* rings, by bit */

        uint16_t n_rings;
        struct backend_ring rings[];
};

static inline bool backend_has_protocol(const struct vhost_backend *b, unsigned bit)
{
        return (b->protocol_features >> bit) & 1;
}

/* backend.c */

/* Notes why a request is refused, and returns @error. */
int backend_refuse(struct vhost_backend *b, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Prepares the reply to @m. Takes @fd; -1: none. Return: BACKEND_REPLIED. */
int backend_reply(struct vhost_backend *b, const struct vhost_message *m, const void *payload, size_t n, int fd);

/* What a handler of a request returns, beside 0 for done and a negative errno for a refusal. */
#define BACKEND_REPLIED 1 /* backend_reply() was called */
#define BACKEND_FAILED 2  /* not done, and the guest's fault: that is no reason to disconnect the front end */

/* backend-requests.c */
int backend_handle(struct vhost_backend *b, struct vhost_message *m);

/* backend-ring.c: what is said of one ring */

int backend_set_vring_num(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_addr(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_base(struct vhost_backend *b, struct vhost_message *m);
int backend_get_vring_base(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_kick(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_call(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_err(struct vhost_backend *b, struct vhost_message *m);
int backend_set_vring_enable(struct vhost_backend *b, struct vhost_message *m);

/* backend-run.c */

void backend_rings_init(struct vhost_backend *b);
/* Frees what rings own; they are stopped. */
void backend_rings_deinit(struct vhost_backend *b);

/**
 * backend_rings_start() - start every ring of which all is known
 * @which: the ring whose memory must be there by now (NULL: none); others wait for theirs
 *
 * Return: 0, or BACKEND_FAILED if one could not be started: the driver has to reset the device.
 */
int backend_rings_start(struct vhost_backend *b, struct backend_ring *which);

/* Around a change of what the rings use: they stand still in between and go on where they were. */
void backend_rings_pause(struct vhost_backend *b);
void backend_rings_resume(struct vhost_backend *b);
bool backend_rings_running(const struct vhost_backend *b);
void backend_rings_set_enabled(struct vhost_backend *b, bool enabled);

/* Idempotent; to be started again it needs a new kick fd. */
void backend_ring_stop(struct backend_ring *ring);
/* Of a running ring. Takes @fd in any case. Return: 0 or a negative errno. */
int backend_ring_set_kick(struct backend_ring *ring, int fd);
void backend_ring_set_call(struct backend_ring *ring, int fd); /* takes @fd */
void backend_ring_set_enabled(struct backend_ring *ring, bool enabled);
void backend_ring_set_log(struct backend_ring *ring, bool log);

/* No ring runs: the device begins anew. */
void backend_reset_device(struct vhost_backend *b);
/* Stops the rings and the device and forgets what has to be negotiated anew. */
void backend_reset(struct vhost_backend *b);

/* backend-memory.c */

int backend_set_mem_table(struct vhost_backend *b, struct vhost_message *m);
int backend_add_mem_reg(struct vhost_backend *b, struct vhost_message *m);
int backend_rem_mem_reg(struct vhost_backend *b, struct vhost_message *m);
int backend_set_log_base(struct vhost_backend *b, struct vhost_message *m);
/* Sets b->features; logging starts or ends with them. */
int backend_update_log(struct vhost_backend *b, uint64_t features);

/* backend-inflight.c */

int backend_get_inflight_fd(struct vhost_backend *b, struct vhost_message *m);
int backend_set_inflight_fd(struct vhost_backend *b, struct vhost_message *m);
void backend_inflight_deinit(struct vhost_backend *b);
/* Region of one ring, or NULL. */
void *backend_inflight_region(struct vhost_backend *b, uint16_t index, size_t *ret_n);

/* backend-events.c */

/* Attaches to the device. Return: 0 or a negative errno. */
int backend_events_init(struct vhost_backend *b);
void backend_events_deinit(struct vhost_backend *b);
/* Forgets what was said: the device was reset. */
void backend_events_clear(struct vhost_backend *b);
int backend_set_channel(struct vhost_backend *b, struct vhost_message *m);
void backend_channel_close(struct vhost_backend *b);
/* The device, or one of its rings, cannot go on: status, error fd, config change. */
void backend_needs_reset(struct vhost_backend *b, struct backend_ring *ring);
