/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor of a system: the starter of its machines' supervisors, and the keeper of the servers that several
 * machines share.
 *
 *      `up` ──► janitor ──► system supervisor ──► switch ...                  shared servers
 *                                  │  orders ▲ reports
 *                                  └──► janitor ──► supervisor ──► ...        one pair a machine
 *
 * Shared servers come first. A machine is started when those that it depends on run; what its restart policy wants is
 * started again. The system ends when all machines have ended and none is to be started again, on an order, or when its
 * starter is gone; its janitor then removes all folders, those of the machines included. Should the system supervisor
 * be killed, the pipes of orders close, so the machines' supervisors end their machines, and the janitor waits for
 * them.
 *
 * Control socket ROOT/@NAME/control: {"op": "state"} and {"op": "down", "graceMs": 20000}.
 * Orders of the starter: "stop" with "graceMs". Reports to it, each with "ms" since the beginning:
 *
 *      {"event": "machine", "id": "alpha", "what": "running"}     also "servers-ready", "created", "paused",
 *                                                                 "server-restarted" with "server"
 *      {"event": "guard", "display": "cluster", "guard": "telltale", "violated": true}
 *      {"event": "machine", "id": "alpha", "what": "ended", "how": "powered-off", "text": "", "again": false}
 *      {"event": "up"}                                            every machine runs, or has run
 *      {"event": "ended", "how": ..., "text": ...}                by the janitor: nothing is left
 */
#pragma once

#include <stdint.h>

#include "runtime/janitor.h"
#include "runtime/plan.h"

struct system_supervisor_options {
        const char *name;
        const struct run_dir *dir; /* ROOT/@NAME; borrowed until system_supervisor_start() returns, as all is */
        const struct run_dir *machine_dirs; /* one for each machine of the plan */
        struct plan *plan;
        const char *program; /* executable of the servers */
        int report_fd;       /* -1: none */
        int orders_fd;       /* -1: outlives its starter */
        uint64_t begin_ns;
        const struct platform_ops *platform; /* NULL: the one that each machine names */
};

/**
 * system_supervisor_start() - fork the janitor and the supervisor of a system
 *
 * Return: the janitor's process id (janitor_start()), or a negative errno.
 */
pid_t system_supervisor_start(const struct system_supervisor_options *options);
