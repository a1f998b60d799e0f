/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

int report_pipe(int *ret_read_fd, int *ret_write_fd)
{
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        r = fd_set_nonblock(ends[1], 1);
        if (r < 0) {
                (void) close(ends[0]);
                (void) close(ends[1]);
                return r;
        }
        *ret_read_fd = ends[0];
        *ret_write_fd = ends[1];
        return 0;
}

void report_send(int fd, json_t *message_take)
{
        char line[REPORT_MAX_BYTES];
        size_t n = message_take ? json_dumpb(message_take, line, sizeof(line) - 1, JSON_COMPACT) : 0;

        json_decref(message_take);
        if (fd < 0 || n == 0 || n >= sizeof(line))
                return;
        line[n++] = '\n';
        /* At most PIPE_BUF bytes: whole or not at all. */
        if (write(fd, line, n) < 0)
                return;
}

static bool take_line(struct report_reader *reader, json_t **ret)
{
        char *end = memchr(reader->buf, '\n', reader->used);
        json_t *message;
        size_t n;

        if (!end)
                return false;
        n = (size_t) (end - reader->buf);
        message = json_loadb(reader->buf, n, 0, NULL);
        reader->used -= n + 1;
        memmove(reader->buf, end + 1, reader->used);
        if (!json_is_object(message)) {
                json_decref(message);
                return take_line(reader, ret);
        }
        *ret = message;
        return true;
}

int report_receive(struct report_reader *reader, int fd, json_t **ret)
{
        while (!take_line(reader, ret)) {
                ssize_t k;

                if (reader->used == sizeof(reader->buf))
                        reader->used = 0;
                k = read(fd, reader->buf + reader->used, sizeof(reader->buf) - reader->used);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : 0;
                reader->used += (size_t) k;
        }
        return 1;
}

bool report_waits(const struct report_reader *reader)
{
        return memchr(reader->buf, '\n', reader->used) != NULL;
}

const char *report_text(const json_t *message, const char *member)
{
        return json_string_value(json_object_get(message, member)) ?: "";
}
