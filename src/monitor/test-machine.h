/* SPDX-License-Identifier: MPL-2.0 */
/*
 * For tests: a machine without vCPUs, whose devices are real ones behind vhost-user, and a guest's driver that reaches
 * them by the registers alone, over PCI or MMIO. KVM is test-vm.c: the driver writes the eventfds that it recorded for
 * kicks, and reads those that it recorded for interrupts.
 *
 * The loop is the test's own (machine_wait() runs it) or, for tests of threads, runs in another thread.
 */
#pragma once

#include "monitor/devices.h"
#include "monitor/monitor.h"
#include "monitor/spec.h"
#include "monitor/test-vm.h"
#include "virtio/driver.h"
#include "virtio/features.h"

#define MACHINE_QUEUES_MAX 4
#define PATIENCE_MS 20000
#define SPLIT_FEATURES (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_RING_PACKED) & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))
#define PACKED_FEATURES (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))

struct machine {
        struct monitor m;
        struct monitor_spec spec;
        struct monitor_device device;
        pthread_t thread; /* runs m.loop ... */
        bool threaded;    /* ... or else the test does */
        struct space *space;   /* guest memory as the driver's rings see it */
        gpa_t next_free;
        /* Where the device's registers are; PCI: found in its capabilities. */
        gpa_t config_space, common, isr, device_config, notify, msix_table, msix_pending, mmio;
        unsigned notify_step, window_at, msix_at;
        uint64_t features; /* negotiated */
        struct driver_queue queues[MACHINE_QUEUES_MAX];
};

/* Registers of either transport. */
enum reg {
        REG_DEVICE_SELECT, REG_DEVICE_FEATURE, REG_DRIVER_SELECT, REG_DRIVER_FEATURE, REG_STATUS, REG_GENERATION,
        REG_QUEUE_SELECT, REG_QUEUE_SIZE, REG_QUEUE_ENABLE, REG_QUEUE_RESET, REG_QUEUE_DESCRIPTORS, REG_QUEUE_DRIVER,
        REG_QUEUE_DEVICE,
};

/* Connects to @socket and puts the device on the bus. Cases that only need registers may begin with this. */
void machine_start(struct machine *t, const char *socket, enum monitor_transport transport, bool packed, bool threaded);
/* The same in parts, for a device that the test makes itself. */
void machine_init(struct machine *t, const char *socket, enum monitor_transport transport, bool packed);
void machine_find_registers(struct machine *t);
void machine_stop(struct machine *t);

/* As a vCPU: with the machine's lock. */
uint64_t guest_read(struct machine *t, gpa_t at, unsigned n_bytes);
void guest_write(struct machine *t, gpa_t at, unsigned n_bytes, uint64_t value);
/* @reg_write of a queue's address writes 64 bits. */
uint64_t reg_read(struct machine *t, enum reg reg);
void reg_write(struct machine *t, enum reg reg, uint64_t value);
gpa_t reg_address(const struct machine *t, enum reg reg);

/* From reset to FEATURES_OK. Return: the status that the device then has. */
uint8_t guest_negotiate(struct machine *t, uint64_t wanted);
/* Lays out a ring and writes its registers; enables it. PCI: vector 1 + index is its own. */
void guest_setup_queue(struct machine *t, uint16_t index, uint16_t size);
/* Enables MSI-X with all vectors unmasked; vector i sends i to MSI_ADDRESS. */
#define MSI_ADDRESS 0xfee00000
void guest_enable_msix(struct machine *t);
/* All of it: the driver's start. */
void guest_start(struct machine *t, uint64_t features, uint16_t n_queues, uint16_t queue_size);
/* The eventfds of a running queue, as KVM was told of them; -1: none. */
int guest_kick_fd(struct machine *t, uint16_t index);
int guest_message_fd(struct machine *t, uint32_t data);
/* Takes the eventfds into the driver's queues; once after DRIVER_OK. */
void guest_find_fds(struct machine *t, uint16_t n_queues);

gpa_t guest_alloc(struct machine *t, uint64_t n_bytes);
void *guest_pointer(struct machine *t, gpa_t at);
/* Asks the echo device; room for the answer lies 2048 bytes further. */
void guest_ask(struct machine *t, uint16_t queue, gpa_t at, const char *text);
/* Return: false if no answer came in time. */
bool guest_answered(struct machine *t, uint16_t queue, unsigned timeout_ms, void **ret_cookie, uint32_t *ret_len);
void guest_expect(struct machine *t, uint16_t queue, const char *text);
void guest_echo(struct machine *t, uint16_t queue, const char *text);

/* Lets the loop run until the condition is true; aborts the test after PATIENCE_MS. */
void machine_wait(struct machine *t, bool (*condition)(struct machine *t));
