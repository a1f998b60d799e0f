/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A device server: one process that serves one type of device to one or several guests over vhost-user.
 *
 *      arguments → open (server-wide) → guest_new for each guest → listen → lock-down → ready → loop
 *                                                                 → close everything, exit
 *
 * A type is one struct server_type in a file type-NAME.c, and one line in types.c. What it needs from the
 * host it opens in open() and guest_new(): afterwards the sandbox lets it open nothing, unless its sandbox()
 * asked for it.
 *
 * A guest is a socket and a device. One connection at a time drives the device; a second one is closed at
 * once. After a disconnect the device is reset and waits for the next one.
 *
 * Threads: the main thread runs the loop of all connections and all devices. With --queue-threads=N the
 * queues of types that allow it are spread over N workers. A type may ask for a worker for each guest, so that what one
 * guest asks for holds up no other, and have threads of its own. The memory that a guest leaves behind is given back by
 * one more (base/reaper.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sandbox/sandbox.h"
#include "server/settings.h"

struct device;
struct loop;
struct server;

struct feature_name {
        const char *name; /* "event-idx", "mrg-rxbuf" */
        uint8_t bit;
};

/*
 * What serves the connection of a guest instead of vhost-user, where a type offers that. Accepting, refusing a second
 * connection and waiting for the next one are the same for both.
 */
struct connection_ops {
        /* Takes @fd in any case: a connected socket, or a fifo that was given. @closed is called once when the peer has
           gone; the connection may be closed there. */
        int (*open)(struct loop *loop, int fd, const struct settings *guest, struct device *device,
                    void (*closed)(int reason, void *data), void *data, void **ret);
        void (*close)(void *connection); /* NULL ok */
};

struct server_type {
        const char *name;    /* "rng": the TYPE of `busbar device TYPE` */
        const char *summary; /* one line */
        const char *vhost_type; /* name in QEMU's vhost-user.json: "rng", "block", "net" */
        const struct setting_spec *settings; /* ends with a NULL name; NULL: none but the common ones */
        const struct sandbox_call *system_calls; /* beside the common ones; ends with a NULL name; NULL: none */

        /* The device of one guest, on server_loop(). @id is its name in logs. Owned by the server. Return: 0 or a
           negative errno, see server_error(). */
        int (*guest_new)(struct server *server, const struct settings *guest, const char *id, struct device **ret);

        /* optional */
        const char *const *capabilities; /* of --print-capabilities; NULL-terminated */
        const struct feature_name *features; /* the type's own, for --features-off; ends with a NULL name */
        bool queue_threads; /* offers --queue-threads */
        bool guest_threads; /* the queues of each guest are on a thread of its own */
        int (*open)(struct server *server, const struct settings *settings); /* before the guests; 0 or -errno */
        int (*sandbox)(struct server *server, struct sandbox *sandbox);      /* what must stay reachable */
        int (*start_threads)(struct server *server); /* after the guests, before guest_threads; 0 or negative errno */
        int (*start_last_threads)(struct server *server); /* the last moment for it, after guest_threads; as above */
        const struct connection_ops *(*connection)(const struct settings *guest); /* NULL returned: vhost-user */
        void (*close)(struct server *server); /* after all devices are freed; also if open() failed */
};

/* Every type of this program, ends with NULL; the program brings the table. */
extern const struct server_type *const server_types[];
const struct server_type *server_type_find(const char *name);

/**
 * server_main() - serve until SIGTERM, SIGINT or, with connected descriptors only, the last disconnect
 * @words: what follows the type on the command line
 *
 * Return: the process's exit status: 0; 1 failed; 2 the command line is wrong.
 */
int server_main(const struct server_type *type, char *const *words, size_t n_words);

/* Candidates for the last of @words, one a line. "<file>": any path. */
void server_complete(const struct server_type *type, char *const *words, size_t n_words, FILE *out);

/* For types. */
struct loop *server_loop(const struct server *server);
const struct settings *server_settings(const struct server *server);
void *server_data(const struct server *server);
void server_set_data(struct server *server, void *data);

/**
 * server_error() - say why open() or guest_new() fails; the guest's id is put in front
 *
 * Return: @error, so that a type can end with `return server_error(server, r, "image %s: ...", path)`. A type that
 * fails without has its errno's text logged.
 */
int server_error(struct server *server, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
