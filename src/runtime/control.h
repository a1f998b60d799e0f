/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control socket of a supervisor: one JSON object a line, one answer a line, in order.
 *
 *      → {"op": "pause"}                      ← {"ok": true}
 *      → {"op": "kill", "signal": "TERM"}     ← {"error": "not running"}
 *
 * Who may call: the supervisor's own user and root (SO_PEERCRED); the folder's mode keeps others away already. What a
 * caller can cost is bounded: CONTROL_CLIENTS_MAX at a time, CONTROL_REQUEST_MAX bytes a request, and a deadline for a
 * request to be complete and for an answer to be taken. When all places are taken, the caller that has been idle
 * longest loses its own, so idle callers cannot shut others out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/acceptor.h"
#include "base/loop.h"

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_REQUEST_MAX 4096
#define CONTROL_DEADLINE_MS 10000

struct control;

struct control_client {
        struct control *control; /* borrowed; NULL: this place is free */
        struct watch watch;
        struct timer deadline;
        int fd; /* owned */
        char in[CONTROL_REQUEST_MAX + 1];
        size_t n_in;
        char *out; /* owned: the answer that is being sent; NULL: none */
        size_t n_out, n_sent;
        unsigned waits_for; /* what the answer waits for, in the handler's own numbers; 0: nothing */
        uint64_t idle_since_ns;
        bool is_handling; /* the handler has its request and has not answered */
        bool ends;        /* close once the answer is sent */
};

/**
 * control_fn - handles a request
 *
 * Either answers before it returns (control_answer(), control_fail()) or sets @c->waits_for and lets
 * control_answer_waiting() do so later. @request is an object with a string "op".
 */
typedef void (*control_fn)(struct control_client *c, const char *op, const json_t *request);

struct control {
        struct loop *loop; /* borrowed */
        int fd;            /* owned: listening */
        struct acceptor acceptor;
        control_fn fn;
        struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* Return: 0 or a negative errno. Removing the socket's file is the caller's (run_dir_strip()). */
int control_open(struct control *control, struct loop *loop, const char *path, control_fn fn);
void control_close(struct control *control);

/* Answers with a JSON object (the reference is taken); NULL: {"ok": true}. */
void control_answer(struct control_client *c, json_t *answer_take);

/* Answers {"error": text}. */
void control_fail(struct control_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Answers all that wait for @what: {"ok": true}, or with @error {"error": error}. */
void control_answer_waiting(struct control *control, unsigned what, const char *error);
