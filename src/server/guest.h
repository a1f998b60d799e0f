/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One guest of a device server: a socket and a device.
 *
 *      listening ── accept ──► connected ── peer closes, or breaks the protocol ──► listening
 *                              │ a second connection is closed at once
 *
 * A socket that was given connected is served once: when it closes, the guest is finished.
 *
 * All on the server's main loop.
 */
#pragma once

#include <stdbool.h>

#include "base/acceptor.h"

struct connection_ops;
struct device;
struct guest;
struct settings;
struct vhost_backend;

typedef void (*guest_finished_fn)(struct guest *g);

struct guest {
        const char *id;            /* borrowed */
        const struct settings *settings; /* borrowed */
        const char *socket_path;   /* borrowed; NULL: none made here */
        struct loop *loop;         /* borrowed */
        struct device *device;     /* owned */
        int listen_fd;             /* owned; -1: the connection was given */
        int given_fd;              /* owned: connected, not yet served; -1: none */
        struct acceptor acceptor;
        struct vhost_backend *backend; /* owned; NULL: not connected */
        const struct connection_ops *connection_ops; /* borrowed: serve instead of vhost-user; NULL: none */
        void *connection;          /* owned; NULL: not connected */
        bool bound;                /* socket_path exists because of this guest */
        bool finished;
        guest_finished_fn finished_fn;
        void *data;
};

/**
 * guest_open_socket() - listen at the path, or take the descriptor, that the settings name
 * @error: filled on failure
 *
 * Return: 0 or a negative errno.
 */
int guest_open_socket(struct guest *g, char *error, size_t error_size);

/* Begins to serve. Return: 0 or a negative errno. */
int guest_start(struct guest *g, guest_finished_fn finished, void *data);

/* Drains and closes the connection, frees the device, removes the socket. For half-opened ones too; idempotent. */
void guest_close(struct guest *g);
