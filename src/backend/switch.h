/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An Ethernet switch among the guests of one server: addresses are learned, VLANs keep guests apart, floods are
 * limited, and a frame is copied once, from the sender's buffers to the receiver's.
 *
 *      guest ─ net device ─ port 0 ┐
 *      guest ─ net device ─ port 1 ┤ switch ├ port n ─ uplink (tap, user)
 *
 * VLANs, by port: without one, frames are not looked into for tags and travel among such ports and, untagged, to
 * and from trunks. An access port belongs to one VLAN, its frames carry no tag; tagged ones are dropped. A trunk
 * carries all VLANs with tags.
 *
 * What one guest does costs another nothing: MAC addresses, waiting frames and floods are limited for each port
 * (fdb.h, backlog.h, base/ratelimit.h), and how many frames one wake-up may send is limited by the device above.
 *
 * Threads: everything on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct port;
struct switch_fabric;

#define SWITCH_PORTS_MAX 65 /* 64 guests and an uplink */
#define SWITCH_VLAN_NONE 0
#define SWITCH_VLAN_TRUNK 4095 /* 802.1Q reserves it, so it is no VLAN */

struct switch_options {
        uint32_t aging_s;           /* 0: 300 */
        uint16_t stations;          /* MAC addresses a port; 0: 256 */
        uint64_t flood_per_second;  /* frames a port to more than one receiver; 0: no limit */
        uint32_t queue_frames;      /* that wait for one port; 0: 1024 */
        uint32_t queue_bytes;       /* 0: 1 MiB */
};

struct switch_port_options {
        const char *name;     /* cut to 31 characters */
        uint16_t vlan;        /* SWITCH_VLAN_NONE, _TRUNK or 1 to 4094 */
        const uint8_t *mac;   /* this address is behind this port and no other; NULL: none is fixed */
};

/* Return: 0 and *ret owned by the caller; -ENOMEM. */
int switch_new(const struct switch_options *options, struct switch_fabric **ret);

/* All ports that switch_add_port() gave out must be freed before. NULL ok. Returns NULL. */
struct switch_fabric *switch_free(struct switch_fabric *s);

/**
 * switch_add_port() - a port for a guest's network device
 * @ret: owned by the caller
 *
 * Return: 0; -ENOSPC: all ports are in use; -EINVAL: not a VLAN; -EEXIST: the address is fixed at another port;
 * -ENOMEM.
 */
int switch_add_port(struct switch_fabric *s, const struct switch_port_options *options, struct port **ret);

/**
 * switch_add_uplink() - join another network
 * @below: taken on success: the port of a tap or of the user-mode network
 *
 * Return: as switch_add_port().
 */
int switch_add_uplink(struct switch_fabric *s, const struct switch_port_options *options, struct port *below);

/**
 * switch_stats() - counters of all ports
 *
 * Return: an array with an object for each port, owned by the caller; NULL if out of memory.
 */
json_t *switch_stats(const struct switch_fabric *s);
