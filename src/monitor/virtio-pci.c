/* SPDX-License-Identifier: MPL-2.0 */
/*
 * virtio over PCI, modern registers only. All is in one 32-bit memory BAR, a page each:
 *
 *      0x0000 common   0x1000 ISR   0x2000 device configuration
 *      0x3000 notify   4 bytes a queue: an ioeventfd each, so that a kick never comes here
 *      0x4000 MSI-X table (two pages)   0x6000 pending bits
 *
 * Vectors: as many as queues, and one more. There is no INTx pin: it would be a level that the monitor has to raise and
 * lower itself. A driver without MSI-X polls, its rings or the ISR byte, which tells what came since it was last read.
 *
 * Spec: VIRTIO 1.4, 4.1.
 */
#include "monitor/virtio-registers.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "monitor/monitor.h"
#include "monitor/pci.h"
#include "monitor/remote.h"
#include "monitor/spec.h"
#include "monitor/vm.h"
#include "virtio/features.h"

enum page { PAGE_COMMON, PAGE_ISR, PAGE_DEVICE, PAGE_NOTIFY, PAGE_MSIX_TABLE, PAGE_MSIX_TABLE_2, PAGE_MSIX_PENDING };

#define PAGE_BYTES 0x1000
#define BAR_BYTES 0x8000
#define NOTIFY_STEP 4
#define ISR_QUEUE 1
#define ISR_CONFIG 2

/* 4.1.4.3 */
struct common {
        uint32_t device_select, device_feature, driver_select, driver_feature;
        uint16_t config_vector, n_queues;
        uint8_t status, generation;
        uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
        uint64_t queue_address[QUEUE_PARTS];
        uint16_t queue_notify_data, queue_reset, admin_queue, n_admin_queues;
};

_Static_assert(sizeof(struct common) == 64, "laid out as the specification has it");

struct virtio_pci {
        struct pci_function function;
        struct virtio_registers registers;
        struct msix msix; /* source 0: configuration; 1 + i: queue i */
        struct monitor *monitor;
        int config_fd; /* owned eventfd: the interrupt of a configuration change */
        uint8_t msix_at, window_at; /* capabilities in the configuration space */
};

static struct virtio_pci *of_function(struct pci_function *f)
{
        return container_of(f, struct virtio_pci, function);
}

static struct virtio_pci *of_registers(struct virtio_registers *v)
{
        return container_of(v, struct virtio_pci, registers);
}

/* Kicks. */

static void route_kick(struct virtio_pci *d, uint16_t queue, bool on)
{
        struct vm_kick kick = {
                .address = d->function.mapped_at + PAGE_NOTIFY * PAGE_BYTES + queue * (uint64_t) NOTIFY_STEP,
        };

        virtio_route_kick(&d->registers, d->monitor, queue, &kick, on);
}

static void ring_runs(struct virtio_registers *v, uint16_t queue, bool runs)
{
        struct virtio_pci *d = of_registers(v);

        if (d->function.mapped)
                route_kick(d, queue, runs);
}

static void bar_moved(struct pci_function *f, bool mapped, gpa_t at)
{
        struct virtio_pci *d = of_function(f);

        for (uint16_t i = 0; i < d->registers.n_queues; i++)
                if (d->registers.queues[i].runs)
                        route_kick(d, i, mapped);
}

/* Interrupts. */

static void config_interrupt(struct virtio_registers *v)
{
        fd_event_signal(of_registers(v)->config_fd);
}

static void reset(struct virtio_registers *v)
{
        msix_forget_vectors(&of_registers(v)->msix);
}

static const struct virtio_registers_ops registers_ops = {
        .ring_runs = ring_runs,
        .config_interrupt = config_interrupt,
        .reset = reset,
};

/* Without MSI-X interrupts gather in the eventfds until the driver looks. */
static uint8_t read_isr(struct virtio_pci *d)
{
        uint8_t isr = 0;

        if (d->msix.enabled)
                return 0;
        if (fd_event_take(d->config_fd) > 0)
                isr |= ISR_CONFIG;
        for (uint16_t i = 0; i < d->registers.n_queues; i++)
                if (fd_event_take(remote_call_fd(d->registers.remote, i)) > 0)
                        isr |= ISR_QUEUE;
        return isr;
}

