/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: the rings of an entropy device as a guest may write them. The input is what the guest puts there:
 *
 *      byte 0       bit 0 packed ring, bit 1 EVENT_IDX, bit 2 INDIRECT_DESC, bit 3 IN_ORDER, bit 4 a rate limit
 *      from byte 1  16 descriptors, then the driver's area (available ring or event suppression), then memory that
 *                   descriptors and indirect tables can point to
 *
 * Whatever it is, the device neither crashes nor writes outside of guest memory (the sanitizers see to that), and
 * a reset revives it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/rng.h"
#include "mem/space.h"
#include "virtio/device.h"
#include "virtio/features.h"

#define MEMORY_BYTES 0x10000
#define QUEUE_SIZE 16
#define DESCRIPTORS 0x1000
#define DRIVER 0x2000
#define DEVICE 0x3000
#define BUFFERS 0x4000
#define N_KICKS 3

static struct loop *loop;
static struct space *space;
static char *memory;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void setup(void)
{
        const struct region_spec region = { 0, MEMORY_BYTES, 0, 0 };
        int fd = fd_memfd_sealed("guest", MEMORY_BYTES);

        log_set_level(LOG_LEVEL_ERROR);
        if (fd < 0 || loop_new(&loop) < 0 || space_new(&space) < 0 || space_add(space, &region, fd) < 0)
                abort();
        (void) close(fd);
        memory = space_pointer(space, 0, MEMORY_BYTES, 1);
}

static void place(gpa_t at, size_t n_max, const uint8_t **data, size_t *size)
{
        size_t n = MIN(n_max, *size);

        memcpy(memory + at, *data, n);
        *data += n;
        *size -= n;
}

static uint64_t features_of(uint8_t choice)
{
        static const uint8_t bits[] = { VIRTIO_FEATURE_RING_PACKED, VIRTIO_FEATURE_EVENT_IDX,
                                        VIRTIO_FEATURE_INDIRECT_DESC, VIRTIO_FEATURE_IN_ORDER };
        uint64_t features = FEATURE(VIRTIO_FEATURE_VERSION_1);

        for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
                features |= choice >> i & 1 ? FEATURE(bits[i]) : 0;
        return features;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct queue_setup ring = { .size = QUEUE_SIZE, .descriptors = DESCRIPTORS, .driver = DRIVER, .device = DEVICE,
                                    .kick_fd = -1, .call_fd = -1 };
        struct rng_options options = { 0, 1 };
        struct device *dev = NULL;

        if (!loop)
                setup();
        if (size < 1)
                return 0;
        ring.space = space;
        ring.features = features_of(data[0]);
        ring.base = ring.features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? 0x80008000 : 0;
        if (data[0] & 16)
                options = (struct rng_options) { 1, 64 };
        data++;
        size--;
        memset(memory, 0, MEMORY_BYTES);
        place(DESCRIPTORS, QUEUE_SIZE * 16, &data, &size);
        place(DRIVER, 4 + 2 * QUEUE_SIZE + 2, &data, &size);
        place(BUFFERS, MEMORY_BYTES - BUFFERS, &data, &size);

        if (rng_new(loop, "rng", &options, &dev) < 0 || device_start(dev, ring.features) < 0)
                abort();
        if (queue_start(&dev->queues[0], &ring) == 0) {
                queue_set_enabled(&dev->queues[0], true);
                for (int i = 0; i < N_KICKS; i++) {
                        queue_kick(&dev->queues[0]);
                        (void) loop_step(loop, 0);
                }
        }
        device_reset(dev);
        if (device_start(dev, ring.features) < 0)
                abort();
        device_free(dev);
        return 0;
}
