/* SPDX-License-Identifier: MPL-2.0 */
/*
 *      hypervisor ── output ──► stream_write()    at most a budget a wake-up; never waits
 *                 ◄── input ─── stream_read()     one buffer; while the hypervisor does not take it, none is read
 */
#include "device/console-pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/console.h"

#define PART_BYTES 16384
#define PARTS_BUDGET 16 /* of one wake-up */

struct console_pipe {
        struct loop *loop;     /* borrowed */
        struct stream *stream; /* borrowed: the device's */
        int output_fd, input_fd; /* owned */
        struct watch output_watch, input_watch; /* the second only while a buffer waits to be taken */
        char input[4096]; /* on its way to the hypervisor */
        size_t n_input, n_sent;
        console_pipe_closed_fn closed;
        void *data;
};

/* Sends what was read. Return: 1 all; 0 there is no room; a negative errno. */
static int flush_input(struct console_pipe *p)
{
        while (p->n_sent < p->n_input) {
                ssize_t r = write(p->input_fd, p->input + p->n_sent, p->n_input - p->n_sent);

                if (r >= 0)
                        p->n_sent += (size_t) r;
                else if (errno == EAGAIN)
                        return 0;
                else if (errno != EINTR)
                        return -errno;
        }
        p->n_input = p->n_sent = 0;
        return 1;
}

static void end(struct console_pipe *p, int reason)
{
        watch_stop(&p->output_watch);
        watch_stop(&p->input_watch);
        stream_want(p->stream, false);
        p->closed(p, reason, p->data);
}

static void on_room(struct watch *w, uint32_t events);

/* Moves input on until either side has no more. Return: 0 or a negative errno. */
static int pump_input(struct console_pipe *p)
{
        int r;

        while ((r = flush_input(p)) > 0) {
                p->n_input = stream_read(p->stream, p->input, sizeof(p->input));
                if (p->n_input == 0)
                        break;
        }
        if (r < 0)
                return r;
        stream_want(p->stream, r > 0);
        if (r > 0)
                watch_stop(&p->input_watch);
        else if (!p->input_watch.loop)
                return watch_start(&p->input_watch, p->loop, p->input_fd, EPOLLOUT, on_room);
        return 0;
}

static void on_readable(void *data)
{
        struct console_pipe *p = data;
        int r = pump_input(p);

        if (r < 0)
                end(p, r);
}

/* Return: 1 more may be there; 0 nothing now; -ECONNRESET at the end; another negative errno. */
static int pump_output(struct console_pipe *p, unsigned n_parts)
{
        char buf[PART_BYTES];

        for (unsigned i = 0; i < n_parts; i++) {
                ssize_t r = read(p->output_fd, buf, sizeof(buf));

                if (r > 0)
                        stream_write(p->stream, buf, (size_t) r);
                else if (r == 0)
                        return -ECONNRESET;
                else if (errno == EAGAIN)
                        return 0;
                else if (errno != EINTR)
                        return -errno;
        }
        return 1;
}

static void on_room(struct watch *w, uint32_t events)
{
        on_readable(container_of(w, struct console_pipe, input_watch));
}

static void on_output(struct watch *w, uint32_t events)
{
        struct console_pipe *p = container_of(w, struct console_pipe, output_watch);
        int r = pump_output(p, PARTS_BUDGET);

        if (r < 0)
                end(p, r == -ECONNRESET ? 0 : r);
}

int console_pipe_new(struct loop *loop, int output_fd, int input_fd, struct device *dev, console_pipe_closed_fn closed,
                     void *data, struct console_pipe **ret)
{
        auto_cleanup(closep) int owned_output = output_fd;
        auto_cleanup(closep) int owned_input = input_fd;
        struct stream_owner owner = { .readable = on_readable };
        auto_cleanup(freep) struct console_pipe *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        *p = (struct console_pipe) {
                .loop = loop, .stream = console_stream(dev, 0), .output_fd = output_fd, .input_fd = input_fd,
                .closed = closed, .data = data,
        };
        r = fd_set_nonblock(output_fd, 1);
        if (r == 0)
                r = fd_set_nonblock(input_fd, 1);
        if (r == 0)
                r = watch_start(&p->output_watch, loop, output_fd, EPOLLIN, on_output);
        if (r < 0)
                return r;
        (void) take_fd(&owned_output);
        (void) take_fd(&owned_input);
        owner.data = p;
        stream_set_owner(p->stream, &owner);
        stream_want(p->stream, true);
        *ret = take_ptr(&p);
        return 0;
}

struct console_pipe *console_pipe_free(struct console_pipe *p)
{
        if (!p)
                return NULL;
        /* The last words of a monitor that ended meanwhile; bounded, should it go on talking. */
        (void) pump_output(p, 64 * PARTS_BUDGET);
        watch_stop(&p->output_watch);
        watch_stop(&p->input_watch);
        stream_want(p->stream, false);
        stream_set_owner(p->stream, NULL);
        fd_close(&p->output_fd);
        fd_close(&p->input_fd);
        free(p);
        return NULL;
}
