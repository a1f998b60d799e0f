/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/plan.h"

#define SOCKET_BACKLOG 16

/* What a guest may say while its console's server is busy or being replaced;
   the most that an ordinary user may ask for. */
#define FIFO_BYTES (1 << 20)

static const char *const fifo_ends[ENDPOINT_FDS_MAX] = { ".out", ".in" };

static int fifo_path(const struct planned_socket *socket, const char *end, char ret[PATH_MAX])
{
        return snprintf(ret, PATH_MAX, "%s%s", socket->path, end) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Opened for both directions, so that it never ends: whoever else has it open may come and go. */
static int open_fifo(const char *path)
{
        int fd;

        if (mkfifo(path, 0600) < 0)
                return -errno;
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        (void) fcntl(fd, F_SETPIPE_SZ, FIFO_BYTES);
        return fd;
}

static int open_fifos(const struct planned_socket *socket, int ret[ENDPOINT_FDS_MAX])
{
        auto_cleanup(closep) int first = -1;
        char path[PATH_MAX];

        for (int i = 0; i < ENDPOINT_FDS_MAX; i++) {
                int r = fifo_path(socket, fifo_ends[i], path);
                int fd = r < 0 ? r : open_fifo(path);

                if (fd < 0) {
                        if (fd != -EEXIST)
                                endpoint_unlink(socket);
                        return fd;
                }
                if (i == 0)
                        first = fd;
                else
                        ret[i] = fd;
        }
        ret[0] = take_fd(&first);
        return ENDPOINT_FDS_MAX;
}

int endpoint_open(const struct planned_socket *socket, int ret[ENDPOINT_FDS_MAX])
{
        int fd;

        if (socket->fifos)
                return open_fifos(socket, ret);
        fd = fd_unix_listen(socket->path, SOCKET_BACKLOG);
        if (fd < 0)
                return fd;
        ret[0] = fd;
        return 1;
}

void endpoint_unlink(const struct planned_socket *socket)
{
        char path[PATH_MAX];

        if (!socket->fifos) {
                (void) unlink(socket->path);
                return;
        }
        for (int i = 0; i < ENDPOINT_FDS_MAX; i++)
                if (fifo_path(socket, fifo_ends[i], path) == 0)
                        (void) unlink(path);
}
