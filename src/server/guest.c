/* SPDX-License-Identifier: MPL-2.0 */
#include "server/guest.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "server/server.h"
#include "server/settings.h"
#include "vhost/backend.h"
#include "virtio/device.h"

#define LISTEN_BACKLOG 4

/* Return: 1 if the stream socket listens, 0 if it is connected, -EINVAL if it is none of these. */
static int socket_listens(int fd)
{
        int domain = 0, type = 0, listens = 0;
        struct sockaddr_storage peer;
        socklen_t n = sizeof(int), n_peer = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || domain != AF_UNIX || type != SOCK_STREAM)
                return -EINVAL;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0)
                return -EINVAL;
        if (!listens && getpeername(fd, (struct sockaddr *) &peer, &n_peer) < 0)
                return -EINVAL;
        return listens;
}

static bool is_fifo(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int take_given(struct guest *g, int fd, char *error, size_t error_size)
{
        int listens = g->connection_ops && is_fifo(fd) ? 0 : socket_listens(fd);
        int r;

        if (listens < 0) {
                (void) snprintf(error, error_size, "fd=%d: expected a unix stream socket that listens or is connected",
                                fd);
                return listens;
        }
        *(listens ? &g->listen_fd : &g->given_fd) = fd;
        r = fd_set_cloexec(fd, 1);
        if (r == 0 && listens)
                r = fd_set_nonblock(fd, 1);
        if (r < 0)
                (void) snprintf(error, error_size, "fd=%d: %s", fd, strerror(-r));
        return r;
}

int guest_open_socket(struct guest *g, char *error, size_t error_size)
{
        g->listen_fd = g->given_fd = -1;
        if (settings_given(g->settings, "fd"))
                return take_given(g, (int) settings_number(g->settings, "fd"), error, error_size);

        g->socket_path = settings_string(g->settings, "socket-path");
        g->listen_fd = fd_unix_listen(g->socket_path, LISTEN_BACKLOG);
        if (g->listen_fd < 0) {
                (void) snprintf(error, error_size, "socket-path=%s: %s", g->socket_path, strerror(-g->listen_fd));
                return g->listen_fd;
        }
        g->bound = true;
        return 0;
}

static void disconnect(struct guest *g)
{
        g->backend = vhost_backend_free(g->backend);
        if (g->connection)
                g->connection_ops->close(g->connection);
        g->connection = NULL;
}

static void on_connection_closed(int reason, void *data)
{
        struct guest *g = data;

        disconnect(g);
        if (reason == 0 || reason == -ECONNRESET)
                log_info(g->id, "front end disconnected");
        else
                log_warning(g->id, "front end dropped: %s", strerror(-reason));
        if (g->listen_fd < 0) {
                g->finished = true;
                g->finished_fn(g);
        }
}

static void on_closed(struct vhost_backend *b, int reason, void *data)
{
        on_connection_closed(reason, data);
}

/* Takes fd. */
static int serve(struct guest *g, int fd)
{
        int r;

        if (g->connection_ops)
                r = g->connection_ops->open(g->loop, fd, g->settings, g->device, on_connection_closed, g,
                                            &g->connection);
        else
                r = vhost_backend_new(g->loop, fd, g->device, on_closed, g, &g->backend);
        if (r < 0)
                log_error(g->id, "connection cannot be served: %s", strerror(-r));
        else
                log_info(g->id, "front end connected");
        return r;
}

static void on_connection(struct acceptor *a, int fd)
{
        struct guest *g = container_of(a, struct guest, acceptor);

        if (fd < 0) {
                log_error(g->id, "accept: %s", strerror(-fd));
                return;
        }
        if (g->backend || g->connection) {
                device_log_guest(g->device, "a second connection was refused");
                (void) close(fd);
                return;
        }
        (void) serve(g, fd);
}

int guest_start(struct guest *g, guest_finished_fn finished, void *data)
{
        g->finished_fn = finished;
        g->data = data;
        if (g->given_fd >= 0)
                return serve(g, take_fd(&g->given_fd));
        return acceptor_start(&g->acceptor, g->loop, g->listen_fd, on_connection);
}

void guest_close(struct guest *g)
{
        acceptor_stop(&g->acceptor);
        if (g->bound && unlink(g->socket_path) < 0 && errno != ENOENT)
                log_warning(g->id, "%s is left behind: %s", g->socket_path, strerror(errno));
        g->bound = false;
        fd_close(&g->listen_fd);
        fd_close(&g->given_fd);
        disconnect(g);
        g->device = device_free(g->device);
}
