/* SPDX-License-Identifier: MPL-2.0 */
#include "server/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define READY_LINE "READY=1\n"
#define STOPPING_LINE "STOPPING=1\n"

/* A path, or an abstract name that begins with '@'. Return: an fd, -1 if the variable is not set, a negative errno. */
static int connect_service_manager(void)
{
        auto_cleanup(closep) int fd = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *name = getenv("NOTIFY_SOCKET");
        size_t n = name ? strlen(name) : 0;

        if (n == 0)
                return -1;
        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, name, n);
        if (name[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n)) < 0)
                return -errno;
        return take_fd(&fd);
}

int notify_open(struct notify *n, int ready_fd)
{
        int r;

        *n = (struct notify) { .socket_fd = -1, .ready_fd = ready_fd };
        if (ready_fd >= 0) {
                r = fd_set_cloexec(ready_fd, 1);
                if (r < 0)
                        return r;
        }
        r = connect_service_manager();
        if (r < -1)
                return r;
        n->socket_fd = r;
        return 0;
}

void notify_close(struct notify *n)
{
        fd_close(&n->socket_fd);
        fd_close(&n->ready_fd);
}

/* Nobody may listen any more; that is no reason not to serve. */
static void tell(int fd, const char *line)
{
        if (fd >= 0)
                (void) fd_write_full(fd, line, strlen(line));
}

void notify_ready(struct notify *n)
{
        tell(n->socket_fd, READY_LINE);
        tell(n->ready_fd, READY_LINE);
        fd_close(&n->ready_fd);
}

void notify_stopping(struct notify *n) { tell(n->socket_fd, STOPPING_LINE); }
