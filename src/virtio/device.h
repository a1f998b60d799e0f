/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A device model: the virtio side of a device, independent of the transport that carries it.
 *
 * Life: created by its type's _new() → [ features offered → start(negotiated) → queues start, run, stop →
 * reset ]* → free. The transport (vhost/backend.c, later the monitor's registers) drives this through the
 * functions below, never through the ops directly.
 *
 * Threads: all but the queue functions run on the control thread (the loop of the transport). A queue runs
 * on its own loop, which may be another thread's; while any queue of a device runs, start, reset and free
 * are not called.
 *
 * Spec: VIRTIO 1.4, 2.1 to 2.5, 3.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ratelimit.h"
#include "virtio/queue.h"

struct device;

struct device_ops {
        const char *name; /* stable: CLI type and log prefix */
        uint32_t virtio_id; /* VIRTIO 1.4, section 5 */

        uint64_t (*features)(const struct device *dev); /* the type's own; RING_FEATURES are added */
        int (*start)(struct device *dev, uint64_t negotiated); /* features are final; -EBADMSG to refuse them */
        /* Pops what there is. Negative: the queue breaks (-EBADMSG: the driver's fault; else the host's). */
        int (*handle_queue)(struct device *dev, struct queue *q);
        void (*reset)(struct device *dev);          /* idempotent; all queues are stopped */
        struct device *(*free)(struct device *dev); /* NULL ok; returns NULL */

        /* optional */
        size_t (*config_size)(const struct device *dev); /* NULL: no config space */
        void (*config_read)(const struct device *dev, size_t offset, void *buf, size_t n); /* range is checked */
        /* -EINVAL for a field that the driver may not write; range is checked */
        int (*config_write)(struct device *dev, size_t offset, const void *buf, size_t n);
        int (*queue_start)(struct device *dev, struct queue *q);  /* on the queue's loop, before any pop */
        void (*queue_stop)(struct device *dev, struct queue *q);  /* on the queue's loop: complete or give up all
                                                                     that is in flight; nothing comes later */
        /* Network devices: the guest moved here, tell the network (its driver cannot). Started; control thread. */
        int (*announce)(struct device *dev, const uint8_t mac[6]);
        /* Network devices: the host side's MTU; -EINVAL if it cannot be had. Control thread. */
        int (*set_mtu)(struct device *dev, uint16_t mtu);
};

/* What a device tells its transport. Called on any thread. */
struct transport_ops {
        void (*config_changed)(struct device *dev, void *data);
        /* The queue broke: DEVICE_NEEDS_RESET; vhost-user also signals the ring's error fd. */
        void (*needs_reset)(struct device *dev, struct queue *q, void *data);
};

struct device {
        const struct device_ops *ops;
        char name[32];        /* for logs: the bundle's device id or the type */
        struct loop *loop;    /* borrowed: control thread */
        uint64_t negotiated;  /* 0: not started */
        uint64_t masked;      /* features that the user switched off */
        bool started;
        uint16_t n_queues;
        struct queue *queues; /* owned */
        struct ratelimit log_limit; /* of lines that the guest can trigger */
        pthread_mutex_t log_lock;   /* of log_limit */

        const struct transport_ops *transport; /* borrowed; NULL: none attached */
        void *transport_data;
};

/**
 * device_init() - set up the part that all devices share; called by a type's _new()
 * @loop: control thread; queues start out on it, see device_set_queue_loop()
 *
 * Queues are enabled; a transport that enables them one by one disables them first.
 *
 * Return: 0 or -ENOMEM.
 */
int device_init(struct device *dev, const struct device_ops *ops, const char *name, struct loop *loop,
                uint16_t n_queues);
void device_deinit(struct device *dev);

/* Moves a stopped queue to another loop (a worker's). */
void device_set_queue_loop(struct device *dev, uint16_t index, struct loop *loop);

/* What the device offers: its own, the rings', without what the user masked. */
uint64_t device_features(const struct device *dev);

/**
 * device_start() - the driver accepted these features
 *
 * Once more with the same features it does nothing; with others it is -EBUSY.
 *
 * Return: 0; -EBADMSG if they include one that is not offered, lack VERSION_1 or contradict each other; a
 * negative errno.
 */
int device_start(struct device *dev, uint64_t negotiated);

/* Stops all queues (each on its loop), forgets the negotiation. Idempotent. */
void device_reset(struct device *dev);

/* Frees through the type's ops. NULL ok. Returns NULL. */
struct device *device_free(struct device *dev);

/* Return: 0; -EINVAL if the range is not in the config space. */
int device_config_read(const struct device *dev, size_t offset, void *buf, size_t n);
int device_config_write(struct device *dev, size_t offset, const void *buf, size_t n);
size_t device_config_size(const struct device *dev);

/* Return: 0; -EOPNOTSUPP for a device without a network; a negative errno. */
static inline int device_announce(struct device *dev, const uint8_t mac[6])
{
        return dev->ops->announce ? dev->ops->announce(dev, mac) : -EOPNOTSUPP;
}

static inline int device_set_mtu(struct device *dev, uint16_t mtu)
{
        return dev->ops->set_mtu ? dev->ops->set_mtu(dev, mtu) : -EOPNOTSUPP;
}

/* For device models: the config space changed; the driver is told if a transport is attached. Any thread. */
void device_config_changed(struct device *dev);

/* For queue.c: dispatches a wake-up of q to the device and breaks the queue on an error. */
void device_handle_queue(struct queue *q);

/* One rate-limited line about what a guest did. Any thread. */
void device_log_guest(struct device *dev, const char *format, ...) __attribute__((format(printf, 2, 3)));
