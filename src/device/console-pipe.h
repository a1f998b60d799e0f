/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A console whose guest side is a plain byte stream instead of virtqueues: a hypervisor's own console model is at the
 * other end of a socket or of two fifos (QEMU: `-chardev pipe` behind its virtio-console) and gets the same sockets,
 * logs and terminals.
 */
#pragma once

struct device;
struct loop;
struct console_pipe;

/* The connection ended: 0 when the peer closed it, a negative errno otherwise. The pipe may be freed here. */
typedef void (*console_pipe_closed_fn)(struct console_pipe *p, int reason, void *data);

/**
 * console_pipe_new() - join a connection and port 0 of a console that is not started
 * @output_fd: what the guest says
 * @input_fd:  what it is told; for a socket a duplicate of the other. Both are taken in any case
 *
 * Return: 0 or a negative errno.
 */
int console_pipe_new(struct loop *loop, int output_fd, int input_fd, struct device *dev, console_pipe_closed_fn closed,
                     void *data, struct console_pipe **ret);

/* What was sent and is not read yet is taken. NULL ok. Returns NULL. */
struct console_pipe *console_pipe_free(struct console_pipe *p);
