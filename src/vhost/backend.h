/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Back end: serves one device to one vhost-user front end over one connection.
 *
 * The connection owns the guest's memory (a space of its own) and the rings' file descriptors. It drives
 * the device by device.h only. A peer that breaks the protocol is disconnected: the device is reset, the
 * server and its other connections live on.
 *
 * Threads: everything but the queues runs on the loop given here.
 *
 * Spec: vhost-user protocol (QEMU, docs/interop/vhost-user.rst).
 */
#pragma once

#include <stdint.h>

struct device;
struct loop;
struct vhost_backend;

/* The connection ended: 0 when the peer closed it, a negative errno otherwise. The backend may be freed here. */
typedef void (*vhost_backend_closed_fn)(struct vhost_backend *b, int reason, void *data);

/**
 * vhost_backend_new() - serve @dev on a connected stream socket
 * @fd:  taken in any case
 * @dev: borrowed; must be reset (device_reset()); attached to no other connection
 *
 * Return: 0, or a negative errno.
 */
int vhost_backend_new(struct loop *loop, int fd, struct device *dev, vhost_backend_closed_fn closed, void *data,
                      struct vhost_backend **ret);

/* Stops all queues, resets the device, unmaps guest memory, closes. NULL ok. Returns NULL. */
struct vhost_backend *vhost_backend_free(struct vhost_backend *b);
