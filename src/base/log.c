/* SPDX-License-Identifier: MPL-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

#define LOG_LINE_MAX 1024

static enum log_level current_level = LOG_LEVEL_INFO;
static int file_fd = -1; /* owned */
static bool file_json;

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
        current_level = level;
}

enum log_level log_get_level(void)
{
        return current_level;
}

void log_set_file(int fd, bool json)
{
        if (file_fd >= 0)
                (void) close(file_fd);
        file_fd = fd;
        file_json = json;
}

int log_level_from_string(const char *s, enum log_level *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
                if (strcmp(s, level_names[i]) == 0) {
                        *ret = (enum log_level) i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* Control characters could be a guest's or a file's: they must not reach a terminal. */
static void clean_text(char *s, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
                        s[i] = '?';
}

static void write_line(int fd, const char *line, size_t n)
{
        if (write(fd, line, n) < 0) {
                /* A log that cannot be written must not stop the one who logs. */
        }
}

static void write_json(enum log_level level, const char *text, size_t n)
{
        char line[2 * LOG_LINE_MAX + 128], now[32] = "";
        struct timespec ts;
        struct tm tm;
        size_t used;

        if (clock_gettime(CLOCK_REALTIME, &ts) == 0 && gmtime_r(&ts.tv_sec, &tm))
                (void) strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
        used = (size_t) snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"", level_names[level]);
        for (size_t i = 0; i < n; i++) {
                if (text[i] == '"' || text[i] == '\\')
                        line[used++] = '\\';
                line[used++] = text[i];
        }
        used += (size_t) snprintf(line + used, sizeof(line) - used, "\",\"time\":\"%s\"}\n", now);
        write_line(file_fd, line, used);
}

void log_linev(enum log_level level, const char *subject, const char *format, va_list ap)
{
        char line[LOG_LINE_MAX];
        int saved_errno = errno;
        size_t used, start;
        int n;

        if (level > current_level)
                return;

        start = (size_t) snprintf(line, sizeof(line), "%s ", level_names[level]);
        n = snprintf(line + start, sizeof(line) - 1 - start, "%s: ", subject ? subject : "busbar");
        used = MIN(start + (size_t) MAX(n, 0), sizeof(line) - 2);
        n = vsnprintf(line + used, sizeof(line) - 1 - used, format, ap);
        used = MIN(used + (size_t) MAX(n, 0), sizeof(line) - 2);
        clean_text(line, used);
        line[used] = '\n';

        if (file_fd >= 0 && file_json)
                write_json(level, line + start, used - start);
        else if (file_fd >= 0)
                write_line(file_fd, line, used + 1);
        if (file_fd < 0 || level == LOG_LEVEL_ERROR)
                write_line(STDERR_FILENO, line, used + 1);
        errno = saved_errno;
}

void log_line(enum log_level level, const char *subject, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_linev(level, subject, format, ap);
        va_end(ap);
}
