/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The log of a machine or system: what its processes write to stderr, a line at a time, each with the time and the
 * name of its source. Kept in FOLDER/log; a full one becomes FOLDER/log.1, so at most twice LOG_FILE_MAX_BYTES stay.
 * A log that cannot be written (disk full) loses lines, counts them and says so once it can be written again; it
 * never stops a machine.
 *
 *      2026-11-21T23:14:05.123Z alpha.root: error blk: image.raw: No space left on device
 *
 * Sources can write what a guest made them write: lines are cut at LOG_LINE_MAX_BYTES, control characters replaced,
 * and a source's wake-up reads a bounded amount.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

#define LOG_FILE_MAX_BYTES (1U << 20)
#define LOG_LINE_MAX_BYTES 1000

struct log_collector {
        char *path, *old_path; /* owned */
        int fd;                /* owned */
        uint64_t size_bytes;
        uint64_t n_lost;
};

/* One process's stderr. Zero-initialised means closed. */
struct log_source {
        struct log_collector *log; /* borrowed */
        const char *name;          /* borrowed */
        struct watch watch;
        int fd; /* owned: the pipe's read end */
        char line[LOG_LINE_MAX_BYTES + 1];
        size_t used;
        char last[LOG_LINE_MAX_BYTES + 1]; /* the last whole line, for error messages */
};

/* Return: 0 or a negative errno; @log is usable (and silent) even then. */
int log_collector_open(struct log_collector *log, const char *folder);
void log_collector_close(struct log_collector *log);

/* Adds a line of @source's. */
void log_collector_line(struct log_collector *log, const char *source, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/**
 * log_source_open() - a pipe whose lines go to the log
 * @name: borrowed until closed
 * @ret_write_fd: for the process; owned by the caller
 *
 * Return: 0 or a negative errno.
 */
int log_source_open(struct log_source *s, struct loop *loop, struct log_collector *log, const char *name,
                    int *ret_write_fd);

/* Takes what is still in the pipe and closes. Idempotent. */
void log_source_close(struct log_source *s);
