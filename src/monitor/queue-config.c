/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/queue-config.h"

static bool is_open(const struct queue_config *q)
{
        return !q->enabled && !q->sealed;
}

void queue_config_init(struct queue_config *q, uint16_t size_max)
{
        *q = (struct queue_config) { .size_max = size_max, .size = size_max };
}

bool queue_config_set_size(struct queue_config *q, uint64_t size)
{
        if (!is_open(q) || size == 0 || size > q->size_max)
                return false;
        q->size = (uint16_t) size;
        return true;
}

bool queue_config_set_address(struct queue_config *q, enum queue_part part, unsigned offset, unsigned n_bytes,
                              uint64_t value)
{
        uint64_t *address = &q->address[part];

        if (!is_open(q))
                return false;
        if (offset == 0 && n_bytes == 8)
                *address = value;
        else if (offset == 0 && n_bytes == 4)
                *address = (*address & ~(uint64_t) UINT32_MAX) | (uint32_t) value;
        else if (offset == 4 && n_bytes == 4)
                *address = (*address & UINT32_MAX) | value << 32;
        else
                return false;
        return true;
}

static bool is_aligned(const struct queue_config *q, uint64_t driver, uint64_t device)
{
        return q->address[QUEUE_DESCRIPTORS] % 16 == 0 && q->address[QUEUE_DRIVER] % driver == 0 &&
               q->address[QUEUE_DEVICE] % device == 0;
}

bool queue_config_enable(struct queue_config *q, bool packed)
{
        /* VIRTIO 1.4, 2.7 and 2.8.10.1 */
        if (!is_open(q) || !is_aligned(q, packed ? 4 : 2, 4))
                return false;
        if (!packed && (q->size & (q->size - 1)) != 0)
                return false;
        q->enabled = true;
        return true;
}

void queue_config_seal(struct queue_config *q)
{
        q->sealed = !q->enabled;
}
