/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor's end of a monitor's control socket (src/monitor/life.h has the packets).
 *
 * The monitor runs a guest that may have taken it over, so nothing of what it sends is trusted: a packet that is not
 * one of the known events ends the connection.
 */
#pragma once

#include "platform/platform.h"

struct loop;
struct monitor_client;

struct monitor_client_handlers {
        void (*ready)(void *data);
        void (*running)(bool running, void *data);
        /* @how as the monitor says it; the process's end follows. */
        void (*ended)(const char *how, const char *text, void *data);
        /* A request that could not be done. */
        void (*error)(const char *text, void *data);
        /* The connection is over: closed by the monitor (NULL), or because it broke the protocol (how). The client may
           be freed here. */
        void (*closed)(const char *broken, void *data);
};

/* Takes @fd (SOCK_SEQPACKET). Return: 0 or a negative errno. */
int monitor_client_new(struct loop *loop, int fd, const struct monitor_client_handlers *handlers, void *data,
                       struct monitor_client **ret);

/* Takes what is there by now. */
void monitor_client_drain(struct monitor_client *c);
struct monitor_client *monitor_client_free(struct monitor_client *c);

/* @what: "resume", "pause", "power-down", "reset", "stop". Never waits. Return: 0; -ENOTCONN; a negative errno. */
int monitor_client_ask(struct monitor_client *c, const char *what);
