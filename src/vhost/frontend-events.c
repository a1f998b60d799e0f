/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What comes from the back end unasked: its requests on the channel that SET_BACKEND_REQ_FD opened, and the
 * end of the connection. On the main socket nothing may come between two calls, so whatever is there to read
 * is its end. A call that fails shuts the socket down, which is seen here as well. A broken channel is closed;
 * the device lives on without it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/frontend-internal.h"

/* Requests of one wake-up. */
#define MESSAGES_MAX 64

static void channel_close(struct frontend *f)
{
        watch_stop(&f->channel_watch);
        vhost_receiver_deinit(&f->channel_rx);
        closep(&f->channel_fd);
        f->channel_fd = -1;
        f->channel_tx.busy = false;
}

void frontend_unwatch(struct frontend *f)
{
        watch_stop(&f->watch);
        channel_close(f);
        f->events = NULL;
}

/* A reply that woke us may have been taken by a call of another thread meanwhile: then there is nothing to see. */
static void on_main(struct watch *w, uint32_t events)
{
        struct frontend *f = container_of(w, struct frontend, watch);
        char byte;

        if (f->error == 0) {
                ssize_t n = recv(f->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                f->error = n > 0 ? -EBADMSG : -ECONNRESET;
        }
        watch_stop(w);
        /* Last: the callback may free the front end. */
        f->events->disconnected(f, f->data);
}

/* Answers if asked; one that does not take its answer is broken. Return: 0 or a negative errno. */
static int answer(struct frontend *f, const struct vhost_message *m, uint64_t result)
{
        int r;

        if (!(m->header.flags & VHOST_FLAG_NEED_REPLY) || !frontend_has_protocol(f, VHOST_PROTOCOL_REPLY_ACK))
                return 0;
        vhost_sender_prepare(&f->channel_tx, m->header.request, VHOST_FLAG_REPLY, &result, sizeof(result), NULL, 0);
        r = vhost_send(f->channel_fd, &f->channel_tx);
        if (r == 0)
                return -EAGAIN;
        return r < 0 ? r : 0;
}

/* Return: 1 one request was handled, 0 there is none, negative: the channel is to be closed. */
static int channel_step(struct frontend *f, bool *ret_changed)
{
        const char *reason = "";
        struct vhost_message m;
        int r, refused;

        r = vhost_receive(f->channel_fd, &f->channel_rx, &m, &reason);
        if (r <= 0)
                return r;
        refused = vhost_check_request(VHOST_CHANNEL_BACKEND, &m, &reason);
        vhost_message_deinit(&m);
        if (refused == -EBADMSG)
                return refused;
        if (refused == 0)
                *ret_changed = true;
        r = answer(f, &m, refused < 0);
        return r < 0 ? r : 1;
}

static void on_channel(struct watch *w, uint32_t events)
{
        struct frontend *f = container_of(w, struct frontend, channel_watch);
        bool changed = false;
        int r = 1;

        for (int i = 0; r > 0 && i < MESSAGES_MAX; i++)
                r = channel_step(f, &changed);
        if (r < 0) {
                log_debug("vhost-user", "front end: back-end channel closed");
                channel_close(f);
        }
        /* Last: the callback may free the front end. */
        if (changed)
                f->events->config_changed(f, f->data);
}

/* Return: our end of a new back-end channel, or a negative errno. */
static int open_channel(struct frontend *f)
{
        auto_cleanup(closep) int ours = -1;
        auto_cleanup(closep) int theirs = -1;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        r = frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_BACKEND_REQ_FD,
                                                       .fds = &theirs, .n_fds = 1 });
        return r < 0 ? r : take_fd(&ours);
}

int frontend_watch(struct frontend *f, struct loop *loop, const struct frontend_events *events, void *data)
{
        int r;

        frontend_unwatch(f);
        if (frontend_has_protocol(f, VHOST_PROTOCOL_BACKEND_REQ)) {
                r = open_channel(f);
                if (r < 0)
                        return r;
                f->channel_fd = r;
                r = watch_start(&f->channel_watch, loop, f->channel_fd, EPOLLIN, on_channel);
                if (r < 0)
                        return r;
        }
        r = watch_start(&f->watch, loop, f->fd, EPOLLIN | EPOLLRDHUP, on_main);
        if (r < 0)
                return r;
        f->events = events;
        f->data = data;
        return 0;
}
