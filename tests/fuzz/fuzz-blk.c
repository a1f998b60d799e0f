/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: requests of a block device. The ring is sound; what is in it is not. Input:
 *
 *      byte 0        bit 0 packed ring, 1 INDIRECT_DESC, 2 IN_ORDER, 3 an image instead of a null disk, 4 read-only,
 *                    5 without FLUSH, 6 faults, 7 writeback off
 *      each request  type (index of a known one, or raw), how the sector is made, sector (8), number of pieces,
 *                    each piece: 2 bytes, bit 15 device writes, the rest its length; number of raw bytes; those
 *
 * The pieces of a request follow each other in memory: header first, then the raw bytes. Checked: nothing but
 * writable pieces changes, every status is a known one, and a reset revives the device.
 */
#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "backend/disk.h"
#include "backend/fault.h"
#include "backend/file.h"
#include "backend/null.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/blk.h"
#include "virtio/device.h"
#include "virtio/driver.h"
#include "virtio/features.h"

#define MEMORY_BYTES 0x200000
#define QUEUE_SIZE 32
#define SLOTS UINT64_C(0x100000)
#define SLOT_BYTES 0x2000
#define N_SLOTS 16
#define DISK_BYTES 0x10000
#define PIECES_MAX 12

static struct loop *loop;
static struct space *space;
static char *memory, *before;
static int image_fd;

struct input {
        const uint8_t *data;
        size_t size;
};

struct sent {
        struct driver_buffer pieces[PIECES_MAX];
        unsigned n_pieces;
        gpa_t status; /* 0: no writable byte */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void setup(void)
{
        const struct region_spec region = { 0, MEMORY_BYTES, 0, 0 };
        int fd = fd_memfd_sealed("guest", MEMORY_BYTES);

        log_set_level(LOG_LEVEL_ERROR);
        image_fd = memfd_create("image", MFD_CLOEXEC);
        before = malloc(SLOT_BYTES * N_SLOTS);
        check(fd >= 0 && image_fd >= 0 && before && ftruncate(image_fd, DISK_BYTES) == 0);
        check(loop_new(&loop) == 0 && space_new(&space) == 0 && space_add(space, &region, fd) == 0);
        (void) close(fd);
        memory = space_pointer(space, 0, MEMORY_BYTES, 1);
}

static uint64_t take(struct input *in, size_t n)
{
        uint64_t value = 0;

        n = MIN(n, in->size);
        memcpy(&value, in->data, n);
        in->data += n;
        in->size -= n;
        return value;
}

static void make_header(struct input *in, char *at)
{
        static const uint8_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID,
                                         VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
        uint8_t type = (uint8_t) take(in, 1), how = (uint8_t) take(in, 1);
        uint64_t sector = take(in, 8);
        struct virtio_blk_outhdr header = { .type = htole32(type < 0xc0 ? types[type % ARRAY_SIZE(types)] : type) };

        if (how % 4 == 0)
                sector %= DISK_BYTES / 512;
        else if (how % 4 == 1)
                sector = DISK_BYTES / 512 - sector % 4;
        header.sector = htole64(sector);
        memcpy(at, &header, sizeof(header));
}

static void make_request(struct input *in, unsigned slot, struct sent *ret)
{
        gpa_t start = SLOTS + (gpa_t) slot * SLOT_BYTES, at = start;
        size_t n_raw;

        memset(memory + start, (int) (0x80 + slot), SLOT_BYTES);
        make_header(in, memory + start);
        *ret = (struct sent) { .n_pieces = 1 + (unsigned) take(in, 1) % PIECES_MAX };
        for (unsigned i = 0; i < ret->n_pieces; i++) {
                uint16_t piece = (uint16_t) take(in, 2);
                uint32_t len = MIN((uint32_t) piece & 0x7fff, (uint32_t) (start + SLOT_BYTES - at));

                ret->pieces[i] = (struct driver_buffer) { at, len, piece >> 15 };
                at += len;
                if (piece >> 15 && len > 0)
                        ret->status = at - 1;
        }
        n_raw = MIN(take(in, 1), in->size);
        memcpy(memory + start + sizeof(struct virtio_blk_outhdr), in->data, n_raw);
        in->data += n_raw;
        in->size -= n_raw;
}

/* Only writable pieces may have changed. */
static void check_slot(unsigned slot, const struct sent *s)
{
        gpa_t start = SLOTS + (gpa_t) slot * SLOT_BYTES;
        char *was = before + (size_t) slot * SLOT_BYTES;

        for (unsigned i = 0; i < s->n_pieces; i++)
                if (s->pieces[i].device_writes)
                        memcpy(was + (s->pieces[i].address - start), memory + s->pieces[i].address,
                               s->pieces[i].len_bytes);
        check(memcmp(was, memory + start, SLOT_BYTES) == 0);
}

static void drive(struct device *dev, struct driver_queue *dq, struct input *in)
{
        struct sent sent[N_SLOTS];
        unsigned n_sent = 0;
        uint32_t len;
        void *cookie;

        while (in->size > 0 && n_sent < N_SLOTS) {
                make_request(in, n_sent, &sent[n_sent]);
                if (driver_queue_add(dq, sent[n_sent].pieces, sent[n_sent].n_pieces, &sent[n_sent]) < 0)
                        break;
                n_sent++;
        }
        memcpy(before, memory + SLOTS, (size_t) n_sent * SLOT_BYTES);
        (void) driver_queue_kick(dq);
        queue_kick(&dev->queues[0]);
        (void) loop_step(loop, 0);
        queue_stop(&dev->queues[0], NULL);

        for (unsigned i = 0; i < n_sent; i++)
                check_slot(i, &sent[i]);
        while (driver_queue_get(dq, &cookie, &len) == 1) {
                const struct sent *s = cookie;

                check(s->status != 0 && (uint8_t) memory[s->status] <= VIRTIO_BLK_S_UNSUPP);
        }
}

static struct disk *make_disk(uint8_t choice)
{
        struct file_options options = { .read_only = choice & 16 };
        struct fault_options faults = { .every = 3, .torn = true };
        struct disk *disk;

