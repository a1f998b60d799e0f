/* SPDX-License-Identifier: MPL-2.0 */
/* The calling side of a control socket (control.h), for commands: one request, one answer, and waiting in between. */
#pragma once

#include <jansson.h>

#define CONTROL_ANSWER_MAX_BYTES (1U << 20)

/**
 * control_call_fd() - send a request and wait for its answer
 * @request_take: the reference is taken
 * @fd:           goes with the request, borrowed; -1: none
 * @timeout_ms:   for each step
 * @ret_error:    on failure what the other side answered, or what went wrong; owned by the caller
 * @ret:          NULL, or the answer, a reference of the caller's
 *
 * Return: 0; -EREMOTEIO: refused, *ret_error says why; -ETIMEDOUT; -ECONNREFUSED, -ENOENT: nobody listens; a negative
 * errno.
 */
int control_call_fd(const char *socket_path, json_t *request_take, int fd, unsigned timeout_ms, json_t **ret,
                    char **ret_error);

/* The same without a descriptor. */
int control_call(const char *socket_path, json_t *request_take, unsigned timeout_ms, json_t **ret, char **ret_error);
