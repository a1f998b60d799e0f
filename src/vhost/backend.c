/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One connection as a state machine on the loop: it reads messages until there is none, a reply does not fit
 * the socket (then it waits for room and reads nothing meanwhile), or its share of this wake-up is spent.
 *
 * A request that breaks the framing ends the connection. A sound one that cannot be obeyed is answered with
 * an error where the front end asked for an answer; where it did not, it would go on in the belief that it
 * was obeyed, so the connection ends too.
 */
#include "vhost/backend.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

/* Messages of one wake-up, so that a busy front end does not hold up the loop's others. */
#define MESSAGES_MAX 64

int backend_refuse(struct vhost_backend *b, int error, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(b->reason, sizeof(b->reason), format, ap);
        va_end(ap);
        return error;
}

int backend_reply(struct vhost_backend *b, const struct vhost_message *m, const void *payload, size_t n, int fd)
{
        assert(b->reply_fd < 0);
        b->reply_fd = fd;
        vhost_sender_prepare(&b->tx, m->header.request, VHOST_FLAG_REPLY, payload, n, &b->reply_fd, fd >= 0 ? 1 : 0);
        return BACKEND_REPLIED;
}

/* Ends the connection: nothing of the guest is touched any more. Then tells the owner, who may free. */
static void disconnect(struct vhost_backend *b, int reason)
{
        watch_stop(&b->watch);
        fd_close(&b->fd);
        fd_close(&b->gpu_fd);
        backend_channel_close(b);
        backend_reset(b);
        b->closed(b, reason, b->data);
}

static void disconnect_broken(struct vhost_backend *b, int reason, uint32_t request, const char *text)
{
        log_warning(b->device->name, "vhost-user connection ended: %s: %s",
                    vhost_request_name(VHOST_CHANNEL_MAIN, request), text);
        disconnect(b, reason);
}

/* Return: 1 sent, 0 the socket is full, or an error. */
static int flush_reply(struct vhost_backend *b)
{
        int r;

        if (!b->tx.busy)
                return 1;
        r = vhost_send(b->fd, &b->tx);
        if (r != 0)
                fd_close(&b->reply_fd);
        if (r >= 0)
                (void) watch_set_events(&b->watch, r == 0 ? EPOLLOUT : EPOLLIN);
        return r;
}

/* Answers a request that has been handled with result r. Return: 0, or the error that ends the connection. */
static int acknowledge(struct vhost_backend *b, const struct vhost_message *m, int r)
{
        bool asked = (m->header.flags & VHOST_FLAG_NEED_REPLY) && backend_has_protocol(b, VHOST_PROTOCOL_REPLY_ACK);
        uint64_t result = r == 0 ? 0 : 1;

        if (r == BACKEND_REPLIED)
                return 0;
        if (vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request) || !asked)
                return r == BACKEND_FAILED ? 0 : r;
        if (r < 0)
                device_log_guest(b->device, "vhost-user request refused: %s: %s",
                                 vhost_request_name(VHOST_CHANNEL_MAIN, m->header.request), b->reason);
        (void) backend_reply(b, m, &result, sizeof(result), -1);
        return 0;
}

/* Return: 0, or the error that ends the connection, its reason in b->reason. */
static int handle_message(struct vhost_backend *b, struct vhost_message *m)
{
        const char *text = "";
        int r;

        b->reason[0] = '\0';
        r = vhost_check_request(VHOST_CHANNEL_MAIN, m, &text);
        if (r < 0)
                (void) backend_refuse(b, r, "%s (%u)", text, m->header.request);
        if (r == -EBADMSG)
                return r;
        if (r == 0)
                r = backend_handle(b, m);
        if (r < 0 && b->reason[0] == '\0')
                (void) backend_refuse(b, r, "%s", strerror(-r));
        return acknowledge(b, m, r);
}

/* Return: 1 go on, 0 wait, negative: disconnected, b may be gone. */
static int step(struct vhost_backend *b)
{
        const char *text = "";
        struct vhost_message m;
        uint32_t request;
        int r;

        r = vhost_receive(b->fd, &b->rx, &m, &text);
        if (r == 0)
                return 0;
        if (r == -ENODATA || r == -ECONNRESET) {
                log_debug(b->device->name, "vhost-user connection closed by the front end");
                disconnect(b, 0);
                return -ENODATA;
        }
        if (r < 0) {
                disconnect_broken(b, r, b->rx.message.header.request, r == -EBADMSG ? text : strerror(-r));
                return r;
        }

        request = m.header.request;
        r = handle_message(b, &m);
        vhost_message_deinit(&m);
        if (r < 0) {
                disconnect_broken(b, r, request, b->reason);
                return r;
        }
        r = flush_reply(b);
        if (r < 0)
                disconnect_broken(b, r, request, strerror(-r));
        return r;
}

static void on_socket(struct watch *w, uint32_t events)
{
        struct vhost_backend *b = container_of(w, struct vhost_backend, watch);
        int r;

        r = flush_reply(b);
        if (r < 0)
                disconnect_broken(b, r, b->tx.header.request, strerror(-r));
        for (int i = 0; r > 0 && i < MESSAGES_MAX; i++)
                r = step(b);
}

int vhost_backend_new(struct loop *loop, int fd, struct device *dev, vhost_backend_closed_fn closed, void *data,
                      struct vhost_backend **ret)
{
        uint16_t n_rings = (uint16_t) MIN(dev->n_queues, VHOST_RINGS_MAX);
        struct vhost_backend *b;
        int r;

        b = calloc(1, sizeof(*b) + n_rings * sizeof(b->rings[0]));
        if (!b) {
                closep(&fd);
                return -ENOMEM;
        }
        b->loop = loop;
        b->device = dev;
        b->closed = closed;
        b->data = data;
        b->fd = fd;
        b->reply_fd = b->log_fd = b->channel.fd = b->gpu_fd = b->said_fd = -1;
        b->n_rings = n_rings;
        backend_rings_init(b);

        r = space_new(&b->space);
        if (r == 0)
                r = backend_events_init(b);
        if (r == 0)
                r = watch_start(&b->watch, loop, fd, EPOLLIN, on_socket);
        if (r < 0) {
                vhost_backend_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

struct vhost_backend *vhost_backend_free(struct vhost_backend *b)
{
        if (!b)
                return NULL;

        watch_stop(&b->watch);
        fd_close(&b->fd);
        fd_close(&b->gpu_fd);
        backend_channel_close(b);
        if (b->space)
                backend_reset(b);
        backend_events_deinit(b);
        backend_rings_deinit(b);
        backend_inflight_deinit(b);
        vhost_receiver_deinit(&b->rx);
        fd_close(&b->reply_fd);
        fd_close(&b->log_fd);
        space_free(b->space);
        free(b);
        return NULL;
}
