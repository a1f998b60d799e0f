/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A tap interface of the host's kernel as a port. Frames go from guest buffers to the kernel, and come from it, by
 * one system call without a copy of ours; offloads are the kernel's.
 *
 * A tap that is full is waited for: frames are not dropped, the guest is held up. A guest without buffers is
 * waited for, too: the kernel's queue of the interface is where frames then wait and, in the end, are dropped.
 *
 * The interface is not made persistent: if this opened a new one, it is gone with the process.
 */
#pragma once

#include <stdint.h>

struct loop;
struct port;

#define TAP_QUEUES_MAX 16

struct tap_options {
        const char *name;   /* of the interface; needs CAP_NET_ADMIN, or one that exists and is ours; or NULL and: */
        const int *fds;     /* open taps (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR), one a queue; taken in any case */
        uint16_t n_queues;  /* pairs; 1 to TAP_QUEUES_MAX */
};

/**
 * tap_open() - a port that is a tap
 * @ret: owned by the caller
 *
 * Return: 0; -EINVAL: not a fitting descriptor or number; a negative errno of open(2) or ioctl(2).
 */
int tap_open(struct loop *loop, const struct tap_options *options, struct port **ret);
