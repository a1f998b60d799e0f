/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A user-mode network as a port: libslirp answers DHCP, DNS and router discovery and carries the guest's TCP, UDP
 * and ICMP over ordinary sockets of this process. No privilege is needed, nobody can reach the guest but through
 * forwards.
 *
 *      IPv4  10.0.2.0/24   guest 10.0.2.15 and up (DHCP)   host 10.0.2.2   name server 10.0.2.3
 *      IPv6  fec0::/64     guest by autoconfiguration      host fec0::2    name server fec0::3
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct port;

struct user_options {
        bool restricted;       /* no way out: guests reach each other, DHCP and forwards only */
        bool no_host_loopback; /* 10.0.2.2 is not the host's 127.0.0.1 */
        bool no_ipv6;
        const char *const *forwards; /* "tcp:127.0.0.1:8080-10.0.2.15:80"; "udp:..."; an empty address: those here */
        size_t n_forwards;
};

/**
 * user_open() - a port that is a user-mode network
 * @ret:     owned by the caller
 * @ret_bad: on -EINVAL, -EADDRINUSE: the forward that is not well-formed, cannot be had; may be NULL
 *
 * Return: 0 or a negative errno.
 */
int user_open(struct loop *loop, const struct user_options *options, struct port **ret, const char **ret_bad);
