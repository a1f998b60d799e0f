/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor of one machine: one process with one loop that keeps the machine's own servers and its platform
 * going, answers its control socket, and writes its state and log.
 *
 *      sockets ─► servers, in parallel ─► all ready ─► platform brings up ─► created ─► start ─► running ─► ended
 *
 * A platform that waits for servers by itself is brought up while they start.
 *
 * It ends when the machine ended, when a server cannot be kept alive, on an order, or when its starter is gone.
 *
 * Requests on the control socket (control.h):
 *
 *      {"op": "state"}                        the state as state.json has it, but never behind (a disk can be full)
 *      {"op": "start"}                        answered when the guest runs
 *      {"op": "kill", "signal": "TERM"}       TERM, INT, QUIT, PWR ask the guest to power down; KILL ends it at once
 *      {"op": "stop", "graceMs": 20000}       asks, and ends it at once when the grace period is over; in any state
 *      {"op": "pause"}, {"op": "resume"}      answered when done
 *
 * Reports to the starter (report.h), each {"event": ..., "ms": since the beginning}: "servers-ready", "created",
 * "running", "paused", "server-restarted" with "server", "ended" with "how" and "text" (by the janitor).
 * Orders of the starter: "start"; "stop" with "graceMs"; "server" with "name", "pid" and "restarts", about a shared
 * server that is not the supervisor's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/janitor.h"
#include "runtime/keeper.h"
#include "runtime/plan.h"

#define CONTROL_SOCKET "control"

struct supervisor_options {
        const struct run_dir *dir; /* borrowed until supervisor_start() returns, like all that follows */
        struct planned_machine *machine; /* of the plan; the supervisor changes its own copy of both */
        struct plan *plan;               /* the servers whose machine is this one are its own */
        const char *program;     /* executable of the servers */
        const char *system;      /* NULL: none */
        enum janitor_mode mode;
        bool start_when_created;
        int report_fd;                       /* -1: none */
        int orders_fd;                       /* read end; -1: outlives its starter */
        uint64_t begin_ns;                   /* CLOCK_MONOTONIC: what times count from */
        const struct platform_ops *platform; /* NULL: the one that the machine names */
};

/**
 * supervisor_start() - fork the janitor and the supervisor of a machine
 *
 * Return: the janitor's process id (janitor_start()), or a negative errno.
 */
pid_t supervisor_start(const struct supervisor_options *options);
