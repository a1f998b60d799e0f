/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A device of any type behind a vhost-user socket, as the virtio registers see it: what it offers, its
 * configuration space, its rings.
 *
 * What the driver wants (features, which rings) is kept here beside what the server was told, so that a server
 * that comes back is told again:
 *
 *      remote_start() ─► wanted ─► told                 (DRIVER_OK)
 *      server dies:      wanted     -    ─► connects ─► told   rings go on where they stood, the guest sees nothing
 *      remote_reset()      -        -
 *
 * A server that is gone is waited for on the loop, for as long as the machine lives; what the driver asks
 * meanwhile is done when it is back. One that answers wrongly, late or with a refusal has failed: the connection
 * is given up or kept, the driver is told that the device needs a reset, and a reset starts it anew.
 *
 * The configuration space is a copy, read again whenever the server says that it changed and after each write:
 * a driver that reads it waits for nobody.
 *
 * Threads: with the machine's lock held; what starts and stops watches (connect, watch, free) on the loop's thread or
 * before it runs. remote_connect() alone may run for several devices at once on threads of their own.
 *
 * Spec: vhost-user protocol; docs/vhost-user.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mem/space.h"

struct monitor;
struct monitor_device;
struct remote;

#define REMOTE_RINGS_MAX 256
#define REMOTE_QUEUE_SIZE_DEFAULT 256

/* What the driver says of a ring when it enables it; guest-physical addresses, not yet checked. */
struct remote_ring {
        uint16_t size;
        gpa_t descriptors, driver, device;
};

struct remote_events {
        /* The configuration space is a new one. */
        void (*config_changed)(void *data);
        /* Nothing works until remote_reset(). */
        void (*needs_reset)(void *data);
};

/* Return: 0, or -ENOMEM. @m and @d are borrowed. */
int remote_new(struct monitor *m, const struct monitor_device *d, struct remote **ret);
struct remote *remote_free(struct remote *r);

/**
 * remote_connect() - connect and negotiate, waiting for the server
 * @ret_error: on failure a sentence that names the device and its socket (caller frees); NULL if there was no memory
 *
 * Return: 0 or a negative errno.
 */
int remote_connect(struct remote *r, char **ret_error);

/* Listens to the server from now on. @events is called on the loop and from the functions below. Return: 0 or a
   negative errno. */
int remote_watch(struct remote *r, const struct remote_events *events, void *data);

const struct monitor_device *remote_device(const struct remote *r);
/* What the driver may accept; changes at most at a reset. */
uint64_t remote_features(const struct remote *r);
uint16_t remote_n_rings(const struct remote *r);
uint16_t remote_queue_size_max(const struct remote *r); /* a power of two */
/* Eventfds, the same for the whole life of the device. With remote_share_calls() all rings have that of ring 0. */
int remote_kick_fd(const struct remote *r, uint16_t index);
int remote_call_fd(const struct remote *r, uint16_t index);
void remote_share_calls(struct remote *r);

/* DRIVER_OK. @rings: of each ring, size 0: not enabled. What cannot be done becomes needs_reset(). */
void remote_start(struct remote *r, uint64_t features, const struct remote_ring *rings);
/* One more ring of a device that was started, and one less (RING_RESET): the server forgets where it stood. */
void remote_start_ring(struct remote *r, uint16_t index, const struct remote_ring *ring);
void remote_stop_ring(struct remote *r, uint16_t index);
/* Stops all rings and the device. When it returns no server touches guest memory for this device any more. */
void remote_reset(struct remote *r);

/* In between no server touches guest memory. */
void remote_pause(struct remote *r);
void remote_resume(struct remote *r);

/* Any range: what the configuration space has not reads as zeroes and cannot be written. */
void remote_config_read(const struct remote *r, uint64_t offset, void *buf, unsigned n_bytes);
void remote_config_write(struct remote *r, uint64_t offset, const void *buf, unsigned n_bytes);
