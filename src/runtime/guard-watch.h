/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the display server says of its guards, heard on its control socket for as long as it lives.
 *
 *      stopped ── guard_watch_start() ──► connected ── the server is gone ──► stopped
 *                        │  nobody listens yet      ▲
 *                        └────── 500 ms ────────────┘
 *
 * → {"watch": true}
 * ← {"event": "guard", "display": "cluster", "guard": "telltale", "violated": true, "timeNs": 123}     each time
 *
 * Guards are known from their first violation on. A server that is started again begins without any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/json-fields.h"
#include "base/loop.h"
#include "base/ratelimit.h"
#include "runtime/log-collector.h"

#define GUARD_WATCH_LINE_MAX 1024
#define GUARD_WATCH_MAX 256 /* guards that are remembered */

struct guard_state {
        char display[FIELDS_NAME_MAX + 1], name[FIELDS_NAME_MAX + 1];
        bool is_violated;
        uint64_t n_violations;
        uint64_t time_ns; /* CLOCK_MONOTONIC, of the last change */
};

struct guard_watch {
        struct loop *loop;            /* borrowed; NULL: never started */
        struct log_collector *log;    /* borrowed */
        const char *path;             /* borrowed: of the control socket */
        void (*changed)(const struct guard_state *g, void *data);
        void *data;
        int fd; /* owned; valid while the watch runs */
        struct watch watch;
        struct timer retry;
        struct ratelimit log_limit;
        char line[GUARD_WATCH_LINE_MAX];
        size_t used;
        struct guard_state *guards; /* owned */
        size_t n_guards;
};

/**
 * guard_watch_start() - listen to the server that serves @path from now on
 * @w:       zero-initialised, or started before: then the server is a new one
 * @changed: a guard is violated, or its rule holds again; @g is borrowed
 */
void guard_watch_start(struct guard_watch *w, struct loop *loop, struct log_collector *log, const char *path,
                       void (*changed)(const struct guard_state *g, void *data), void *data);

/* Idempotent; zero-initialised is fine. What was heard is forgotten. */
void guard_watch_stop(struct guard_watch *w);

/* An array of {"display", "guard", "violated", "violations"}; a new reference, NULL without memory. */
json_t *guard_watch_to_json(const struct guard_watch *w);
