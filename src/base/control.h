/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A control socket: one JSON object a line, one answer a line, in order. What the requests are is the handler's.
 *
 *      → {"op": "pause"}                      ← {"ok": true}
 *      → {"op": "kill", "signal": "TERM"}     ← {"error": "not running"}
 *
 * A descriptor (SCM_RIGHTS) belongs to the request whose bytes it comes with: one at the most, closed with the answer
 * unless the handler has taken it.
 *
 * Who may call: the process's own user and root (SO_PEERCRED). What a caller can cost is bounded: CONTROL_CLIENTS_MAX
 * at a time, CONTROL_REQUEST_MAX bytes a request, CONTROL_EVENTS_MAX bytes of events that wait to be read, and a
 * deadline for a request to be complete and for an answer to be taken. When all places are taken, the caller that has
 * been idle longest loses its own, so idle callers cannot shut others out.
 *
 * Threads: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/acceptor.h"
#include "base/loop.h"

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_REQUEST_MAX 4096
#define CONTROL_EVENTS_MAX 65536
#define CONTROL_DEADLINE_MS 10000

struct control;

struct control_client {
        struct control *control; /* borrowed; NULL: this place is free */
        struct watch watch;
        struct timer deadline;
        int fd;       /* owned */
        int given_fd; /* owned: came with bytes of `in`; -1: none */
        char in[CONTROL_REQUEST_MAX];
        size_t n_in;
        char *out; /* owned: what could not be sent yet; NULL: nothing */
        size_t n_out;
        uint64_t idle_since_ns;
        bool is_called;   /* the handler runs */
        bool is_handling; /* the handler has its request and has not answered */
        bool ends;        /* close once all is sent */

        /* The handler's own; 0 and NULL at first. */
        unsigned waits_for; /* what the answer waits for, in the handler's numbers; 0 again once it is answered */
        unsigned stays_for; /* what keeps its place although it is idle, in the handler's bits */
        void *data;
};

struct control_ops {
        /*
         * Handles a request, an object. Either answers before it returns (control_answer(), control_fail()) or lets
         * one of these, or control_answer_waiting(), do so later.
         */
        void (*request)(struct control_client *c, const json_t *request);
        /* optional: a caller leaves; nothing may be sent to it any more */
        void (*left)(struct control_client *c);
};

struct control {
        struct loop *loop; /* borrowed; NULL: closed */
        const struct control_ops *ops;
        uid_t uid; /* the process's own */
        int fd;    /* owned: listening */
        struct acceptor acceptor;
        struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* Return: 0 or a negative errno. Removing the socket's file is the caller's. */
int control_open(struct control *control, struct loop *loop, const char *path, const struct control_ops *ops);

/* Idempotent; allowed where control_open() failed or a zeroed struct was never opened. */
void control_close(struct control *control);

/*
 * Answers with a JSON object (the reference is taken); NULL: {"ok": true}. The caller may be gone afterwards: its
 * control is NULL then. So it is after each of the functions below.
 */
void control_answer(struct control_client *c, json_t *answer_take);

/* Answers {"error": text}. */
void control_fail(struct control_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Answers all that wait for @what: {"ok": true}, or with @error {"error": error}. */
void control_answer_waiting(struct control *control, unsigned what, const char *error);

/* Sends an object that answers nothing (the reference is taken). A caller that does not read loses its place. */
void control_tell(struct control_client *c, json_t *event_take);

/* Ends a caller at once. */
void control_client_close(struct control_client *c);
