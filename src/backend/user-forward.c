/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/user-forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <stdlib.h>
#include <string.h>

static int parse_address(const char **at, uint32_t absent, uint32_t *ret)
{
        const char *end = strchr(*at, ':');
        char text[INET_ADDRSTRLEN];
        struct in_addr address;
        size_t n;

        if (!end)
                return -EINVAL;
        n = (size_t) (end - *at);
        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, *at, n);
        text[n] = '\0';
        *ret = absent;
        if (n > 0) {
                if (inet_pton(AF_INET, text, &address) != 1)
                        return -EINVAL;
                *ret = ntohl(address.s_addr);
        }
        *at = end + 1;
        return 0;
}

static int parse_port(const char **at, uint16_t *ret)
{
        uint32_t v = 0;

        if (**at < '0' || **at > '9')
                return -EINVAL;
        for (; **at >= '0' && **at <= '9'; (*at)++) {
                v = 10 * v + (uint32_t) (**at - '0');
                if (v > UINT16_MAX)
                        return -EINVAL;
        }
        *ret = (uint16_t) v;
        return v > 0 ? 0 : -EINVAL;
}

int user_forward_parse(const char *text, struct user_forward *ret)
{
        struct user_forward f = { 0 };
        const char *at = text + 4;

        if (strncmp(text, "udp:", 4) == 0)
                f.udp = true;
        else if (strncmp(text, "tcp:", 4) != 0)
                return -EINVAL;
        if (parse_address(&at, INADDR_LOOPBACK, &f.host_address) < 0 || parse_port(&at, &f.host_port) < 0)
                return -EINVAL;
        if (*at++ != '-')
                return -EINVAL;
        if (parse_address(&at, 0x0a00020f, &f.guest_address) < 0 || parse_port(&at, &f.guest_port) < 0)
                return -EINVAL;
        if (*at != '\0')
                return -EINVAL;
        *ret = f;
        return 0;
}

int user_forward_add(struct Slirp *slirp, const char *text)
{
        struct user_forward f;
        struct in_addr host, guest;
        int r;

        r = user_forward_parse(text, &f);
        if (r < 0)
                return r;
        host.s_addr = htonl(f.host_address);
        guest.s_addr = htonl(f.guest_address);
        errno = 0;
        if (slirp_add_hostfwd(slirp, f.udp, host, f.host_port, guest, f.guest_port) < 0)
                return errno > 0 ? -errno : -EADDRINUSE;
        return 0;
}
