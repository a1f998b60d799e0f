/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A driver of virtio devices over both transports, as thin as can be: the calls below are single register accesses, so
 * that cases can make them in any order. vio_start() and vio_request() are the right order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VIO_DEVICES_MAX 16
#define QUEUE_SIZE 16

#define ID_BLK 2
#define ID_RNG 4

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64
#define STATUS_FAILED 128

#define F_INDIRECT (UINT64_C(1) << 28)
#define F_EVENT_IDX (UINT64_C(1) << 29)
#define F_VERSION_1 (UINT64_C(1) << 32)
#define F_RING_RESET (UINT64_C(1) << 40)

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

struct desc {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
};

struct queue_memory {
        _Alignas(4096) struct desc desc[QUEUE_SIZE];
        struct desc indirect[QUEUE_SIZE];
        _Alignas(64) volatile uint16_t avail_flags;
        volatile uint16_t avail_index, avail[QUEUE_SIZE + 1];
        _Alignas(64) volatile uint16_t used_flags;
        volatile uint16_t used_index;
        volatile struct {
                uint32_t id, length;
        } used[QUEUE_SIZE + 1];
        _Alignas(64) struct {
                uint32_t type, reserved;
                uint64_t sector;
        } header;
        volatile uint8_t status;
        _Alignas(64) volatile uint8_t data[512];
};

struct vio {
        char name[16]; /* "rng pci 3" */
        bool pci;
        uint16_t id;
        uint64_t function;       /* PCI: its configuration space */
        uint64_t bar, bar_bytes; /* PCI: the (first) BAR with registers */
        unsigned bar_index;
        bool bar_is_64;
        uint64_t common, notify, isr, config, msix_table;    /* addresses */
        unsigned notify_multiplier, config_bytes, n_vectors; /* config_bytes: as far as registers go */
        unsigned pci_cfg, msix_cap;                          /* offsets of capabilities */
        uint64_t notify_offset;                              /* PCI: of queue 0, when it was set up */
        uint64_t mmio;
        unsigned slot;     /* MMIO */
        uint64_t features; /* accepted */
        uint16_t used_seen;
        struct queue_memory *q;
};

extern struct vio vio_devices[VIO_DEVICES_MAX];
extern unsigned n_vio_devices;

void vio_find(void); /* pci.c and vio.c: fills in vio_devices */
unsigned pci_find(struct vio *into, unsigned n_max);
void pci_place(struct vio *v, uint64_t address); /* into the first BAR; addresses above follow */
uint64_t pci_bar_read(const struct vio *v);
void pci_bar_write(const struct vio *v, uint64_t address);

uint8_t vio_status(struct vio *v);
void vio_set_status(struct vio *v, uint8_t status);
bool vio_reset(struct vio *v);
uint64_t vio_offered(struct vio *v);
void vio_accept(struct vio *v, uint64_t features);
void vio_select(struct vio *v, uint32_t queue);
uint32_t vio_queue_size(struct vio *v); /* MMIO: the largest possible */
void vio_set_queue_size(struct vio *v, uint32_t size);
enum { QUEUE_DESC, QUEUE_AVAIL, QUEUE_USED };
void vio_set_queue_address(struct vio *v, unsigned which, uint64_t address);
void vio_set_queue_addresses(struct vio *v, uint64_t desc, uint64_t avail, uint64_t used);
uint32_t vio_enabled(struct vio *v);
void vio_enable(struct vio *v, uint32_t value);
uint32_t vio_queue_reset(struct vio *v);
void vio_set_queue_reset(struct vio *v, uint32_t value);
void vio_notify(struct vio *v, uint16_t queue);

/* Steps of a start. */
void vio_negotiate(struct vio *v, uint64_t wanted); /* from reset to FEATURES_OK */
void vio_setup_queue(struct vio *v);                /* queue 0, memory cleared */
bool vio_start(struct vio *v, uint64_t wanted);     /* all of it. Return: DRIVER_OK and not NEEDS_RESET */

unsigned vio_put_request(struct vio *v, unsigned slot); /* the descriptors of one that is right, from @slot on; head */
void vio_put(struct vio *v, uint16_t head);             /* into the available ring */
bool vio_wait_used(struct vio *v, unsigned n, unsigned timeout_ms);
bool vio_wait_status(struct vio *v, uint8_t bits, unsigned timeout_ms);
bool vio_request(struct vio *v);    /* one that is right, with queue 0 running; its result is checked */
bool vio_interrupts(struct vio *v); /* one request, and the interrupt for it */
bool vio_others_work(struct vio *but);
