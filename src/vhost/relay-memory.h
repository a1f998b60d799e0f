/* SPDX-License-Identifier: MPL-2.0 */
/* What a relay remembers of the front end's requests, to say it again to the next server. */
#pragma once

#include <stdbool.h>

#include "vhost/relay.h"

/* In the order in which they are said again. RELAY_RING_*: one of each ring. */
enum relay_slot {
        RELAY_PROTOCOL_FEATURES,
        RELAY_OWNER,
        RELAY_BACKEND_FD,
        RELAY_FEATURES,
        RELAY_MEMORY,
        RELAY_GPU_SOCKET,
        RELAY_CONFIG,
        RELAY_INFLIGHT,
        RELAY_STATUS,
        RELAY_SLOTS,
};

enum relay_ring_slot {
        RELAY_RING_SIZE,
        RELAY_RING_BASE,
        RELAY_RING_ADDRESS,
        RELAY_RING_ERR,
        RELAY_RING_CALL,
        RELAY_RING_KICK, /* there while the ring runs */
        RELAY_RING_ENABLE,
        RELAY_RING_SLOTS,
};

struct relay_entry {
        bool is_there;
        struct vhost_message message; /* owned, with its descriptors */
};

struct relay_memory {
        struct relay_entry slots[RELAY_SLOTS];
        struct relay_entry rings[RELAY_RINGS_MAX][RELAY_RING_SLOTS];
};

/* Takes @m with its descriptors if it is one to remember, and forgets what it ends. */
void relay_memory_take(struct relay_memory *memory, struct vhost_message *m);

/* Keeps the server's region; takes @fd. */
void relay_memory_take_inflight(struct relay_memory *memory, const struct vhost_inflight *inflight, int fd);
void relay_memory_forget_inflight(struct relay_memory *memory);

/* Does any ring run? */
bool relay_memory_runs(const struct relay_memory *memory);

/**
 * relay_memory_each() - all that is remembered, in an order that a server takes
 * @say: 0 goes on; anything else ends it
 *
 * Return: what @say returned last, or 0.
 */
int relay_memory_each(const struct relay_memory *memory, int (*say)(const struct vhost_message *m, void *data),
                      void *data);

/* Wakes both sides of every ring that runs: a kick or a call may have been lost. */
void relay_memory_stir(const struct relay_memory *memory);

void relay_memory_deinit(struct relay_memory *memory);
