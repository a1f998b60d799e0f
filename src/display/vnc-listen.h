/* SPDX-License-Identifier: MPL-2.0 */
/* Where VNC viewers come in. */
#pragma once

/**
 * vnc_listen() - listen
 * @where: "127.0.0.1:5900", "[::1]:5900", or the absolute path of a unix socket, which gets mode 0600
 *
 * Return: 0; -EINVAL for another form; a negative errno.
 */
int vnc_listen(const char *where, int *ret_fd);
