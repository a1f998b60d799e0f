/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The block device as the driver's probe sees it. Everything here runs on the control thread, but for
 * on_disk_changed().
 *
 * Cache mode (5.2.5.2, 5.2.6.2): write-back, unless the driver negotiated neither FLUSH nor CONFIG_WCE or switches it
 * off through `writeback`; writes are then durable before they complete.
 */
#include "device/blk.h"

#include <assert.h>
#include <errno.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "device/blk-private.h"
#include "virtio/features.h"

/* 5.2.4, up to and with `zoned`, which this device leaves zero: front ends ask for as much as they know of. */
#define CONFIG_BYTES 96

static_assert(sizeof(struct virtio_blk_config) <= CONFIG_BYTES, "config space is cut");

static uint64_t blk_features(const struct device *dev)
{
        const struct blk *blk = container_of(dev, struct blk, dev);
        uint64_t features = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
                            FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_TOPOLOGY) |
                            FEATURE(VIRTIO_BLK_F_CONFIG_WCE);

        if (dev->n_queues > 1)
                features |= FEATURE(VIRTIO_BLK_F_MQ);
        if (blk->read_only)
                features |= FEATURE(VIRTIO_BLK_F_RO);
        if (blk->can_discard)
                features |= FEATURE(VIRTIO_BLK_F_DISCARD);
        if (blk->can_write_zeroes)
                features |= FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
        return features;
}

static int blk_start(struct device *dev, uint64_t negotiated)
{
        struct blk *blk = container_of(dev, struct blk, dev);

        if (!(negotiated & FEATURE(VIRTIO_BLK_F_FLUSH)))
                atomic_store(&blk->writeback, false);
        return 0;
}

static void blk_reset(struct device *dev)
{
        struct blk *blk = container_of(dev, struct blk, dev);

        atomic_store(&blk->writeback, true);
}

static size_t blk_config_size(const struct device *dev)
{
        return CONFIG_BYTES;
}

static uint8_t log2_floor(uint32_t n)
{
        return (uint8_t) (31 - __builtin_clz(n));
}

static void blk_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct blk *blk = container_of(dev, struct blk, dev);
        uint8_t space[CONFIG_BYTES] = { 0 };
        struct disk_info info;
        struct virtio_blk_config c = { 0 };

        disk_get_info(blk->disk, &info);
        c.capacity = htole64(info.size_bytes / BLK_SECTOR_BYTES);
        c.seg_max = htole32(blk->seg_max);
        c.blk_size = htole32(info.block_bytes);
        c.physical_block_exp = log2_floor(info.physical_block_bytes / info.block_bytes);
        c.min_io_size = htole16((uint16_t) MIN(info.physical_block_bytes / info.block_bytes, UINT32_C(0xffff)));
        c.opt_io_size = htole32(info.optimal_io_bytes / info.block_bytes);
        c.wce = atomic_load(&blk->writeback);
        c.num_queues = htole16(dev->n_queues);
        if (blk->can_discard) {
                c.max_discard_sectors = htole32(BLK_DISCARD_SECTORS_MAX);
                c.max_discard_seg = htole32(BLK_SEGMENTS_MAX);
                c.discard_sector_alignment = htole32(info.discard_granularity_bytes / BLK_SECTOR_BYTES);
        }
        if (blk->can_write_zeroes) {
                c.max_write_zeroes_sectors = htole32(BLK_ZEROES_SECTORS_MAX);
                c.max_write_zeroes_seg = htole32(BLK_SEGMENTS_MAX);
                c.write_zeroes_may_unmap = 1;
        }
        memcpy(space, &c, sizeof(c));
        memcpy(buf, space + offset, n);
}

static int blk_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        struct blk *blk = container_of(dev, struct blk, dev);
        const uint8_t *value = buf;

        if (offset != offsetof(struct virtio_blk_config, wce) || n != 1 || *value > 1)
                return -EINVAL;
        if (!(device_features(dev) & FEATURE(VIRTIO_BLK_F_CONFIG_WCE)))
                return -EINVAL;
        atomic_store(&blk->writeback, *value);
        return 0;
}

static void on_disk_changed(void *data)
{
        struct blk *blk = data;
        struct disk_info info;

        disk_get_info(blk->disk, &info);
        atomic_store(&blk->capacity_sectors, info.size_bytes / BLK_SECTOR_BYTES);
        device_config_changed(&blk->dev);
}

static struct device *blk_free(struct device *dev)
{
        struct blk *blk;

        if (!dev)
                return NULL;
        blk = container_of(dev, struct blk, dev);
        device_deinit(dev);
        disk_free(blk->disk);
        free(blk->queues);
        free(blk);
        return NULL;
}

static const struct device_ops blk_ops = {
        .name = "blk",
        .virtio_id = VIRTIO_ID_BLK_DEVICE,
        .features = blk_features,
        .start = blk_start,
        .handle_queue = blk_handle_queue,
        .reset = blk_reset,
        .free = blk_free,
        .config_size = blk_config_size,
        .config_read = blk_config_read,
        .config_write = blk_config_write,
        .queue_start = blk_queue_start,
        .queue_stop = blk_queue_stop,
};

int blk_new(struct loop *loop, const char *name, struct disk *disk, const struct blk_options *options,
            struct device **ret)
{
        auto_cleanup(disk_freep) struct disk *own_disk = disk;
        struct disk_info info;
        struct blk *blk;

        blk = calloc(1, sizeof(*blk));
        if (!blk)
                return -ENOMEM;
        blk->queues = aligned_alloc(_Alignof(struct blk_queue), options->n_queues * sizeof(*blk->queues));
        if (!blk->queues || device_init(&blk->dev, &blk_ops, name, loop, options->n_queues) < 0) {
                free(blk->queues);
                free(blk);
                return -ENOMEM;
        }
        for (uint16_t i = 0; i < options->n_queues; i++)
                blk->queues[i] = (struct blk_queue) { .blk = blk };

        blk->disk = take_ptr(&own_disk);
        blk->seg_max = options->seg_max;
        blk->poll_ns = options->poll_ns;
        blk->writeback = true;
        if (options->serial)
                memcpy(blk->serial, options->serial, strnlen(options->serial, sizeof(blk->serial)));

        disk_get_info(blk->disk, &info);
        blk->read_only = info.read_only;
        blk->can_discard = info.can_discard && !info.read_only;
        blk->can_write_zeroes = info.can_write_zeroes && !info.read_only;
        blk->capacity_sectors = info.size_bytes / BLK_SECTOR_BYTES;
        disk_on_change(blk->disk, on_disk_changed, blk);
        *ret = &blk->dev;
        return 0;
}
