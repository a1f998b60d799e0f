/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Front end: drives any vhost-user device server. One function a message; each waits for its reply (or its
 * acknowledgement, where REPLY_ACK is negotiated) against a deadline, so a peer that does not answer is an
 * error (-ETIMEDOUT), not a hang.
 *
 * Requests of the back end (config change) arrive on a second socket, which is watched on a loop.
 *
 * Threads: one at a time. Others than the loop's may make requests if they and the loop exclude each other
 * (loop_set_mutex()); watching, unwatching and freeing are the loop's. Events come on the loop, also of a
 * connection that was lost within a request of another thread.
 *
 * What a monitor does with it: negotiate, set memory, per ring set num, base, addr, kick, call, enable.
 * driver.h beside this does all of that for tests and benchmarks.
 *
 * Spec: vhost-user protocol (QEMU, docs/interop/vhost-user.rst).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct frontend;
struct loop;

/* Takes @fd (connected stream socket) in any case. Return: 0 or a negative errno. */
int frontend_new(int fd, struct frontend **ret);
int frontend_connect(const char *path, struct frontend **ret);
struct frontend *frontend_free(struct frontend *f);

void frontend_set_timeout(struct frontend *f, unsigned timeout_ms); /* of each call */
void frontend_set_deadline(struct frontend *f, uint64_t deadline_ns); /* of all calls from now on; 0: none */

/* 0, or the negative errno that ended the use of the connection. */
int frontend_error(const struct frontend *f);
/* The socket, to wait for. */
int frontend_fd(const struct frontend *f);
/* Sends what frontend_negotiate() begins with and does not wait: once the socket is readable the server is there (or
   gone), and negotiating takes no longer than it does. For who must not wait for a server that is being started. */
int frontend_greet(struct frontend *f);

/*
 * Between the two, requests to which the answer is a mere acknowledgement are sent and not waited for: they succeed,
 * and frontend_end() returns -EREMOTEIO if one was refused. Bringing up a device of many rings then takes the server
 * one wake-up instead of one a request.
 */
void frontend_begin(struct frontend *f);
int frontend_end(struct frontend *f);

/* GET_FEATURES, GET/SET_PROTOCOL_FEATURES (all that both know, minus @without_protocol), SET_OWNER. */
int frontend_negotiate(struct frontend *f, uint64_t without_protocol, uint64_t *ret_features);
uint64_t frontend_protocol_features(const struct frontend *f);
int frontend_get_queue_num(struct frontend *f, uint64_t *ret);
int frontend_set_features(struct frontend *f, uint64_t features);

struct frontend_region {
        struct region_spec spec;
        int fd; /* borrowed */
};
int frontend_set_mem_table(struct frontend *f, const struct frontend_region *regions, size_t n);
int frontend_add_mem_region(struct frontend *f, const struct frontend_region *region);
int frontend_remove_mem_region(struct frontend *f, const struct frontend_region *region);
int frontend_get_max_mem_slots(struct frontend *f, uint64_t *ret);

struct frontend_ring {
        uint16_t index, size;
        uint64_t descriptors, driver, device; /* front-end virtual addresses (region_spec.user_address) */
        uint32_t base;                        /* as in queue_setup */
        int kick_fd, call_fd, err_fd;         /* borrowed; -1: none */
        bool log;
        uint64_t log_address;                 /* guest-physical, of the used ring */
};
/* SET_VRING_NUM, BASE, ADDR, CALL, ERR, KICK in an order that back ends accept. Not yet enabled. */
int frontend_start_ring(struct frontend *f, const struct frontend_ring *ring);
/* SET_VRING_ADDR alone: of a running ring it switches marking of the used ring in the dirty log. */
int frontend_set_ring_address(struct frontend *f, const struct frontend_ring *ring);
int frontend_enable_ring(struct frontend *f, uint16_t index, bool on);
/* GET_VRING_BASE: the ring stops. */
int frontend_stop_ring(struct frontend *f, uint16_t index, uint32_t *ret_base);
int frontend_set_call(struct frontend *f, uint16_t index, int call_fd);

int frontend_get_config(struct frontend *f, uint32_t offset, void *buf, uint32_t n);
int frontend_set_config(struct frontend *f, uint32_t offset, const void *buf, uint32_t n);

struct frontend_inflight {
        int fd; /* owned by the caller */
        uint64_t size_bytes, offset_bytes;
        uint16_t n_queues, queue_size;
};
int frontend_get_inflight(struct frontend *f, struct frontend_inflight *inout);
int frontend_set_inflight(struct frontend *f, const struct frontend_inflight *in);

int frontend_set_log(struct frontend *f, int fd, uint64_t offset_bytes, uint64_t size_bytes);
int frontend_set_status(struct frontend *f, uint8_t status);
int frontend_get_status(struct frontend *f, uint8_t *ret);
int frontend_reset_device(struct frontend *f);
int frontend_send_rarp(struct frontend *f, const uint8_t mac[6]);
int frontend_set_mtu(struct frontend *f, uint16_t mtu);

/* Requests from the back end. */
struct frontend_events {
        void (*config_changed)(struct frontend *f, void *data);
        void (*disconnected)(struct frontend *f, void *data); /* the main socket closed */
};
/* SET_BACKEND_REQ_FD, and watches both sockets on @loop. */
int frontend_watch(struct frontend *f, struct loop *loop, const struct frontend_events *events, void *data);

/* For tests that misbehave: one raw message of any shape. */
int frontend_send_raw(struct frontend *f, const void *bytes, size_t n, const int *fds, size_t n_fds);
