/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/output.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define PART_BYTES 512
#define DRAIN_PARTS_MAX 1024

static void end_line(struct output *o)
{
        o->text[o->n] = '\0';
        o->n = 0;
        o->line(o->text, o->data);
}

/* Return: false if there is nothing more to read now. */
static bool read_part(struct output *o)
{
        char buf[PART_BYTES];
        ssize_t n = o->fd < 0 ? -1 : read(o->fd, buf, sizeof(buf));

        if (o->fd < 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return false;
        for (ssize_t i = 0; i < n; i++) {
                if (buf[i] == '\n' || o->n == sizeof(o->text) - 1)
                        end_line(o);
                if (buf[i] != '\n' && buf[i] != '\r')
                        o->text[o->n++] = buf[i] ? buf[i] : '?';
        }
        if (n <= 0) {
                if (o->n > 0)
                        end_line(o);
                watch_stop(&o->watch);
                fd_close(&o->fd);
        }
        return n > 0;
}

static void on_readable(struct watch *w, uint32_t events) { (void) read_part(container_of(w, struct output, watch)); }

int output_open(struct output *o, struct loop *loop, void (*line)(const char *line, void *data), void *data,
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
        r = fd_set_nonblock(read_end, 1);
        if (r < 0)
                return r;
        *o = (struct output){ .fd = take_fd(&read_end), .line = line, .data = data };
        r = watch_start(&o->watch, loop, o->fd, EPOLLIN, on_readable);
        if (r < 0) {
                fd_close(&o->fd);
                return r;
        }
        *ret_write_fd = take_fd(&write_end);
        return 0;
}

void output_drain(struct output *o)
{
        for (int i = 0; i < DRAIN_PARTS_MAX && read_part(o); i++)
                ;
}

void output_close(struct output *o)
{
        watch_stop(&o->watch);
        fd_close(&o->fd);
}
