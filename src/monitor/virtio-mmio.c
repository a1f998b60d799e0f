/* SPDX-License-Identifier: MPL-2.0 */
/*
 * virtio over MMIO, version 2. Kicks are ioeventfds that match the queue's number; all queues share one eventfd for
 * their interrupts, which is the line itself.
 *
 * The interrupt passes the monitor by, so InterruptStatus cannot tell whether a queue asked for it: while rings run it
 * always says that one may have. A driver that looks at its rings in vain loses a moment; the interrupt is an edge, so
 * none comes again by itself.
 *
 * Spec: VIRTIO 1.4, 4.2.2.
 */
#include "monitor/virtio-registers.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/monitor.h"
#include "monitor/remote.h"
#include "monitor/spec.h"
#include "monitor/vm.h"
#include "virtio/features.h"

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x554d4551 /* as QEMU's, so that no driver sees a difference */
#define QUEUE_RESET 0x0c0 /* younger than the header of older kernels */

struct virtio_mmio {
        struct virtio_registers registers;
        struct monitor *monitor; /* borrowed */
        gpa_t start;
        unsigned line;
        bool config_changed; /* InterruptStatus bit 1, until acknowledged */
};

static struct virtio_mmio *of_registers(struct virtio_registers *v)
{
        return container_of(v, struct virtio_mmio, registers);
}

static void ring_runs(struct virtio_registers *v, uint16_t queue, bool runs)
{
        struct virtio_mmio *d = of_registers(v);
        struct vm_kick kick = { .address = d->start + VIRTIO_MMIO_QUEUE_NOTIFY, .n_bytes = 4, .match = true,
                                .value = queue };

        virtio_route_kick(v, d->monitor, queue, &kick, runs);
}

static void config_interrupt(struct virtio_registers *v)
{
        of_registers(v)->config_changed = true;
        fd_event_signal(remote_call_fd(v->remote, 0));
}

static void reset(struct virtio_registers *v)
{
        of_registers(v)->config_changed = false;
}

static const struct virtio_registers_ops registers_ops = {
        .ring_runs = ring_runs,
        .config_interrupt = config_interrupt,
        .reset = reset,
};

static uint32_t interrupt_status(const struct virtio_mmio *d)
{
        uint32_t status = d->config_changed ? VIRTIO_MMIO_INT_CONFIG : 0;

        for (uint16_t i = 0; i < d->registers.n_queues; i++)
                if (d->registers.queues[i].runs)
                        status |= VIRTIO_MMIO_INT_VRING;
        return status;
}

static uint32_t register_read(const struct virtio_mmio *d, uint64_t offset)
{
        const struct virtio_registers *v = &d->registers;
        const struct virtio_queue *q = virtio_queue(v);

        switch (offset) {
        case VIRTIO_MMIO_MAGIC_VALUE:
                return MAGIC;
        case VIRTIO_MMIO_VERSION:
                return VERSION;
        case VIRTIO_MMIO_DEVICE_ID:
                return remote_device(v->remote)->virtio_id;
        case VIRTIO_MMIO_VENDOR_ID:
                return VENDOR;
        case VIRTIO_MMIO_DEVICE_FEATURES:
                return virtio_device_feature(v);
        case VIRTIO_MMIO_QUEUE_NUM_MAX:
                return q ? q->config.size_max : 0;
        case VIRTIO_MMIO_QUEUE_READY:
                return q && q->config.enabled;
        case VIRTIO_MMIO_INTERRUPT_STATUS:
                return interrupt_status(d);
        case VIRTIO_MMIO_STATUS:
                return v->status;
        case VIRTIO_MMIO_CONFIG_GENERATION:
                return v->generation;
        case VIRTIO_MMIO_SHM_LEN_LOW ... VIRTIO_MMIO_SHM_BASE_HIGH: /* no shared memory: a length of all ones */
                return UINT32_MAX;
        default:
                return 0;
        }
}

static void mmio_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        const struct virtio_mmio *d = data;
        uint32_t value;

        memset(buf, 0, n_bytes);
        if (offset >= VIRTIO_MMIO_CONFIG) {
                remote_config_read(d->registers.remote, offset - VIRTIO_MMIO_CONFIG, buf, n_bytes);
        } else if (n_bytes == 4 && offset % 4 == 0) {
                value = register_read(d, offset);
                memcpy(buf, &value, sizeof(value));
        }
}

