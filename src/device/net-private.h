/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of the network device share. */
#pragma once

#include <linux/virtio_net.h>

#include "backend/port.h"
#include "base/macros.h"
#include "device/net.h"
#include "virtio/device.h"

#define NET_WINDOW 256 /* chains of one frame; a power of two */
#define NET_WINDOW_IOV 4 /* pieces of a chain that are kept without an allocation */
#define NET_FILTER_MACS 64 /* of each kind; more make the device take all of that kind */
#define NET_FLOWS 1024
#define NET_CONFIG_BYTES 12 /* up to and with mtu */

struct net_slot {
        struct chain chain;
        struct iovec iov[NET_WINDOW_IOV];
};

/* Receive buffers that are popped and not yet pushed, in the order of popping. Empty between bursts. */
struct net_window {
        struct net_slot *slots; /* owned: NET_WINDOW of them; NULL until needed */
        uint32_t first, n;
        uint64_t n_bytes;
};

struct net_pair {
        struct queue *rx, *tx; /* the device's */
        struct net_window window;
        bool rx_dirty;   /* pushed since the last notify */
        bool tx_blocked; /* the port was full */
};

struct net_macs {
        uint8_t macs[NET_FILTER_MACS][6];
        uint16_t n;
        bool overflow; /* the driver gave more: all of this kind pass */
};

/* What the driver set on the control queue. All zero but promiscuous after a reset: everything passes. */
struct net_filter {
        bool promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
        bool by_vlan;
        uint8_t mac[6];
        struct net_macs unicast, multicast;
        uint64_t vlans[4096 / 64];
};

struct net {
        struct device dev;
        struct port *port; /* owned */
        struct port_owner owner;
        uint8_t mac[6]; /* of the configuration */
        bool has_mac, link_up, announce;
        uint16_t mtu, n_pairs;

        /* From here on: of the negotiation. */
        struct frame_offloads sends; /* what the driver may leave undone */
        struct frame_offloads takes; /* what may be left undone towards it, now */
        struct frame_offloads takes_most; /* ... and with everything switched on */
        bool mergeable;
        uint16_t control;  /* index of the control queue; UINT16_MAX: none */
        uint16_t n_active; /* pairs that the driver uses, or may be using */
        struct net_filter filter;

        uint8_t *flows; /* owned: NET_FLOWS; pair + 1 by hash of the flow; NULL with one pair */
        struct net_counters counters;
        struct net_pair pairs[];
};

static inline struct net *net_of(struct device *dev) { return container_of(dev, struct net, dev); }

/* net-tx.c */
int net_handle_tx(struct net *net, struct queue *q);

/* net-rx.c: the owner's functions of port.h. */
int net_deliver(void *data, const struct frame *f);
int net_reserve(void *data, uint16_t queue, size_t n_bytes, struct iovec *iov, size_t n_max);
void net_commit(void *data, uint16_t queue, size_t n_bytes);
void net_flush(void *data);

/* net-control.c */
int net_handle_control(struct net *net, struct queue *q);

/* net-filter.c */
void net_filter_reset(struct net_filter *filter, const uint8_t *mac, bool by_vlan);
bool net_filter_passes(const struct net_filter *filter, const struct frame *f);

/* net-flow.c: which pair a frame of a flow belongs to. */
void net_flow_learn(struct net *net, const struct frame *f, uint16_t pair);
uint16_t net_flow_pair(const struct net *net, const struct frame *f);

/* Tells the port what the driver can take now. */
void net_start_port(struct net *net);
