/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One-way messages between processes of ours that a fork joined: a pipe with one JSON object a line. Two of them lie
 * between a supervisor and whoever started it:
 *
 *   reports   supervisor (and its janitor) → starter: {"event": "created", "ms": 130}; the end of the pipe means that
 *             both are gone
 *   orders    starter → supervisor: {"order": "stop", "graceMs": 20000}; the end of the pipe means that the starter is
 *             gone, and the supervisor ends what it looks after
 *
 * Sending never waits: a reader that is stopped loses messages, not the writer its time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define REPORT_MAX_BYTES 4096

struct report_reader {
        char buf[REPORT_MAX_BYTES];
        size_t used;
};

/* A pipe; the write end does not block. Return: 0 or a negative errno. */
int report_pipe(int *ret_read_fd, int *ret_write_fd);

/* Sends and forgets; takes the reference. A negative @fd is fine. */
void report_send(int fd, json_t *message_take);

/**
 * report_receive() - the next message
 *
 * Return: 1 with *ret a reference of the caller's; 0 at the end of the pipe; -EAGAIN if @fd does not block and nothing
 * is there; another negative errno. Lines that are no JSON object are skipped.
 */
int report_receive(struct report_reader *reader, int fd, json_t **ret);

/* True if report_receive() has a line without reading: the pipe is then not readable for it. */
bool report_waits(const struct report_reader *reader);

/* A string member, "" if there is none. */
const char *report_text(const json_t *message, const char *member);
