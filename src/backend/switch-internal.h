/* SPDX-License-Identifier: MPL-2.0 */
/* What switch.c (the way of a frame) and switch-port.c (ports towards guests and the uplink) share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/backlog.h"
#include "backend/fdb.h"
#include "backend/gso.h"
#include "backend/port.h"
#include "backend/switch.h"
#include "base/ratelimit.h"

#define SWITCH_TYPE_VLAN 0x8100

struct switch_port {
        struct port port; /* what a guest's device holds; not used by an uplink */
        struct switch_fabric *fabric; /* borrowed */
        const struct port_owner *out; /* borrowed: where frames leave the switch; set while up */
        struct frame_offloads can;    /* of out */
        uint16_t index, vlan;
        bool up, dirty, in_burst;

        /* The last frame's stations: most frames of a burst are alike. */
        uint16_t found_port;
        uint32_t found_s, found_generation, learned_s, learned_generation;
        uint64_t found_key, learned_key;

        struct ratelimit flood;
        struct backlog backlog;

        uint64_t n_in_frames, n_in_bytes, n_out_frames, n_out_bytes, n_queued;
        /* Dropped on their way in ... */
        uint64_t n_drop_vlan, n_drop_source, n_drop_local, n_drop_flood, n_drop_bad;
        /* ... and on their way out */
        uint64_t n_drop_full, n_drop_size, n_drop_down;

        struct port *below;      /* owned: an uplink's port; NULL: a guest's */
        struct port_owner above; /* of below */
        struct port_owner uplink_out;
        bool below_full;
        char name[32];
};

struct switch_fabric {
        struct switch_options options;
        struct switch_port *ports[SWITCH_PORTS_MAX]; /* guests' ports borrowed, uplinks owned */
        struct fdb fdb;
        uint64_t now_ns; /* when the current burst began */
        uint32_t now_s;
        struct switch_port *dirty[SWITCH_PORTS_MAX]; /* delivered to since the last flush */
        uint16_t n_dirty;
        uint8_t *scratch; /* owned: for gso_finish(); NULL until needed */
};

/* A frame comes in; a burst of them ended. */
void switch_input(struct switch_port *sp, const struct frame *f);
void switch_input_end(struct switch_port *sp);
/* The receiver has buffers again. */
void switch_drain(struct switch_port *sp);

void switch_port_up(struct switch_port *sp, const struct frame_offloads *can);
void switch_port_down(struct switch_port *sp);
struct switch_port *switch_port_free(struct switch_port *sp);

uint64_t switch_flood_burst(uint64_t per_second);