/* The three addresses are 16 bytes apart, low half first. */
static void address_write(struct virtio_mmio *d, uint64_t offset, uint32_t value)
{
        struct virtio_queue *q = virtio_queue(&d->registers);
        uint64_t at = offset - VIRTIO_MMIO_QUEUE_DESC_LOW;

        if (q && offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset <= VIRTIO_MMIO_QUEUE_USED_HIGH && at % 16 < 8)
                (void) queue_config_set_address(&q->config, (enum queue_part) (at / 16), at % 16, 4, value);
}

static void queue_write(struct virtio_mmio *d, uint64_t offset, uint32_t value)
{
        struct virtio_registers *v = &d->registers;
        struct virtio_queue *q = virtio_queue(v);

        switch (offset) {
        case VIRTIO_MMIO_QUEUE_SEL:
                v->queue_select = (uint16_t) MIN(value, (uint32_t) UINT16_MAX);
                break;
        case VIRTIO_MMIO_QUEUE_NUM:
                if (q)
                        (void) queue_config_set_size(&q->config, value);
                break;
        case VIRTIO_MMIO_QUEUE_READY:
                if (value == 1)
                        virtio_enable_queue(v);
                else if (value == 0)
                        virtio_stop_queue(v);
                break;
        case QUEUE_RESET:
                if (value == 1)
                        virtio_reset_queue(v);
                break;
        case VIRTIO_MMIO_QUEUE_NOTIFY:
                virtio_notify(v, value);
                break;
        default:
                address_write(d, offset, value);
        }
}

static void register_write(struct virtio_mmio *d, uint64_t offset, uint32_t value)
{
        struct virtio_registers *v = &d->registers;

        switch (offset) {
        case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
                v->device_select = value;
                break;
        case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
                v->driver_select = value;
                break;
        case VIRTIO_MMIO_DRIVER_FEATURES:
                virtio_set_driver_feature(v, value);
                break;
        case VIRTIO_MMIO_INTERRUPT_ACK:
                if (value & VIRTIO_MMIO_INT_CONFIG)
                        d->config_changed = false;
                break;
        case VIRTIO_MMIO_STATUS:
                virtio_set_status(v, value);
                break;
        default:
                queue_write(d, offset, value);
        }
}

static void mmio_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct virtio_mmio *d = data;
        uint32_t value;

        if (offset >= VIRTIO_MMIO_CONFIG) {
                remote_config_write(d->registers.remote, offset - VIRTIO_MMIO_CONFIG, buf, n_bytes);
        } else if (n_bytes == 4 && offset % 4 == 0) {
                memcpy(&value, buf, sizeof(value));
                register_write(d, offset, value);
        }
}

int virtio_mmio_new(struct monitor *m, unsigned slot, struct remote *remote, struct virtio_mmio **ret)
{
        struct virtio_mmio *d = calloc(1, sizeof(*d));
        struct bus_range range = { .size_bytes = MMIO_SLOT_BYTES, .read = mmio_read,
                                   .write = mmio_write, .data = d };
        int r;

        if (!d)
                return -ENOMEM;
        range.start = d->start = layout.mmio_slots + slot * (gpa_t) MMIO_SLOT_BYTES;
        d->line = layout.mmio_line + slot;
        d->monitor = m;
        remote_share_calls(remote);
        r = virtio_registers_init(&d->registers, remote, &registers_ops);
        if (r == 0)
                r = vm_attach_line(m->vm, d->line, remote_call_fd(remote, 0));
        if (r < 0) {
                virtio_registers_deinit(&d->registers);
                free(d);
                return r;
        }
        r = bus_add(&m->mmio, &range);
        if (r < 0) {
                (void) virtio_mmio_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

struct virtio_mmio *virtio_mmio_free(struct virtio_mmio *d)
{
        if (!d)
                return NULL;
        for (uint16_t i = 0; i < d->registers.n_queues; i++)
                if (d->registers.queues[i].runs)
                        ring_runs(&d->registers, i, false);
        bus_remove(&d->monitor->mmio, d->start);
        vm_detach_line(d->monitor->vm, d->line, remote_call_fd(d->registers.remote, 0));
        virtio_registers_deinit(&d->registers);
        free(d);
        return NULL;
}
