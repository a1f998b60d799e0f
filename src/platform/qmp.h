/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Client of the QEMU Machine Protocol over a connected stream socket: one JSON object a line. Commands are
 * answered in order of sending; events come in between. All on one loop; nothing waits.
 *
 * QEMU may be taken over by its guest: what it sends is bounded and checked, and a break of the protocol
 * ends the connection (`closed`).
 */
#pragma once

#include <jansson.h>

struct loop;
struct qmp;

/* @result is borrowed; NULL if the command failed, then @error says why. */
typedef void (*qmp_reply_fn)(json_t *result, const char *error, void *data);

struct qmp_handlers {
        void (*ready)(void *data);                                          /* greeting seen, capabilities agreed */
        void (*event)(const char *name, json_t *data_of_event, void *data); /* borrowed; may be NULL */
        void (*closed)(const char *why, void *data); /* once; the client may be freed later, not here */
};

/* Takes @fd in any case. Return: 0 or a negative errno. */
int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, void *data, struct qmp **ret);
struct qmp *qmp_free(struct qmp *q);

/**
 * qmp_command() - send a command
 * @arguments: taken; NULL for none
 * @fn:        called once with the reply, unless the connection ends before; NULL if nobody cares
 *
 * Return: 0; -ENOTCONN; -ENOBUFS if too many wait for replies; -ENOMEM; a negative errno of send(2).
 */
int qmp_command(struct qmp *q, const char *name, json_t *arguments, qmp_reply_fn fn, void *data);
