/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Takes connections from a listening socket on an event loop.
 *
 *      listening ── accept() fails for want of descriptors or memory ──► paused ── 100 ms ──► listening
 *
 * A connection that could not be accepted stays in the socket's queue, so the socket stays ready: without the pause
 * the loop would come back at once, again and again, and whoever waits for the descriptors to be closed would wait
 * for a thread that is busy.
 */
#pragma once

#include "base/loop.h"

struct acceptor;

/* @fd: a connection, O_CLOEXEC, the callee's; or a negative errno: there is a pause now. */
typedef void (*acceptor_fn)(struct acceptor *a, int fd);

/* Embedded; zero-initialised means stopped. */
struct acceptor {
        struct loop *loop; /* borrowed; NULL when stopped */
        int fd;            /* borrowed: listens */
        struct watch watch;
        struct timer pause;
        acceptor_fn fn;
};

/**
 * acceptor_start() - call @fn for each connection from now on
 * @fd: made non-blocking; stays the caller's and must outlive the acceptor
 *
 * Return: 0 or a negative errno.
 */
int acceptor_start(struct acceptor *a, struct loop *loop, int fd, acceptor_fn fn);

/* Idempotent, and allowed in @fn. */
void acceptor_stop(struct acceptor *a);
