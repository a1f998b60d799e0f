/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A port: where the frames of a network device come from and go to.
 *
 *      net device ── send() ──────► port implementation (tap, user, a port of a switch)
 *      = owner    ◄── deliver() ──
 *
 * Bursts: any number of send() calls, then one send_flush(); any number of deliver() calls, then one flush().
 * What costs a system call or a notification waits for the flush.
 *
 * A port takes every frame that frame_check() lets pass, whatever is left undone in it; the owner gets only what
 * it said it can take.
 *
 * Threads: all on the loop thread that the port was opened on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "backend/frame.h"

struct port;

/* What is above a port: a network device, or a switch on its uplink. Required functions first. */
struct port_owner {
        /*
         * Takes a frame towards the guest. Return: 0 taken (copied); -EAGAIN no buffers now (the port's ready() is
         * called when there are some); -EMSGSIZE never fits: drop it.
         */
        int (*deliver)(void *data, const struct frame *f);
        void (*flush)(void *data);    /* a burst of deliveries is over */
        void (*writable)(void *data); /* send() had returned -EAGAIN: try again */

        /*
         * Optional: memory for a frame that is about to be read from a file descriptor, straight into the guest's
         * buffers, its header (FRAME_HEADER_BYTES, little endian) first. @n_bytes: the longest that may come.
         * Return: entries of iov filled; -EAGAIN if the guest's buffers do not suffice: deliver() it instead.
         * commit() says how many bytes were read (header included); what is not committed is given back by the
         * next flush().
         */
        int (*reserve)(void *data, uint16_t queue, size_t n_bytes, struct iovec *iov, size_t n_max);
        void (*commit)(void *data, uint16_t queue, size_t n_bytes);

        void (*link_changed)(void *data, bool up); /* optional */
        void *data;
};

struct port_ops {
        const char *name;
        bool steers; /* frame.queue of what it delivers is the pair that it belongs to */
        /*
         * Takes a frame from the guest; all of it is borrowed for the call. Return: 0 taken or dropped (counted);
         * -EAGAIN full: owner's writable() is called when it is not.
         */
        int (*send)(struct port *p, const struct frame *f);
        /* The owner's guest runs, and can take this; also when that changes. Nothing is delivered before. */
        void (*start)(struct port *p, const struct frame_offloads *guest);
        void (*stop)(struct port *p); /* the owner's guest is gone; nothing is delivered after. Idempotent */
        struct port *(*free)(struct port *p); /* stopped; NULL is not passed */

        /* optional */
        void (*send_flush)(struct port *p); /* a burst of sends is over */
        void (*ready)(struct port *p);      /* the owner can take frames again */
};

struct port {
        const struct port_ops *ops;
        const struct port_owner *owner; /* borrowed; set while the port is stopped; NULL: none */
};

static inline struct port *port_free(struct port *p)
{
        return p ? p->ops->free(p) : NULL;
}

static inline void port_freep(struct port **p)
{
        *p = port_free(*p);
}
