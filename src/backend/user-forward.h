/* SPDX-License-Identifier: MPL-2.0 */
/* Ports of the host that lead to a guest of the user-mode network. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct Slirp;

struct user_forward {
        bool udp;
        uint32_t host_address, guest_address; /* IPv4, host byte order */
        uint16_t host_port, guest_port;
};

/**
 * user_forward_parse() - read "tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT"
 *
 * Without addresses: 127.0.0.1 and 10.0.2.15.
 *
 * Return: 0 or -EINVAL.
 */
int user_forward_parse(const char *text, struct user_forward *ret);

/* Return: 0; -EINVAL: not well-formed; a negative errno of bind(2). */
int user_forward_add(struct Slirp *slirp, const char *text);
