/* SPDX-License-Identifier: MPL-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#define LOG_LINE_MAX 1024

static enum log_level current_level = LOG_LEVEL_INFO;

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

void log_linev(enum log_level level, const char *subject, const char *format, va_list ap)
{
        char line[LOG_LINE_MAX];
        int saved_errno = errno;
        size_t used;
        int n;

        if (level > current_level)
                return;

        n = snprintf(line, sizeof(line) - 1, "%s %s: ", level_names[level], subject ? subject : "busbar");
        used = MIN((size_t) MAX(n, 0), sizeof(line) - 2);
        n = vsnprintf(line + used, sizeof(line) - 1 - used, format, ap);
        used = MIN(used + (size_t) MAX(n, 0), sizeof(line) - 2);
        clean_text(line, used);
        line[used++] = '\n';

        if (write(STDERR_FILENO, line, used) < 0) {
                /* A log that cannot be written must not stop the one who logs. */
        }
        errno = saved_errno;
}

void log_line(enum log_level level, const char *subject, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_linev(level, subject, format, ap);
        va_end(ap);
}
