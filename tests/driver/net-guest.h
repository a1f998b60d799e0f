/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest with a network card for the driver rung: vhost/driver.h with a pool of buffers for each queue, and frames
 * instead of requests. Fails the test where the rules are broken.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/frame.h"
#include "vhost/driver.h"

#define NET_BUFFER_BYTES 2048
#define NET_QUEUE_SIZE 128
#define NET_FEATURES_MAX UINT64_MAX

struct net_guest {
        struct vhost_driver d;
        uint8_t mac[6];
        uint16_t n_pairs;
        unsigned n_in_flight; /* frames sent and not given back */
};

/* Connects with these of the offered features (VERSION_1 is added) and posts receive buffers on all pairs. */
int net_guest_connect(struct net_guest *g, const char *socket_path, uint8_t number, uint64_t features,
                      uint16_t n_pairs);
void net_guest_disconnect(struct net_guest *g);

/* Posts as many receive buffers as there is room for. */
void net_guest_post(struct net_guest *g, uint16_t pair);

/* Sends, copying into a new buffer of the pool. Return: 0; -ENOSPC: the ring is full, see net_guest_reclaim(). */
int net_guest_send(struct net_guest *g, uint16_t pair, struct frame_header h, const void *bytes, uint32_t n);

/* Takes back frames that were sent. Return: how many. */
unsigned net_guest_reclaim(struct net_guest *g, uint16_t pair);

/* Takes one frame, posts its buffers again. Return: its length, 0 if there is none. */
uint32_t net_guest_poll(struct net_guest *g, uint16_t pair, struct frame_header *ret_header, uint8_t *buf,
                        uint32_t n_max);

/* Waits for one frame. Return: its length, 0 after @timeout_ms. */
uint32_t net_guest_receive(struct net_guest *g, uint16_t pair, unsigned timeout_ms, struct frame_header *ret_header,
                           uint8_t *buf, uint32_t n_max);

/* Ethernet header of a frame between the guests of these numbers; 0xff: to all. */
void net_guest_address(uint8_t *frame, uint8_t to, uint8_t from);
