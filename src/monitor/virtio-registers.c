/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/virtio-registers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/monitor.h"
#include "monitor/remote.h"
#include "monitor/spec.h"
#include "monitor/vm.h"
#include "virtio/features.h"

#define STATUS_OF_DRIVER                                                                                    \
        (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK | \
         VIRTIO_STATUS_FAILED)

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

static bool has_status(const struct virtio_registers *v, uint8_t bit)
{
        return v->status & bit;
}

static bool has_feature(const struct virtio_registers *v, unsigned bit)
{
        return has_status(v, VIRTIO_STATUS_FEATURES_OK) && (v->driver_features & FEATURE(bit));
}

/* VIRTIO 1.4, 2.1.2: not before DRIVER_OK. */
static void tell_driver(struct virtio_registers *v)
{
        v->generation++;
        if (has_status(v, VIRTIO_STATUS_DRIVER_OK))
                v->ops->config_interrupt(v);
}

static void on_config_changed(void *data)
{
        tell_driver(data);
}

static void on_needs_reset(void *data)
{
        struct virtio_registers *v = data;

        v->status |= VIRTIO_STATUS_NEEDS_RESET;
        tell_driver(v);
}

static const struct remote_events events = { .config_changed = on_config_changed, .needs_reset = on_needs_reset };

static void init_queues(struct virtio_registers *v)
{
        for (uint16_t i = 0; i < v->n_queues; i++) {
                queue_config_init(&v->queues[i].config, remote_queue_size_max(v->remote));
                v->queues[i].runs = false;
        }
}

int virtio_registers_init(struct virtio_registers *v, struct remote *remote, const struct virtio_registers_ops *ops)
{
        *v = (struct virtio_registers) { .ops = ops, .remote = remote, .n_queues = remote_n_rings(remote) };
        v->queues = calloc(v->n_queues, sizeof(*v->queues));
        if (!v->queues)
                return -ENOMEM;
        init_queues(v);
        return remote_watch(remote, &events, v);
}

void virtio_registers_deinit(struct virtio_registers *v)
{
        free(v->queues);
        v->queues = NULL;
        v->n_queues = 0;
}

static uint32_t select_bits(uint64_t features, uint32_t select)
{
        return select < 2 ? (uint32_t) (features >> (32 * select)) : 0;
}

uint32_t virtio_device_feature(const struct virtio_registers *v)
{
        return select_bits(remote_features(v->remote), v->device_select);
}

uint32_t virtio_driver_feature(const struct virtio_registers *v)
{
        return select_bits(v->driver_features, v->driver_select);
}

void virtio_set_driver_feature(struct virtio_registers *v, uint32_t bits)
{
        unsigned shift = 32 * v->driver_select;

        if (v->driver_select >= 2 || has_status(v, VIRTIO_STATUS_FEATURES_OK))
                return;
        v->driver_features &= ~((uint64_t) UINT32_MAX << shift);
        v->driver_features |= (uint64_t) bits << shift;
}

static bool features_fit(const struct virtio_registers *v)
{
        return !(v->driver_features & ~remote_features(v->remote)) &&
               (v->driver_features & FEATURE(VIRTIO_FEATURE_VERSION_1));
}

static struct remote_ring ring_of(const struct queue_config *q)
{
        if (!q->enabled)
                return (struct remote_ring) { 0 };
        return (struct remote_ring) {
                .size = q->size,
                .descriptors = q->address[QUEUE_DESCRIPTORS],
                .driver = q->address[QUEUE_DRIVER],
                .device = q->address[QUEUE_DEVICE],
        };
}

static void set_runs(struct virtio_registers *v, uint16_t i, bool runs)
{
        if (v->queues[i].runs == runs)
                return;
        v->queues[i].runs = runs;
        v->ops->ring_runs(v, i, runs);
}

static void start(struct virtio_registers *v)
{
        struct remote_ring rings[REMOTE_RINGS_MAX];

        for (uint16_t i = 0; i < v->n_queues; i++) {
                rings[i] = ring_of(&v->queues[i].config);
                queue_config_seal(&v->queues[i].config);
        }
        remote_start(v->remote, v->driver_features, rings);
        for (uint16_t i = 0; i < v->n_queues; i++)
                set_runs(v, i, v->queues[i].config.enabled);
}

static void reset(struct virtio_registers *v)
{
        for (uint16_t i = 0; i < v->n_queues; i++)
                set_runs(v, i, false);
        remote_reset(v->remote);
        init_queues(v);
        v->status = 0;
        v->driver_features = 0;
        v->device_select = v->driver_select = 0;
        v->queue_select = 0;
        v->ops->reset(v);
}

/* Bits are only ever added, each in its turn, until all are cleared. */
void virtio_set_status(struct virtio_registers *v, uint32_t status)
{
        uint8_t added = (uint8_t) (status & STATUS_OF_DRIVER & ~(uint32_t) v->status);

        if (status == 0) {
                reset(v);
                return;
        }
        if ((added & VIRTIO_STATUS_FEATURES_OK) && !features_fit(v))
                added &= (uint8_t) ~VIRTIO_STATUS_FEATURES_OK;
        if ((added & VIRTIO_STATUS_DRIVER_OK) && !((v->status | added) & VIRTIO_STATUS_FEATURES_OK))
                added &= (uint8_t) ~VIRTIO_STATUS_DRIVER_OK;
        v->status |= added;
        if (added & VIRTIO_STATUS_DRIVER_OK)
                start(v);
}

struct virtio_queue *virtio_queue(const struct virtio_registers *v)
{
        return v->queue_select < v->n_queues ? &v->queues[v->queue_select] : NULL;
}

void virtio_enable_queue(struct virtio_registers *v)
{
        struct virtio_queue *q = virtio_queue(v);
        struct remote_ring ring;

        if (!q || !has_status(v, VIRTIO_STATUS_FEATURES_OK))
                return;
        if (!queue_config_enable(&q->config, has_feature(v, VIRTIO_FEATURE_RING_PACKED)))
                return;
        if (!has_status(v, VIRTIO_STATUS_DRIVER_OK))
                return;
        ring = ring_of(&q->config);
        remote_start_ring(v->remote, v->queue_select, &ring);
        set_runs(v, v->queue_select, true);
}

void virtio_stop_queue(struct virtio_registers *v)
{
        struct virtio_queue *q = virtio_queue(v);

        if (!q || !q->config.enabled)
                return;
        set_runs(v, v->queue_select, false);
        remote_stop_ring(v->remote, v->queue_select);
        queue_config_init(&q->config, remote_queue_size_max(v->remote));
}

void virtio_reset_queue(struct virtio_registers *v)
{
        if (has_feature(v, VIRTIO_FEATURE_RING_RESET))
                virtio_stop_queue(v);
}

void virtio_notify(struct virtio_registers *v, uint32_t queue)
{
        if (queue < v->n_queues && v->queues[queue].runs)
                fd_event_signal(remote_kick_fd(v->remote, (uint16_t) queue));
}

void virtio_route_kick(struct virtio_registers *v, struct monitor *m, uint16_t queue, struct vm_kick *kick, bool on)
{
        int r = 0;

        kick->fd = remote_kick_fd(v->remote, queue);
        if (on)
                r = vm_add_kick(m->vm, kick);
        else
                vm_remove_kick(m->vm, kick);
        if (r == 0 || v->slow_told)
                return;
        log_debug(remote_device(v->remote)->id, "no ioeventfd, so kicks come to the register: %s", strerror(-r));
        v->slow_told = true; /* guests can ask for it again and again */
}
