/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Log lines on stderr: `LEVEL subject: text`, one write(2) a line, so that lines of several processes
 * that share a pipe do not mix. Libraries log at debug only; the border (CLI, event dispatch, server)
 * logs once, with the device's or machine's name as subject. What a guest can trigger is limited by a
 * struct ratelimit (ratelimit.h). The level and the log file are the only mutable globals of the program;
 * both are set before threads start.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/**
 * log_set_file() - send lines to a file besides
 * @fd: taken; kept open until the end of the process
 * @json: each line is an object {"level", "msg", "time"}, as container engines expect of a runtime's log
 *
 * Errors go to stderr as well, other lines no longer.
 */
void log_set_file(int fd, bool json);

/**
 * log_level_from_string() - parse "error", "warning", "info" or "debug"
 *
 * Return: 0 and *ret set, or -EINVAL.
 */
int log_level_from_string(const char *s, enum log_level *ret);

void log_line(enum log_level level, const char *subject, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void log_linev(enum log_level level, const char *subject, const char *format, va_list ap)
        __attribute__((format(printf, 3, 0)));

#define log_error(subject, ...) log_line(LOG_LEVEL_ERROR, (subject), __VA_ARGS__)
#define log_warning(subject, ...) log_line(LOG_LEVEL_WARNING, (subject), __VA_ARGS__)
#define log_info(subject, ...) log_line(LOG_LEVEL_INFO, (subject), __VA_ARGS__)
#define log_debug(subject, ...)                                          \
        do {                                                             \
                if (log_get_level() >= LOG_LEVEL_DEBUG)                  \
                        log_line(LOG_LEVEL_DEBUG, (subject), __VA_ARGS__); \
        } while (0)
