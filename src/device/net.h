/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Network device. What is behind it is a port (backend/port.h).
 *
 *      queue 2n     receive n     frames of the port go into the buffers that the driver put here
 *      queue 2n+1   transmit n    frames of the guest go to the port
 *      control      after the last pair that the driver may use: 2 without MQ, 2 * pairs with it
 *
 * A front end may keep the control queue to itself (QEMU does); then only data queues come here, CTRL_VQ is not
 * negotiated, and every pair that is enabled is used.
 *
 * A frame that breaks the rules of the header is dropped and counted. A ring that breaks the rules stops that queue.
 *
 * Threads: all queues on the control thread's loop, which is the port's.
 *
 * Spec: VIRTIO 1.4, 5.1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct device;
struct loop;
struct port;

#define NET_PAIRS_MAX 16
#define NET_MTU_MIN 68
#define NET_MTU_MAX 65535

struct net_options {
        const char *name;
        const uint8_t *mac; /* NULL: none is offered, the driver chooses one */
        uint16_t n_pairs;   /* 1 to NET_PAIRS_MAX */
        uint16_t mtu;       /* advised to the driver; 0: none */
};

struct net_counters {
        uint64_t n_tx_frames, n_tx_bytes;
        uint64_t n_tx_bad;     /* dropped: header or frame that breaks the rules */
        uint64_t n_tx_dropped; /* dropped: the port could not take it, or the link is down */
        uint64_t n_rx_frames, n_rx_bytes;
        uint64_t n_rx_filtered; /* not for this guest, by what it set on the control queue; or the link is down */
        uint64_t n_rx_too_long; /* fits no buffers that the driver could offer */
};

/**
 * net_new() - a network device
 * @port: taken on success
 *
 * Return: 0; -EINVAL for options out of range; -ENOMEM.
 */
int net_new(struct loop *loop, const struct net_options *options, struct port *port, struct device **ret);

const struct net_counters *net_get_counters(const struct device *dev);

/* Plugs the cable in or out; the driver is told. */
void net_set_link(struct device *dev, bool up);
bool net_get_link(const struct device *dev);
