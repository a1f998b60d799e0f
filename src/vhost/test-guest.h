/* SPDX-License-Identifier: MPL-2.0 */
/* For cmocka tests: requests to an echo device through vhost/driver.h. Include after cmocka.h. */
#pragma once

#include <string.h>

#include "base/macros.h"
#include "vhost/driver.h"
#include "vhost/test-echo.h"
#include "virtio/features.h"

#define PATIENCE_MS 20000
#define SPLIT_FEATURES (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_RING_PACKED) & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))
#define PACKED_FEATURES (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))

static inline struct vhost_driver_options guest_options(uint64_t features)
{
        return (struct vhost_driver_options) {
                .features_wanted = features | FEATURE(ECHO_FEATURE), .memory_bytes = 4 << 20, .n_queues = 1,
                .queue_size = 64, .indirect_max = 4,
        };
}

/* One request: text at `at`, room for the answer 2048 bytes further. */
static inline void guest_ask(struct vhost_driver *d, uint16_t queue, gpa_t at, const char *text)
{
        struct driver_buffer b[] = {
                { at, 1, false },
                { at + 1, (uint32_t) strlen(text), false },
                { at + 2048, 2048, true },
        };

        memset(vhost_driver_pointer(d, at), 0, 4096);
        strcpy(vhost_driver_pointer(d, at), text);
        assert_int_equal(driver_queue_add(&d->queues[queue], b, ARRAY_SIZE(b), (void *) (uintptr_t) at), 0);
        (void) driver_queue_kick(&d->queues[queue]);
}

static inline void guest_expect(struct vhost_driver *d, uint16_t queue, const char *text)
{
        void *cookie;
        uint32_t len;

        assert_int_equal(vhost_driver_wait(d, queue, PATIENCE_MS, &cookie, &len), 1);
        assert_int_equal(len, strlen(text) + 1);
        assert_string_equal(vhost_driver_pointer(d, (uintptr_t) cookie + 2048), text);
}

static inline void guest_echo(struct vhost_driver *d, uint16_t queue, const char *text)
{
        gpa_t at = vhost_driver_alloc(d, 4096, 4096);

        assert_int_not_equal(at, 0);
        guest_ask(d, queue, at, text);
        guest_expect(d, queue, text);
}

/* What the driver said of its ring when it started it. */
static inline struct frontend_ring guest_ring(struct vhost_driver *d, uint16_t queue, uint32_t base)
{
        struct driver_queue *dq = &d->queues[queue];

        return (struct frontend_ring) {
                .index = queue, .size = dq->size, .base = base,
                .kick_fd = dq->kick_fd, .call_fd = dq->call_fd, .err_fd = -1,
                .descriptors = (uintptr_t) vhost_driver_pointer(d, dq->descriptors),
                .driver = (uintptr_t) vhost_driver_pointer(d, dq->driver),
                .device = (uintptr_t) vhost_driver_pointer(d, dq->device),
                .log_address = dq->device,
        };
}