        if (choice & 8)
                check(disk_file_new(loop, dup(image_fd), &options, &disk) == 0);
        else
                check(disk_null_new(DISK_BYTES, &disk) == 0);
        if (choice & 64)
                check(disk_fault_new(disk, &faults, &disk) == 0);
        return disk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct blk_options options = { .serial = "fuzz", .n_queues = 1, .seg_max = 30 };
        struct input in = { data, size };
        struct driver_queue dq;
        struct device *dev;
        uint64_t features;
        uint8_t choice, off = 0;

        if (!loop)
                setup();
        choice = (uint8_t) take(&in, 1);
        check(blk_new(loop, "blk", make_disk(choice), &options, &dev) == 0);
        features = (device_features(dev) & ~RING_FEATURES) | FEATURE(VIRTIO_FEATURE_VERSION_1);
        features |= choice & 1 ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0;
        features |= choice & 2 ? FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) : 0;
        features |= choice & 4 ? FEATURE(VIRTIO_FEATURE_IN_ORDER) : 0;
        features &= choice & 32 ? ~FEATURE(VIRTIO_BLK_F_FLUSH) : UINT64_MAX;

        for (int round = 0; round < 2; round++) {
                check(device_start(dev, features) == 0);
                if (choice & 128)
                        check(device_config_write(dev, 32, &off, 1) == 0);
                check(driver_queue_init(&dq, space, 0x1000, features, QUEUE_SIZE, PIECES_MAX) == 0);
                check(queue_start(&dev->queues[0], &(struct queue_setup) {
                        .space = space, .features = features, .size = QUEUE_SIZE, .descriptors = dq.descriptors,
                        .driver = dq.driver, .device = dq.device, .base = driver_queue_base(&dq), .kick_fd = -1,
                        .call_fd = -1 }) == 0);
                drive(dev, &dq, &in);
                driver_queue_deinit(&dq);
                device_reset(dev);
        }
        device_free(dev);
        return 0;
}
