/* SPDX-License-Identifier: MPL-2.0 */
/* What driver.c asks of the two ring formats, driver-split.c and driver-packed.c. Private to src/virtio. */
#pragma once

#include "virtio/driver.h"
#include "virtio/ring.h"

struct driver_ops {
        /* Writes one request whose buffers are direct, or one descriptor that points to a table. Return: its id. */
        uint16_t (*add)(struct driver_queue *dq, const struct driver_buffer *buffers, unsigned n, bool is_table);
        /* Makes visible what was added. Return: true if the device wants a kick. */
        bool (*publish)(struct driver_queue *dq);
        /* The used entry at the driver's position. Return: 1, 0 if there is none, -EBADMSG. */
        int (*peek)(struct driver_queue *dq, uint16_t *ret_id, uint32_t *ret_len);
        /* Passes one request (not: one used entry) and frees its id. */
        void (*release)(struct driver_queue *dq, uint16_t id);
        bool (*arm)(struct driver_queue *dq); /* Return: true if something was used already */
        void (*disarm)(struct driver_queue *dq);
        uint32_t (*base)(const struct driver_queue *dq);
};

extern const struct driver_ops driver_split_ops, driver_packed_ops;