static void common_read(const struct virtio_pci *d, uint64_t offset, void *buf, unsigned n_bytes)
{
        const struct virtio_registers *v = &d->registers;
        const struct virtio_queue *q = virtio_queue(v);
        struct common c = {
                .device_select = v->device_select,
                .device_feature = virtio_device_feature(v),
                .driver_select = v->driver_select,
                .driver_feature = virtio_driver_feature(v),
                .config_vector = msix_vector(&d->msix, 0),
                .n_queues = v->n_queues,
                .status = v->status,
                .generation = (uint8_t) v->generation,
                .queue_select = v->queue_select,
                .queue_vector = MSIX_NO_VECTOR,
        };

        if (q) {
                c.queue_size = q->config.size;
                c.queue_vector = msix_vector(&d->msix, (uint16_t) (1 + v->queue_select));
                c.queue_enable = q->config.enabled;
                c.queue_notify_off = v->queue_select;
                memcpy(c.queue_address, q->config.address, sizeof(c.queue_address));
        }
        memset(buf, 0, n_bytes);
        if (offset < sizeof(c))
                memcpy(buf, (const char *) &c + offset, MIN((size_t) n_bytes, sizeof(c) - offset));
}

static void queue_write(struct virtio_pci *d, uint64_t offset, unsigned n_bytes, uint64_t value)
{
        struct virtio_registers *v = &d->registers;
        struct virtio_queue *q = virtio_queue(v);

        if (!q)
                return;
        if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset < VIRTIO_PCI_COMMON_Q_NDATA) {
                uint64_t at = offset - VIRTIO_PCI_COMMON_Q_DESCLO;

                (void) queue_config_set_address(&q->config, (enum queue_part) (at / 8), at % 8, n_bytes, value);
                return;
        }
        if (n_bytes != 2)
                return;
        if (offset == VIRTIO_PCI_COMMON_Q_SIZE)
                (void) queue_config_set_size(&q->config, value);
        else if (offset == VIRTIO_PCI_COMMON_Q_MSIX) /* no part of the ring: some drivers enable the queue first */
                (void) msix_set_vector(&d->msix, (uint16_t) (1 + v->queue_select), (uint16_t) value);
        else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE && value == 1)
                virtio_enable_queue(v);
        else if (offset == VIRTIO_PCI_COMMON_Q_RESET && value == 1)
                virtio_reset_queue(v);
}

/* A register is written whole, or a 64-bit one in halves: whatever else comes changes nothing. */
static void common_write(struct virtio_pci *d, uint64_t offset, unsigned n_bytes, uint64_t value)
{
        struct virtio_registers *v = &d->registers;

        switch (offset << 4 | n_bytes) {
        case VIRTIO_PCI_COMMON_DFSELECT << 4 | 4:
                v->device_select = (uint32_t) value;
                break;
        case VIRTIO_PCI_COMMON_GFSELECT << 4 | 4:
                v->driver_select = (uint32_t) value;
                break;
        case VIRTIO_PCI_COMMON_GF << 4 | 4:
                virtio_set_driver_feature(v, (uint32_t) value);
                break;
        case VIRTIO_PCI_COMMON_MSIX << 4 | 2:
                (void) msix_set_vector(&d->msix, 0, (uint16_t) value);
                break;
        case VIRTIO_PCI_COMMON_STATUS << 4 | 1:
                virtio_set_status(v, (uint8_t) value);
                break;
        case VIRTIO_PCI_COMMON_Q_SELECT << 4 | 2:
                v->queue_select = (uint16_t) value;
                break;
        default:
                queue_write(d, offset, n_bytes, value);
        }
}

/* The BAR. */

static void bar_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        struct virtio_pci *d = of_function(data);
        uint64_t at = offset % PAGE_BYTES;

        memset(buf, 0, n_bytes);
        switch (offset / PAGE_BYTES) {
        case PAGE_COMMON:
                common_read(d, at, buf, n_bytes);
                break;
        case PAGE_ISR:
                if (at == 0)
                        *(uint8_t *) buf = read_isr(d);
                break;
        case PAGE_DEVICE:
                remote_config_read(d->registers.remote, at, buf, n_bytes);
                break;
        case PAGE_MSIX_TABLE:
        case PAGE_MSIX_TABLE_2:
                msix_table_read(&d->msix, offset - PAGE_MSIX_TABLE * PAGE_BYTES, buf, n_bytes);
                break;
        case PAGE_MSIX_PENDING:
                msix_pending_read(&d->msix, at, buf, n_bytes);
                break;
        }
}

