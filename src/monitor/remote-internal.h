/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the parts of a remote device share; nobody outside of remote*.c includes this.
 *
 *   remote.c        the connection: made, lost, made again; features, configuration space
 *   remote-rings.c  what the driver wants of the rings, told to the server
 */
#pragma once

#include "base/loop.h"
#include "base/ratelimit.h"
#include "monitor/monitor.h"
#include "monitor/remote.h"
#include "monitor/spec.h"
#include "vhost/frontend.h"
#include "vhost/protocol.h"
#include "virtio/features.h"

struct ring {
        struct remote_ring setup;
        uint32_t base; /* where it begins when it is told: as in queue_setup */
        bool wanted;   /* by the driver */
        bool running;  /* the server was told so */
        bool lost;     /* the server did not say where it stopped: base is to be found */
        int kick_fd, call_fd; /* owned, but for a call_fd that is shared */
};

struct remote {
        struct monitor *monitor;             /* borrowed */
        const struct monitor_device *device; /* borrowed */

        struct frontend *frontend; /* owned; NULL: not connected */
        bool negotiated;           /* false: it is still waited for, or nothing was begun */
        uint64_t server_features;  /* of the server that is there, its transport's bits included */
        uint64_t offered;          /* to the driver */
        struct watch greeting;
        struct timer retry;
        uint64_t retry_ns, connected_ns;

        const struct remote_events *events; /* borrowed; NULL: not yet watched */
        void *data;
        int err_fd; /* owned: servers signal here that a ring broke */
        struct watch err_watch;
        struct ratelimit log_limit; /* of lines that guest or server can trigger */

        bool started; /* the driver said DRIVER_OK */
        bool failed;  /* and was told to reset */
        bool paused;
        bool told;    /* the server that is there knows features and memory */
        bool shares_calls;
        uint64_t features; /* that the driver accepted */
        struct frontend_inflight inflight; /* fd owned; -1: none */
        uint16_t n_rings;
        struct ring *rings; /* owned */

        uint8_t config[VHOST_CONFIG_MAX];
        uint32_t n_config;
};

static inline bool remote_usable(const struct remote *r)
{
        return r->frontend && r->negotiated && frontend_error(r->frontend) == 0;
}

static inline bool remote_has_protocol(const struct remote *r, unsigned bit)
{
        return (frontend_protocol_features(r->frontend) >> bit) & 1;
}

/* remote.c */

/* The device does not go on until its driver resets it; @text says why. Idempotent. */
void remote_fail(struct remote *r, const char *text);
/* Features that a driver can have with the server that is there. */
uint64_t remote_can(const struct remote *r);
/* What the server offers is what the driver is offered from now on. */
void remote_offer(struct remote *r);

/* remote-rings.c */

/* Tells a server all that the driver wants, if it is there and the driver wants something. @again: rings go on. */
void remote_bring_up(struct remote *r, bool again);
/* The server is gone. */
void remote_rings_lost(struct remote *r);
