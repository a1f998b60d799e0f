/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A server's control socket (base/control.h) that knows one request:
 *
 *      → {"stats": true}       ← what the server makes
 *      → anything else         ← {"error": "..."}
 *
 * Threads: the server's main loop.
 */
#pragma once

#include "base/control.h"

struct sandbox;

struct stats_control {
        struct control control;
        const char *path; /* borrowed */
        /* Counters as they are now. Return: an object; NULL without memory. */
        json_t *(*make)(const struct stats_control *c);
};

/* Listens at @path, mode 0600; removed by stats_control_close(). Return: 0 or a negative errno. */
int stats_control_open(struct stats_control *c, struct loop *loop, const char *path,
                       json_t *(*make)(const struct stats_control *c));
void stats_control_close(struct stats_control *c);

/* So that the socket can be removed in the end. Return: 0 or a negative errno. */
int stats_control_sandbox(const struct stats_control *c, struct sandbox *sandbox);
