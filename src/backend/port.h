/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A port: where a network device's frames come from and go to. Frames are whole Ethernet frames with the
 * 12-byte virtio-net header (struct virtio_net_hdr_v1, little endian) in front, in one or more pieces.
 *
 *      net device ── port_send() ──► port implementation (tap, user, switch)
 *                 ◄── owner.deliver ──
 *
 * All on one loop thread, except where an implementation says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct loop;
struct port;

#define PORT_HEADER_BYTES 12

/* Offloads that a receiver of frames can take: what may be left undone in a frame that is given to it. */
struct port_offloads {
        bool checksum; /* VIRTIO_NET_HDR_F_NEEDS_CSUM allowed */
        bool tso4, tso6, ecn, uso;
};

/* The network device above a port. */
struct port_owner {
        /*
         * Takes a frame towards the guest. Return: 0 taken (copied); -EAGAIN no buffers (port_ready() will be
         * called on the port when there are some); -EMSGSIZE never fits.
         */
        int (*deliver)(void *data, const struct iovec *iov, size_t n_iov, size_t n_bytes);
        /* A burst of deliveries is over: tell the guest. */
        void (*flush)(void *data);
        void (*link_changed)(void *data, bool up);
        void *data;
};

struct port_ops {
        const char *name;
        /*
         * Takes a frame from the guest; the pieces are borrowed for the call. Return: 0 taken or dropped (counted);
         * -EAGAIN full: try again after owner is asked to (port_set_writable callback); other negative errno.
         */
        int (*send)(struct port *p, const struct iovec *iov, size_t n_iov, size_t n_bytes);
        void (*send_flush)(struct port *p);                              /* a burst of sends is over; optional */
        void (*ready)(struct port *p);                                   /* owner can take frames again; optional */
        void (*set_owner)(struct port *p, const struct port_owner *owner); /* NULL detaches */
        void (*set_offloads)(struct port *p, const struct port_offloads *guest); /* what the guest can take */
        struct port_offloads (*offloads)(struct port *p);                /* what this port can take from the guest */
        struct port *(*free)(struct port *p);
};

struct port { const struct port_ops *ops; };
