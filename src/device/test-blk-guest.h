/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the tests of the block device stand on: guest memory, a driver queue and a block device, all in one thread, and
 * a disk that remembers what it was asked and answers when it is told to.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_blk.h>

#include "backend/disk.h"
#include "backend/disk-list.h"
#include "device/blk.h"
#include "virtio/device.h"
#include "virtio/driver.h"

#define GUEST_MEMORY_BYTES UINT64_C(0x800000)
#define GUEST_RING UINT64_C(0x1000)
#define GUEST_HEADER UINT64_C(0x200000)
#define GUEST_STATUS UINT64_C(0x201000)
#define GUEST_DATA UINT64_C(0x300000)
#define DISK_BYTES (1 << 20)
#define DISK_SECTORS (DISK_BYTES / 512)

/* No request was answered. */
#define STATUS_NONE 0xee
#define QUEUE_BROKE -1

#define SPY_LOG_MAX 512

/* Answers at the kick, or (hold) when spy_release() says so. */
struct spy {
        struct disk disk;
        struct disk_channel channel;
        struct disk_info info;
        bool hold, open;
        int result;
        struct disk_list queued, held;
        struct disk_request log[SPY_LOG_MAX]; /* copies */
        unsigned n_log;
};

struct guest {
        uint64_t features;
        uint16_t size;
        struct loop *loop;
        struct space *space;
        int memory_fd;
        char *memory;
        struct device *dev;
        struct queue *queue;
        struct driver_queue dq;
        int call_fd, kick_fd;
        struct queue_setup setup;
        unsigned n_needs_reset, n_config_changed;
        struct spy *spy;
        int image_fd; /* of a disk on a file; -1 */
        uint32_t last_len; /* bytes written, as the device said */
};

/* Guest with a disk of each kind. State in: struct guest_config; out: struct guest. */
struct guest_config {
        uint64_t features; /* of the ring */
        bool spy, read_only;
};

int guest_setup(void **state);
int guest_teardown(void **state);
void guest_start(struct guest *g);

void guest_header(struct guest *g, uint32_t type, uint64_t sector);

/* Sends what the buffers say, runs the loop until it is answered. Return: status byte, or QUEUE_BROKE. */
int guest_send(struct guest *g, const struct driver_buffer *buffers, unsigned n);
void guest_post(struct guest *g, const struct driver_buffer *buffers, unsigned n, void *cookie);
int guest_wait(struct guest *g, void **ret_cookie);

/* Header, n_bytes of data at GUEST_DATA in one piece, status. */
int guest_run(struct guest *g, uint32_t type, uint64_t sector, uint32_t n_bytes, bool device_writes);

/* A discard or write of zeroes with the segments that are at GUEST_DATA. */
struct virtio_blk_discard_write_zeroes *guest_segments(struct guest *g);

void spy_release(struct spy *spy, int result);
