/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What `run` and `up` do while what they started lives: they wait for its reports, for signals that ask for its end
 * and, where a console is joined, for what passes on it.
 *
 *      SIGINT, SIGTERM, SIGHUP, or the console's escape:  first time ─► "stop", with time for guests to power down
 *                                                         again      ─► "stop", at once
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct report_reader;
struct terminal;

struct foreground {
        const char *subject;           /* borrowed, as all: in what is logged */
        struct report_reader *reports;
        int report_fd, orders_fd;
        int signal_fd;                 /* -1: signals do what they do otherwise */
        struct terminal *terminal;     /* NULL: no console is joined */
        bool (*report)(void *data, const json_t *report); /* false: there is nothing more to wait for */
        void *data;
        unsigned n_stops;              /* how often the end was asked for */
};

/* From now on the signals that ask for an end are read here. Return: an fd owned by the caller, or -1. */
int foreground_open_signals(void);

/* Waits until report() says so, or the reports end. */
void foreground_watch(struct foreground *f);
