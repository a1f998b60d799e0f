/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest with a network card in one process with its device: what the tests and the fuzzer of the network device
 * stand on. Several guests on one loop are joined by a switch. Ends the program where the set-up itself fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/frame.h"
#include "virtio/device.h"
#include "virtio/driver.h"

struct port;

#define NET_GUEST_QUEUES_MAX 9
#define NET_GUEST_MEMORY_BYTES (UINT64_C(8) << 20)
#define NET_GUEST_SLOT_BYTES 2048 /* of receive buffers, unless the test posts others */

struct net_guest_options {
        uint64_t features;   /* of the type and the rings; VERSION_1 is added */
        uint16_t size;       /* of the rings */
        uint16_t n_pairs;    /* 1 to 4 */
        uint16_t indirect_max;
        const uint8_t *mac;
};

struct net_guest {
        struct net_guest_options options;
        struct loop *loop;   /* borrowed */
        struct device *dev;  /* owned */
        struct space *space; /* owned */
        int memory_fd;
        char *memory;
        gpa_t next;          /* free memory */
        uint16_t n_queues;
        struct driver_queue queues[NET_GUEST_QUEUES_MAX];
        int kick_fds[NET_GUEST_QUEUES_MAX], call_fds[NET_GUEST_QUEUES_MAX];
        unsigned n_needs_reset, n_config_changed;
        uint32_t slot_bytes; /* of the receive buffers posted last: those received are posted again with it */
        gpa_t tx_area; /* where frames are put together: room for one of the longest */
};

/* Takes @port. All queues are started; no buffers are posted. */
void net_guest_init(struct net_guest *g, struct loop *loop, struct port *port, const struct net_guest_options *options);
void net_guest_deinit(struct net_guest *g);

/* Stops, resets, starts with empty rings, as a driver does that was loaded anew. */
void net_guest_restart(struct net_guest *g);

gpa_t net_guest_alloc(struct net_guest *g, uint64_t n_bytes);

/* Posts n receive buffers of that size; does not kick. Return: how many there was room for. */
unsigned net_guest_post(struct net_guest *g, uint16_t pair, unsigned n, uint32_t n_bytes);

/* Puts header and frame into the transmit ring, cut into pieces of at most @piece bytes (0: one). Return: as
   driver_queue_add(). Does not kick. The area that frames are in is reused: one in flight at a time. */
int net_guest_add_tx(struct net_guest *g, uint16_t pair, const struct frame_header *h, const void *bytes, uint32_t n,
                     uint32_t piece);

/* Adds, kicks and runs; true if the device gave the chain back. */
bool net_guest_send(struct net_guest *g, uint16_t pair, const struct frame_header *h, const void *bytes, uint32_t n,
                    uint32_t piece);

/* Room for that much more. */
bool net_guest_has(const struct net_guest *g, uint64_t n_bytes);

/* Takes one received frame. Its buffers are posted again. Return: its length; 0 if there is none; -EBADMSG if the
   device broke the rules of 5.1.6.4. */
int net_guest_receive(struct net_guest *g, uint16_t pair, struct frame_header *ret_header, uint8_t *buf,
                      uint32_t n_max);

/* Sends a control command of these bytes, runs. Return: the answer; -1 if there is none. */
int net_guest_control(struct net_guest *g, const void *bytes, uint32_t n);

/* Handles events until there are none. */
void net_guest_run(struct loop *loop);

uint16_t net_guest_control_index(const struct net_guest *g);