static void bar_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct virtio_pci *d = of_function(data);
        uint64_t at = offset % PAGE_BYTES, value = 0;

        memcpy(&value, buf, MIN(n_bytes, (unsigned) sizeof(value)));
        switch (offset / PAGE_BYTES) {
        case PAGE_COMMON:
                common_write(d, at, n_bytes, value);
                break;
        case PAGE_DEVICE:
                remote_config_write(d->registers.remote, at, buf, n_bytes);
                break;
        case PAGE_NOTIFY:
                virtio_notify(&d->registers, (uint32_t) (at / NOTIFY_STEP));
                break;
        case PAGE_MSIX_TABLE:
        case PAGE_MSIX_TABLE_2:
                msix_table_write(&d->msix, offset - PAGE_MSIX_TABLE * PAGE_BYTES, buf, n_bytes);
                break;
        }
}

/* The window of 4.1.4.9: a word of the configuration space through which the BAR is reached. */

#define WINDOW_DATA (sizeof(struct virtio_pci_cap))

/* Return: true if the driver set it to a register; pci.c sees to it that an access is within 4 bytes. */
static bool window(const struct virtio_pci *d, unsigned offset, unsigned n_bytes, uint32_t *ret_at, uint32_t *ret_n)
{
        struct virtio_pci_cap cap;

        memcpy(&cap, d->function.config + d->window_at, sizeof(cap));
        if (offset != d->window_at + WINDOW_DATA || n_bytes < cap.length || cap.bar != 0)
                return false;
        if ((cap.length != 1 && cap.length != 2 && cap.length != 4) || cap.offset % cap.length != 0)
                return false;
        *ret_at = cap.offset;
        *ret_n = cap.length;
        return range_fits(cap.offset, cap.length, BAR_BYTES);
}

static void config_reads(struct pci_function *f, unsigned offset, unsigned n_bytes)
{
        struct virtio_pci *d = of_function(f);
        uint32_t at, n;

        if (window(d, offset, n_bytes, &at, &n))
                bar_read(f, at, f->config + offset, n);
}

static void config_written(struct pci_function *f, unsigned offset, unsigned n_bytes)
{
        struct virtio_pci *d = of_function(f);
        uint32_t at, n;

        if (offset < d->msix_at + 4U && offset + n_bytes > d->msix_at) {
                uint8_t control = f->config[d->msix_at + PCI_MSIX_FLAGS + 1];

                msix_set_control(&d->msix, control & (PCI_MSIX_FLAGS_ENABLE >> 8),
                                 control & (PCI_MSIX_FLAGS_MASKALL >> 8));
        }
        if (window(d, offset, n_bytes, &at, &n))
                bar_write(f, at, f->config + offset, n);
}

static const struct pci_function_ops function_ops = {
        .config_reads = config_reads,
        .config_written = config_written,
        .bar_read = bar_read,
        .bar_write = bar_write,
        .bar_moved = bar_moved,
};

static void add_capability(struct pci_function *f, uint8_t type, enum page page, uint32_t n_bytes)
{
        struct virtio_pci_notify_cap cap = {
                .cap = { .cap_vndr = PCI_CAP_ID_VNDR, .cap_len = sizeof(cap.cap), .cfg_type = type,
                         .offset = page * PAGE_BYTES, .length = n_bytes },
                .notify_off_multiplier = NOTIFY_STEP,
        };

        if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
                cap.cap.cap_len = sizeof(cap);
        (void) pci_add_capability(f, &cap, cap.cap.cap_len);
}

static void add_window(struct virtio_pci *d)
{
        struct pci_function *f = &d->function;
        struct virtio_pci_cfg_cap cap = { .cap = { .cap_vndr = PCI_CAP_ID_VNDR, .cap_len = sizeof(cap),
                                                   .cfg_type = VIRTIO_PCI_CAP_PCI_CFG } };

        d->window_at = pci_add_capability(f, &cap, sizeof(cap));
        f->mask[d->window_at + VIRTIO_PCI_CAP_BAR] = 0xff;
        memset(f->mask + d->window_at + VIRTIO_PCI_CAP_OFFSET, 0xff, sizeof(cap) - VIRTIO_PCI_CAP_OFFSET);
}

