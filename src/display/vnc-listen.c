/* SPDX-License-Identifier: MPL-2.0 */
#include "display/vnc-listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define BACKLOG 8

union address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *ret)
{
        char *end;
        unsigned long port;

        if (text[0] < '0' || text[0] > '9')
                return false;
        port = strtoul(text, &end, 10);
        if (*end || port > UINT16_MAX)
                return false;
        *ret = htons((uint16_t) port);
        return true;
}

/* Return: its size; 0: it is none. Names are not looked up. */
static socklen_t parse(const char *where, union address *ret)
{
        char host[INET6_ADDRSTRLEN + 1];
        const char *colon = strrchr(where, ':');
        bool v6 = where[0] == '[';
        size_t n;

        if (!colon || (v6 && (colon == where || colon[-1] != ']')))
                return 0;
        n = (size_t) (colon - where) - (v6 ? 2 : 0);
        if (n == 0 || n >= sizeof(host))
                return 0;
        memcpy(host, where + v6, n);
        host[n] = 0;
        memset(ret, 0, sizeof(*ret));
        ret->any.sa_family = v6 ? AF_INET6 : AF_INET;
        if (v6)
                return parse_port(colon + 1, &ret->v6.sin6_port) && inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1
                               ? sizeof(ret->v6) : 0;
        return parse_port(colon + 1, &ret->v4.sin_port) && inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1
                       ? sizeof(ret->v4) : 0;
}

int vnc_listen(const char *where, int *ret_fd)
{
        auto_cleanup(closep) int fd = -1;
        static const int on = 1;
        union address address;
        socklen_t size;

        if (where[0] == '/') {
                fd = fd_unix_listen(where, BACKLOG);
                if (fd < 0)
                        return fd;
                *ret_fd = take_fd(&fd);
                return 0;
        }
        size = parse(where, &address);
        if (size == 0)
                return -EINVAL;
        fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, &address.any, size) < 0 ||
            listen(fd, BACKLOG) < 0)
                return -errno;
        *ret_fd = take_fd(&fd);
        return 0;
}
