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

struct monitor;
struct pci;
struct remote;
struct virtio_mmio;
struct virtio_pci;
struct virtio_registers;
struct vm_kick;

enum queue_part { QUEUE_DESCRIPTORS, QUEUE_DRIVER, QUEUE_DEVICE, QUEUE_PARTS };

/*
 * What a driver writes to the registers of one queue, before there is a ring: size and addresses. An enabled queue is
 * closed: every setter refuses until the queue, or the device, is reset. The ring that runs is another object
 * (remote.h), made from a copy of this one.
 *
 *      open ── enable ──► enabled ── reset of the queue ──► open
 *        └── DRIVER_OK ─► sealed     (it was not enabled in time)
 *
 * Spec: VIRTIO 1.4, 2.6, 4.1.4.3, 4.2.2.
 */
struct queue_config {
        uint16_t size_max, size;
        uint64_t address[QUEUE_PARTS];
        bool enabled, sealed;
};

/* As after a reset of the device, or of the queue. */
void queue_config_init(struct queue_config *q, uint16_t size_max);
/* Return: false if the queue is closed, or the value cannot be; nothing is changed then. */
bool queue_config_set_size(struct queue_config *q, uint64_t size);
/* @offset: 0 or 4 within the 64-bit address; @n_bytes 4, or 8 at 0. */
bool queue_config_set_address(struct queue_config *q, enum queue_part part, unsigned offset, unsigned n_bytes,
                              uint64_t value);
/* Also false if size or alignment is not one of the format. Where the ring lies is not checked here. */
bool queue_config_enable(struct queue_config *q, bool packed);
/* The device runs: a queue that is not enabled stays so. */
void queue_config_seal(struct queue_config *q);

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
        bool slow_told; /* that some kicks come to a register */
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
/* Whether kicks of a ring go to its eventfd, as @kick says but for the fd; else they come to virtio_notify(). */
void virtio_route_kick(struct virtio_registers *v, struct monitor *m, uint16_t queue, struct vm_kick *kick, bool on);

/* The two transports: put a connected device on the PCI bus, or into a slot of layout.mmio_slots, with a page of
   registers and a wired interrupt. @remote is borrowed. Return: 0; -EBUSY: the slot is taken; a negative errno. */
int virtio_pci_new(struct monitor *m, struct pci *pci, uint8_t slot, struct remote *remote, struct virtio_pci **ret);
struct virtio_pci *virtio_pci_free(struct virtio_pci *d);
int virtio_mmio_new(struct monitor *m, unsigned slot, struct remote *remote, struct virtio_mmio **ret);
struct virtio_mmio *virtio_mmio_free(struct virtio_mmio *d);
