/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Feature bits and status bits that are not a device type's own. Spec: VIRTIO 1.4, 6 (reserved feature
 * bits) and 2.1 (device status field).
 */
#pragma once

#include <stdint.h>

#define FEATURE(bit) (UINT64_C(1) << (bit))

enum {
        VIRTIO_FEATURE_INDIRECT_DESC = 28,
        VIRTIO_FEATURE_EVENT_IDX = 29,
        VIRTIO_FEATURE_VERSION_1 = 32,
        VIRTIO_FEATURE_ACCESS_PLATFORM = 33,
        VIRTIO_FEATURE_RING_PACKED = 34,
        VIRTIO_FEATURE_IN_ORDER = 35,
        VIRTIO_FEATURE_NOTIFICATION_DATA = 38,
        VIRTIO_FEATURE_RING_RESET = 40,
};

enum {
        VIRTIO_STATUS_ACKNOWLEDGE = 1,
        VIRTIO_STATUS_DRIVER = 2,
        VIRTIO_STATUS_DRIVER_OK = 4,
        VIRTIO_STATUS_FEATURES_OK = 8,
        VIRTIO_STATUS_NEEDS_RESET = 64,
        VIRTIO_STATUS_FAILED = 128,
};

enum {
        VIRTIO_ID_NET_DEVICE = 1,
        VIRTIO_ID_BLK_DEVICE = 2,
        VIRTIO_ID_CONSOLE_DEVICE = 3,
        VIRTIO_ID_RNG_DEVICE = 4,
        VIRTIO_ID_GPU_DEVICE = 16,
        VIRTIO_ID_INPUT_DEVICE = 18,
        VIRTIO_ID_SOUND_DEVICE = 25,
};

/* What our rings can do; every device offers these beside its own. */
#define RING_FEATURES                                                                               \
        (FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) | FEATURE(VIRTIO_FEATURE_EVENT_IDX) |                \
         FEATURE(VIRTIO_FEATURE_VERSION_1) | FEATURE(VIRTIO_FEATURE_RING_PACKED) |                  \
         FEATURE(VIRTIO_FEATURE_IN_ORDER) | FEATURE(VIRTIO_FEATURE_RING_RESET))
