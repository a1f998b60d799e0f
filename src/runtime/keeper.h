/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the supervisors of machines and of systems have in common: a loop, a log that also takes their own stderr, and
 * ears for those who may end them: the starter (orders), the janitor, and signals.
 */
#pragma once

#include "base/loop.h"
#include "runtime/janitor.h"
#include "runtime/log-collector.h"
#include "runtime/report.h"

/* How long a guest has for powering down when nobody says otherwise. */
#define STOP_GRACE_MS 20000

struct keeper;

struct keeper_events {
        void (*order)(struct keeper *k, const json_t *message); /* of the starter */
        void (*terminate)(struct keeper *k);                    /* SIGTERM or SIGINT */
        void (*orphaned)(struct keeper *k, const char *why);    /* starter or janitor is gone */
};

struct keeper {
        struct loop *loop; /* owned */
        struct log_collector log;
        struct log_source stderr_source;
        const struct keeper_events *events;
        struct report_reader orders;
        struct watch orders_watch, janitor_watch, signal_watch;
        int orders_fd; /* borrowed; -1: none */
        int signal_fd; /* owned */
};

/* Return: 0 or a negative errno, then @k is to be closed all the same; its loop can be NULL. */
int keeper_open(struct keeper *k, const char *folder, const struct janitor_link *link, int orders_fd,
                const struct keeper_events *events);

/* Takes what is left in the log's pipes. The loop stays: the process ends next. */
void keeper_close(struct keeper *k);

/* "graceMs" of an order or a request, within reason. */
unsigned grace_of(const json_t *message);
