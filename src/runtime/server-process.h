/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One planned server kept alive: its listening sockets, its process, its log.
 *
 *      start ─► starting ──READY=1──► ready ──ends──► waiting (back-off) ─► starting ...
 *                  │ ends or SERVER_READY_MS passes          │ policy gives up
 *                  ▼                                         ▼
 *               failed (first start)                       failed
 *
 * The sockets are made once, before the first start, and stay open here: a server that is started again gets the same
 * ones, and a front end that reconnects meanwhile waits in the socket's queue.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/process.h"
#include "runtime/endpoint.h"
#include "runtime/log-collector.h"
#include "runtime/plan.h"
#include "runtime/restart-policy.h"

#define SERVER_READY_MS 10000
#define SERVER_STOP_MS 2000
#define SERVER_SOCKETS_MAX 64

struct server_process;

/* None may free the server or stop it; a task of the loop is the place for that. */
struct server_events {
        void (*ready)(struct server_process *s);                   /* after each start, the first one included */
        void (*changed)(struct server_process *s);                 /* its process id changed */
        void (*failed)(struct server_process *s, const char *why); /* once; it will not be started again */
        void (*stopped)(struct server_process *s);                 /* after server_process_stop() */
};

enum server_status { SERVER_NEW, SERVER_STARTING, SERVER_READY, SERVER_WAITING, SERVER_STOPPING, SERVER_ENDED };

struct server_process {
        const struct planned_server *plan; /* borrowed */
        const struct server_events *events;
        void *data;          /* the owner's */
        const char *program; /* borrowed: what is executed; the plan's argv follow */
        struct loop *loop;
        struct log_collector *log;
        struct log_source source;
        enum server_status status;
        struct process process;
        int fds[SERVER_SOCKETS_MAX + ENDPOINT_FDS_MAX]; /* owned: what the server gets as PLAN_FIRST_FD and on */
        size_t n_fds, n_endpoints;
        int ready_fd;    /* owned: read end */
        struct watch ready_watch;
        struct timer timer; /* the deadline, or the back-off */
        struct restart_policy policy;
        uint64_t ready_ns;       /* of this start; 0: not ready */
        unsigned ready_limit_ms; /* SERVER_READY_MS */
        unsigned n_starts;
        bool was_ready; /* at least once */
};

/**
 * server_process_init() - make the server's sockets
 * @program: the executable, usually our own
 *
 * Return: 0; -ENOMEM; or with *ret_error (owned by the caller) set, a negative errno of the socket that failed.
 */
int server_process_init(struct server_process *s, struct loop *loop, const struct planned_server *plan,
                        const char *program, struct log_collector *log, const struct server_events *events, void *data,
                        char **ret_error);

/* Starts it; what comes of it is told by an event, a failure to execute it included. */
void server_process_start(struct server_process *s);

/* SIGTERM, and SIGKILL after SERVER_STOP_MS. Always followed by the event `stopped`, perhaps before this returns. */
void server_process_stop(struct server_process *s);

/* Kills what still runs and closes everything; the sockets' files are removed. Idempotent. */
void server_process_deinit(struct server_process *s);
