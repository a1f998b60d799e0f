/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control socket from inside: control.c has the callers, control-requests.c what they ask, dump.c the raw frames.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/acceptor.h"
#include "base/loop.h"
#include "display/control.h"

struct dump;
struct writer;

struct display_client {
        struct display_control *control; /* borrowed; NULL: this place is free */
        struct watch watch;
        struct timer deadline;
        int fd;       /* owned */
        int given_fd; /* owned: came with bytes of `in`; -1: none */
        char in[DISPLAY_CONTROL_REQUEST_MAX];
        size_t n_in;
        char *out;    /* owned: what could not be sent yet; NULL: nothing */
        size_t n_out;
        uint64_t idle_since_ns;
        struct screen *wanted; /* borrowed: of the screenshot that waits or is being written; NULL: none */
        bool is_watching;
        bool ends;    /* close once all is sent */
};

struct display_control {
        struct loop *loop; /* borrowed */
        uid_t uid;         /* the server's own */
        int fd;            /* owned: listens */
        struct acceptor acceptor;
        struct screen **screens; /* owned array of borrowed ones */
        size_t n_screens;
        struct display_client clients[DISPLAY_CONTROL_CLIENTS_MAX];
        void (*on_stats)(json_t *stats, void *data);
        void *on_stats_data;

        struct writer *writer;         /* owned: of screenshots */
        int writing_fd;                /* owned; -1: no screenshot is being written */
        struct display_client *writes_for; /* NULL: the caller has left */
        struct dump *dump;             /* owned */
        struct display_client *dumps_for; /* NULL: no dump */
};

/* Sends an object (the reference is taken). @c may be closed afterwards: its control is NULL then. */
void client_send(struct display_client *c, json_t *object_take);
void client_send_ok(struct display_client *c);
void client_send_error(struct display_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void client_close(struct display_client *c);

/* Handles what has come in as far as it may now be handled. */
void client_go_on(struct display_client *c);

/* Answers one request, or sets what it waits for. @c may be closed afterwards. */
void client_handle(struct display_client *c, const json_t *request);

/* What the requests of a caller that leaves have begun ends. */
void client_forget(struct display_client *c);

/* Done functions of the writers. */
void display_control_on_written(void *data, int result);
void display_control_on_dump_ended(void *data, int result);
