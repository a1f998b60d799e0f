/* SPDX-License-Identifier: MPL-2.0 */
/* What a monitor process writes to a pipe, as lines. Any text: a guest may have had a hand in it. */
#pragma once

#include <stddef.h>

#include "base/loop.h"

#define OUTPUT_LINE_MAX 512

struct output {
        int fd; /* owned: read end; -1: closed */
        struct watch watch;
        void (*line)(const char *line, void *data);
        void *data;
        char text[OUTPUT_LINE_MAX];
        size_t n;
};

#define OUTPUT_NONE ((struct output){ .fd = -1 })

/**
 * output_open() - a pipe whose lines, cut at OUTPUT_LINE_MAX - 1 bytes, are handed on
 * @ret_write_fd: for the process; owned by the caller
 *
 * Return: 0 or a negative errno.
 */
int output_open(struct output *o, struct loop *loop, void (*line)(const char *line, void *data), void *data,
                int *ret_write_fd);

/* Takes what is there by now, a bounded amount of it. */
void output_drain(struct output *o);
void output_close(struct output *o);
