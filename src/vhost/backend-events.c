/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The device speaks on any thread: what it says is noted in atomics and an eventfd wakes the connection's
 * loop. Nothing queues up: a config change that was not yet told covers all that follow, so a front end that
 * never reads costs one message, and never blocks anybody.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

static void channel_flush(struct vhost_backend *b)
{
        struct backend_channel *channel = &b->channel;
        int r = 1;

        while (r > 0 && (channel->tx.busy || channel->config_changed)) {
                if (!channel->tx.busy) {
                        channel->config_changed = false;
                        vhost_sender_prepare(&channel->tx, VHOST_BACKEND_REQUEST_CONFIG_CHANGE, 0, NULL, 0, NULL, 0);
                }
                r = vhost_send(channel->fd, &channel->tx);
        }
        if (r < 0) {
                log_debug(b->device->name, "vhost-user back-end channel lost");
                backend_channel_close(b);
        } else {
                (void) watch_set_events(&channel->watch, r == 0 ? EPOLLOUT : 0);
        }
}

/* No reply is ever asked for, so nothing is read; what a front end writes all the same stays in the socket. */
static void on_channel(struct watch *w, uint32_t events)
{
        struct vhost_backend *b = container_of(w, struct vhost_backend, channel.watch);

        if (events & (EPOLLHUP | EPOLLERR))
                backend_channel_close(b);
        else
                channel_flush(b);
}

void backend_channel_close(struct vhost_backend *b)
{
        watch_stop(&b->channel.watch);
        fd_close(&b->channel.fd);
        b->channel.tx.busy = b->channel.config_changed = false;
}

int backend_set_channel(struct vhost_backend *b, struct vhost_message *m)
{
        socklen_t n = sizeof(int);
        int type, r;

        if (getsockopt(m->fds[0], SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
                return backend_refuse(b, -EINVAL, "not a stream socket");
        backend_channel_close(b);
        r = watch_start(&b->channel.watch, b->loop, m->fds[0], 0, on_channel);
        if (r < 0)
                return r;
        b->channel.fd = take_fd(&m->fds[0]);
        return 0;
}

static void tell_config_changed(struct vhost_backend *b)
{
        if (b->channel.fd < 0 || !backend_has_protocol(b, VHOST_PROTOCOL_CONFIG))
                return;
        b->channel.config_changed = true;
        channel_flush(b);
}

void backend_needs_reset(struct vhost_backend *b, struct backend_ring *ring)
{
        b->status |= VIRTIO_STATUS_NEEDS_RESET;
        if (ring && ring->err_fd >= 0)
                fd_event_signal(ring->err_fd);
        /* VIRTIO 1.4, 2.1.2: a device that needs reset sends a configuration change notification. */
        tell_config_changed(b);
}

static void on_said(struct watch *w, uint32_t events)
{
        struct vhost_backend *b = container_of(w, struct vhost_backend, said_watch);

        (void) fd_event_take(b->said_fd);
        for (uint16_t i = 0; i < b->n_rings; i += 64) {
                uint64_t broken = atomic_exchange(&b->said_broken[i / 64], 0);

                for (; broken; broken &= broken - 1)
                        backend_needs_reset(b, &b->rings[i + __builtin_ctzll(broken)]);
        }
        if (atomic_exchange(&b->said_needs_reset, false))
                backend_needs_reset(b, NULL);
        if (atomic_exchange(&b->said_config_changed, false))
                tell_config_changed(b);
}

static void config_changed(struct device *dev, void *data)
{
        struct vhost_backend *b = data;

        atomic_store(&b->said_config_changed, true);
        fd_event_signal(b->said_fd);
}

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        struct vhost_backend *b = data;

        if (q && q->index < b->n_rings)
                atomic_fetch_or(&b->said_broken[q->index / 64], UINT64_C(1) << (q->index % 64));
        else
                atomic_store(&b->said_needs_reset, true);
        fd_event_signal(b->said_fd);
}

static const struct transport_ops backend_transport = {
        .config_changed = config_changed,
        .needs_reset = needs_reset,
};

int backend_events_init(struct vhost_backend *b)
{
        int r;

        r = fd_event();
        if (r < 0)
                return r;
        b->said_fd = r;
        r = watch_start(&b->said_watch, b->loop, b->said_fd, EPOLLIN, on_said);
        if (r < 0)
                return r;
        b->device->transport_data = b;
        b->device->transport = &backend_transport;
        return 0;
}

void backend_events_deinit(struct vhost_backend *b)
{
        if (b->device->transport_data == b) {
                b->device->transport = NULL;
                b->device->transport_data = NULL;
        }
        watch_stop(&b->said_watch);
        fd_close(&b->said_fd);
}

void backend_events_clear(struct vhost_backend *b)
{
        for (size_t i = 0; i < ARRAY_SIZE(b->said_broken); i++)
                atomic_store(&b->said_broken[i], 0);
        atomic_store(&b->said_needs_reset, false);
}
