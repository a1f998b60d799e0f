/* SPDX-License-Identifier: MPL-2.0 */
#include "base/acceptor.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/macros.h"

#define PAUSE_NS (100 * NSEC_PER_MSEC)

static void on_connection(struct watch *w, uint32_t events);

static void on_pause_over(struct timer *t)
{
        struct acceptor *a = container_of(t, struct acceptor, pause);

        if (watch_start(&a->watch, a->loop, a->fd, EPOLLIN, on_connection) < 0)
                timer_start(&a->pause, a->loop, clock_now_ns() + PAUSE_NS, on_pause_over);
}

static void on_connection(struct watch *w, uint32_t events)
{
        struct acceptor *a = container_of(w, struct acceptor, watch);
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
                fd = -errno;
                if (fd == -EAGAIN || fd == -ECONNABORTED || fd == -EINTR)
                        return;
                watch_stop(&a->watch);
                timer_start(&a->pause, a->loop, clock_now_ns() + PAUSE_NS, on_pause_over);
        }
        a->fn(a, fd);
}

int acceptor_start(struct acceptor *a, struct loop *loop, int fd, acceptor_fn fn)
{
        int r = fd_set_nonblock(fd, 1);

        *a = (struct acceptor) { .fd = fd, .fn = fn };
        if (r == 0)
                r = watch_start(&a->watch, loop, fd, EPOLLIN, on_connection);
        if (r == 0)
                a->loop = loop;
        return r;
}

void acceptor_stop(struct acceptor *a)
{
        watch_stop(&a->watch);
        timer_stop(&a->pause);
        a->loop = NULL;
}
