/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A relay between a front end that knows no other server than its first and device servers that may be killed and
 * started again: the front end's connection never ends, and each new server is told what the last one knew.
 *
 *      QEMU ══ front: a connected socket ══► relay ══► server's listening socket
 *                                              │ remembers the last message of each kind, with its descriptors
 *
 * Requests are passed on one at a time, in order, and so are replies. When the server is gone, the relay connects
 * again, says all that is remembered, signals every ring that runs, and then says the request that was under way again.
 * Where rings stood is in the in-flight region (VHOST_PROTOCOL_INFLIGHT_SHMFD), which the relay asks the first server
 * for: the front ends that need a relay do not know of it. Guest memory and rings are between front end and server, as
 * always.
 *
 * A machine that is paused and goes on looks to a server like a driver that begins anew: its rings stop, and are set up
 * once more. QEMU says SET_STATUS with 0 to some devices, and to others never DRIVER_OK. Who pauses the machine says so
 * beforehand (`paused`): such a reset is then acknowledged and not passed on, and the next SET_FEATURES is said to a
 * device that has DRIVER_OK, so that it keeps what it has. A driver that does begin anew tells by RESET_DEVICE.
 *
 * What a relay does not do: migration (no log), memory slots (a table has 8 regions).
 *
 * Threads: relay_run() is one; several relays of one process have nothing in common.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "vhost/message.h"

#define RELAY_RINGS_MAX 16
#define RELAY_ATTEMPTS 8
#define RELAY_PAUSE_MS 5
#define RELAY_ABSENT_MS_MIN 5
#define RELAY_ABSENT_MS_MAX 100

struct relay_options {
        const char *name; /* of log lines; borrowed, as all is, while it runs */
        const char *path; /* the server's socket */
        int front_fd;     /* connected; stays the caller's */
        uint16_t n_rings; /* of the device */
        int pause_ms;     /* after the first attempt that a server ended; twice as long after each further one */
        const atomic_uint *paused; /* not 0: the front end stops its machine, or has; NULL: it never does */
};

/* Between two looks for a server that has been away for that long. */
int relay_absent_pause_ms(uint64_t absent_ns);

/**
 * relay_run() - until the front end closes its connection
 *
 * Return: 0; -EBADMSG: the front end does not speak vhost-user; -ECONNABORTED: a server was there and ended
 * RELAY_ATTEMPTS connections over the same words; -ENOMEM.
 */
int relay_run(const struct relay_options *options);
