/* SPDX-License-Identifier: MPL-2.0 */
/* The names of those who write to the log of a machine or a system: servers, supervisor, platform ... */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct machine_state;

#define LOG_SOURCES_MAX 256

/* Zero-initialised means empty. */
struct log_sources {
        char *names[LOG_SOURCES_MAX]; /* owned, sorted by log_sources_text() only */
        size_t n;
};

void log_sources_deinit(struct log_sources *s);

/* The name in a line of a log, "TIME NAME: text". Return: NULL if there is none; it is not terminated. */
const char *log_line_source(const char *line, size_t n, size_t *ret_n);

/* Whether NAME is what a user means by @wanted: the name, or what follows the machine's @id in it. */
bool log_source_is(const char *name, size_t n_name, const char *id, const char *wanted);

/* Adds those that wrote to this file; one that cannot be read adds none. */
void log_sources_add_file(struct log_sources *s, const char *path);

/* Adds a machine's servers: its own, or those that are its system's. */
void log_sources_add_machine(struct log_sources *s, const struct machine_state *state, bool own);

bool log_sources_have(const struct log_sources *s, const char *id, const char *wanted);

/* "alpha.root, supervisor"; owned by the caller, NULL without memory. */
char *log_sources_text(struct log_sources *s);
