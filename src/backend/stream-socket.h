/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A console on a unix socket: several clients read, one writes.
 *
 * Every client first gets the last bytes of output (scrollback), then what follows. The first client that sends
 * something is the writer until it leaves or closes its sending side; what others send meanwhile is discarded. A
 * client that reads so slowly that it falls behind by STREAM_SOCKET_BUFFER loses its connection.
 */
#pragma once

#include <stddef.h>

struct loop;
struct stream;

#define STREAM_SOCKET_CLIENTS_MAX 16
#define STREAM_SOCKET_BUFFER (512U << 10)

/**
 * stream_socket_new() - serve a console on a listening socket
 * @listen_fd: taken on success
 * @path:      removed at the end, where that is allowed; NULL: the socket is somebody else's
 * @scrollback_bytes: what a new client gets first, at most STREAM_SOCKET_BUFFER
 *
 * Return: 0 or a negative errno.
 */
int stream_socket_new(struct loop *loop, int listen_fd, const char *path, size_t scrollback_bytes,
                      struct stream **ret);
