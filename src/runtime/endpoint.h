/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a planned socket is on the host: a listening stream socket, or two fifos. Both are made before the server and
 * kept while it is replaced: connections wait in the socket's queue, bytes wait in the fifo.
 */
#pragma once

struct planned_socket;

#define ENDPOINT_FDS_MAX 2

/**
 * endpoint_open() - make it
 * @ret: fds for the server: the socket, or the fifo with what comes from the guest and the one with what goes to it;
 *       owned by the caller
 *
 * Return: how many fds; a negative errno, then nothing is left behind.
 */
int endpoint_open(const struct planned_socket *socket, int ret[ENDPOINT_FDS_MAX]);

/* Removes its names from the file system; its fds are the caller's to close. */
void endpoint_unlink(const struct planned_socket *socket);
