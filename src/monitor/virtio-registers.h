/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the registers of both transports mean: features, status, queues, configuration space. virtio-pci.c and
 * virtio-mmio.c say at which address each is, and carry kicks and interrupts.
 *
 *      0 ─► ACKNOWLEDGE, DRIVER ─► FEATURES_OK ─► DRIVER_OK ─► (0)
 *             driver features        queues         rings run
 *
 * What a driver does out of this order has no effect, and it can see that it had none: the bit or the register reads
 * back as before. Nothing a driver writes ends the machine or disturbs another device.
 *
 * Spec: VIRTIO 1.4, 2.1, 2.2, 2.5, 2.6, 3.1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "monitor/queue-config.h"

struct remote;
struct virtio_registers;

struct virtio_registers_ops {
        /* From now on the ring runs, or runs no more: its kicks go to its eventfd (remote_kick_fd()). */
        void (*ring_runs)(struct virtio_registers *v, uint16_t queue, bool runs);
        /* Tell the driver that configuration space or status changed. */
        void (*config_interrupt)(struct virtio_registers *v);
        /* The driver wrote 0 to the status; all rings are stopped. */
        void (*reset)(struct virtio_registers *v);
};

struct virtio_queue {
        struct queue_config config;
        bool runs;
};

struct virtio_registers {
        const struct virtio_registers_ops *ops;
        struct remote *remote; /* borrowed */
        uint64_t driver_features;
        uint32_t device_select, driver_select;
        uint8_t status;
        uint32_t generation; /* of the configuration space */
        uint16_t queue_select;
        uint16_t n_queues;
        struct virtio_queue *queues; /* owned */
};

/* Begins to listen to the server. Return: 0 or a negative errno. */
int virtio_registers_init(struct virtio_registers *v, struct remote *remote, const struct virtio_registers_ops *ops);
void virtio_registers_deinit(struct virtio_registers *v);

/* The 32 bits that are selected; 0 beyond the 64th bit. */
uint32_t virtio_device_feature(const struct virtio_registers *v);
uint32_t virtio_driver_feature(const struct virtio_registers *v);
void virtio_set_driver_feature(struct virtio_registers *v, uint32_t bits);

void virtio_set_status(struct virtio_registers *v, uint32_t status);

/* Of the selected queue; NULL if there is none of that number. */
struct virtio_queue *virtio_queue(const struct virtio_registers *v);
void virtio_enable_queue(struct virtio_registers *v);
/* Stops the selected queue; its registers are as after a reset. */
void virtio_stop_queue(struct virtio_registers *v);
/* RING_RESET, if it was negotiated and the queue is enabled. */
void virtio_reset_queue(struct virtio_registers *v);
/* A kick that reached a register and not the eventfd. */
void virtio_notify(struct virtio_registers *v, uint32_t queue);
