/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/log-collector.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "runtime/run-dir.h"

/* A wake-up takes at most this much of one source, so that a noisy one cannot keep the loop. */
#define READ_BUDGET_BYTES 16384

static int open_log(struct log_collector *log)
{
        struct stat st;

        log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (log->fd < 0)
                return -errno;
        log->size_bytes = fstat(log->fd, &st) == 0 ? (uint64_t) st.st_size : 0;
        return 0;
}

int log_collector_open(struct log_collector *log, const char *folder)
{
        *log = (struct log_collector){ .fd = -1 };
        log->path = path_join(folder, "log");
        log->old_path = path_join(folder, "log.1");
        return log->path && log->old_path ? open_log(log) : -ENOMEM;
}

void log_collector_close(struct log_collector *log)
{
        if (log->path)
                fd_close(&log->fd);
        free(log->path);
        free(log->old_path);
        *log = (struct log_collector){ .fd = -1 };
}

static void rotate(struct log_collector *log)
{
        if (rename(log->path, log->old_path) < 0)
                return;
        fd_close(&log->fd);
        (void) open_log(log);
}

static size_t format_time(char *buf, size_t n)
{
        struct timespec now;
        struct tm tm;
        size_t used;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) gmtime_r(&now.tv_sec, &tm);
        used = strftime(buf, n, "%FT%T", &tm);
        return used + (size_t) snprintf(buf + used, n - used, ".%03ldZ", now.tv_nsec / 1000000);
}

static void write_line(struct log_collector *log, const char *source, const char *text, size_t n)
{
        char line[LOG_LINE_MAX_BYTES + 256];
        size_t used = format_time(line, 64);

        if (log->fd < 0) {
                log->n_lost++;
                return;
        }
        used += (size_t) snprintf(line + used, 128, " %.100s: ", source);
        n = MIN(n, (size_t) LOG_LINE_MAX_BYTES);
        memcpy(line + used, text, n);
        for (size_t i = used; i < used + n; i++)
                if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        used += n;
        line[used++] = '\n';

        if (log->size_bytes + used > LOG_FILE_MAX_BYTES)
                rotate(log);
        if (log->fd >= 0 && write(log->fd, line, used) == (ssize_t) used)
                log->size_bytes += used;
        else
                log->n_lost++;
}

void log_collector_line(struct log_collector *log, const char *source, const char *format, ...)
{
        char text[LOG_LINE_MAX_BYTES + 1];
        va_list ap;
        int n;

        if (log->n_lost > 0) {
                uint64_t n_lost = log->n_lost;

                log->n_lost = 0;
                n = snprintf(text, sizeof(text), "%" PRIu64 " lines of this log could not be written", n_lost);
                write_line(log, source, text, (size_t) n);
                if (log->n_lost > 0)
                        log->n_lost += n_lost - 1;
        }
        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n >= 0)
                write_line(log, source, text, MIN((size_t) n, sizeof(text) - 1));
}

static void end_line(struct log_source *s)
{
        if (s->used == 0)
                return;
        s->line[s->used] = '\0';
        memcpy(s->last, s->line, s->used + 1);
        log_collector_line(s->log, s->name, "%s", s->line);
        s->used = 0;
}

static void take_text(struct log_source *s, const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (text[i] == '\n')
                        end_line(s);
                else if (text[i] != '\r' && s->used < LOG_LINE_MAX_BYTES)
                        s->line[s->used++] = text[i] ? text[i] : '?';
        }
}

/* Return: false at the end of the pipe. */
static bool read_source(struct log_source *s, size_t budget)
{
        char buf[4096];

        while (budget > 0) {
                ssize_t k = read(s->fd, buf, MIN(sizeof(buf), budget));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return errno == EAGAIN;
                if (k == 0)
                        return false;
                take_text(s, buf, (size_t) k);
                budget -= (size_t) k;
        }
        return true;
}

static void on_source(struct watch *w, uint32_t events)
{
        struct log_source *s = container_of(w, struct log_source, watch);

        if (!read_source(s, READ_BUDGET_BYTES))
                watch_stop(&s->watch);
}

int log_source_open(struct log_source *s, struct loop *loop, struct log_collector *log, const char *name,
                    int *ret_write_fd)
{
        auto_cleanup(closep) int read_end = -1;
        auto_cleanup(closep) int write_end = -1;
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_end = ends[0];
        write_end = ends[1];
        /* Only our end: a process that writes faster than we read waits, and loses nothing. */
        if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        log_source_close(s);
        r = watch_start(&s->watch, loop, read_end, EPOLLIN, on_source);
        if (r < 0)
                return r;
        s->log = log;
        s->name = name;
        s->fd = take_fd(&read_end);
        s->last[0] = '\0';
        *ret_write_fd = take_fd(&write_end);
        return 0;
}

void log_source_close(struct log_source *s)
{
        if (!s->log)
                return;
        (void) read_source(s, 16 * READ_BUDGET_BYTES);
        end_line(s);
        watch_stop(&s->watch);
        fd_close(&s->fd);
        s->log = NULL;
}
