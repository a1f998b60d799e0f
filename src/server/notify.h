/* SPDX-License-Identifier: MPL-2.0 */
/* Tells who started the server that it is ready: by --ready-fd, and by sd_notify(3)'s protocol. */
#pragma once

struct notify {
        int socket_fd; /* owned: connected to $NOTIFY_SOCKET; -1: none */
        int ready_fd;  /* owned; -1: none */
};

/**
 * notify_open() - connect while that is still allowed
 * @ready_fd: taken; -1: none
 *
 * Return: 0; -EBADF if ready_fd is not open; a negative errno if $NOTIFY_SOCKET is set and cannot be reached.
 */
int notify_open(struct notify *n, int ready_fd);
void notify_close(struct notify *n);

void notify_ready(struct notify *n);
void notify_stopping(struct notify *n);