static void add_msix(struct virtio_pci *d)
{
        struct __attribute__((packed)) {
                uint8_t id, next;
                uint16_t control;
                uint32_t table, pending;
        } cap = { .id = PCI_CAP_ID_MSIX, .control = (uint16_t) (d->msix.n_vectors - 1),
                  .table = PAGE_MSIX_TABLE * PAGE_BYTES, .pending = PAGE_MSIX_PENDING * PAGE_BYTES };

        d->msix_at = pci_add_capability(&d->function, &cap, sizeof(cap));
        d->function.mask[d->msix_at + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
}

/* What tools show of a function before a driver knows it; no driver needs it. */
static uint32_t class_of(uint32_t virtio_id)
{
        static const uint32_t classes[] = { [VIRTIO_ID_NET_DEVICE] = 0x020000, [VIRTIO_ID_BLK_DEVICE] = 0x010000,
                                            [VIRTIO_ID_CONSOLE_DEVICE] = 0x078000, [VIRTIO_ID_GPU_DEVICE] = 0x038000,
                                            [VIRTIO_ID_INPUT_DEVICE] = 0x098000, [VIRTIO_ID_SOUND_DEVICE] = 0x040100 };

        return virtio_id < ARRAY_SIZE(classes) && classes[virtio_id] ? classes[virtio_id] : 0x00ff00;
}

static void init_function(struct virtio_pci *d, uint32_t virtio_id)
{
        struct pci_function *f = &d->function;

        f->ops = &function_ops;
        f->bar_bytes = BAR_BYTES;
        pci_function_init(f, &(struct pci_id) { .vendor = 0x1af4, .device = (uint16_t) (0x1040 + virtio_id),
                                                .subsystem_vendor = 0x1af4, .subsystem = 0x1100, .revision = 1,
                                                .class_code = class_of(virtio_id) });
        add_msix(d);
        add_window(d);
        add_capability(f, VIRTIO_PCI_CAP_NOTIFY_CFG, PAGE_NOTIFY, d->registers.n_queues * NOTIFY_STEP);
        add_capability(f, VIRTIO_PCI_CAP_DEVICE_CFG, PAGE_DEVICE, PAGE_BYTES);
        add_capability(f, VIRTIO_PCI_CAP_ISR_CFG, PAGE_ISR, 1);
        add_capability(f, VIRTIO_PCI_CAP_COMMON_CFG, PAGE_COMMON, sizeof(struct common));
}

static int init_interrupts(struct virtio_pci *d, uint8_t slot)
{
        uint16_t n = (uint16_t) (d->registers.n_queues + 1);
        int fds[REMOTE_RINGS_MAX + 1];

        d->config_fd = fd_event();
        if (d->config_fd < 0)
                return d->config_fd;
        fds[0] = d->config_fd;
        for (uint16_t i = 1; i < n; i++)
                fds[i] = remote_call_fd(d->registers.remote, (uint16_t) (i - 1));
        return msix_init(&d->msix, d->monitor->vm, (uint32_t) slot << 3, n, fds, n);
}

int virtio_pci_new(struct monitor *m, struct pci *pci, uint8_t slot, struct remote *remote, struct virtio_pci **ret)
{
        struct virtio_pci *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->monitor = m;
        d->config_fd = -1;
        r = virtio_registers_init(&d->registers, remote, &registers_ops);
        if (r == 0)
                r = init_interrupts(d, slot);
        if (r == 0) {
                init_function(d, remote_device(remote)->virtio_id);
                r = pci_add(pci, &d->function, slot);
        }
        if (r < 0) {
                (void) virtio_pci_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

struct virtio_pci *virtio_pci_free(struct virtio_pci *d)
{
        if (!d)
                return NULL;
        pci_remove(&d->function);
        msix_deinit(&d->msix);
        virtio_registers_deinit(&d->registers);
        fd_close(&d->config_fd);
        free(d);
        return NULL;
}
