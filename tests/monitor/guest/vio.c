/* SPDX-License-Identifier: MPL-2.0 */
/* Registers of virtio devices. Spec: VIRTIO 1.4, 4.1.4 (PCI), 4.2.2 (MMIO), 2.7 (split ring), 3.1 (initialisation). */
#include "vio.h"

#include "guest.h"

struct vio vio_devices[VIO_DEVICES_MAX];
unsigned n_vio_devices;
static struct queue_memory queue_memories[VIO_DEVICES_MAX];

/* Offset of the same register in both transports. */
static uint32_t get(struct vio *v, unsigned pci, unsigned n_bytes, unsigned mmio)
{
        return (uint32_t) (v->pci ? load(v->common + pci, n_bytes) : load(v->mmio + mmio, 4));
}

static void set(struct vio *v, unsigned pci, unsigned n_bytes, unsigned mmio, uint32_t value)
{
        if (v->pci)
                store(v->common + pci, n_bytes, value);
        else
                store(v->mmio + mmio, 4, value);
}

uint8_t vio_status(struct vio *v) { return (uint8_t) get(v, 0x14, 1, 0x70); }

void vio_set_status(struct vio *v, uint8_t status) { set(v, 0x14, 1, 0x70, status); }

bool vio_reset(struct vio *v)
{
        uint64_t end = milliseconds() + 10000;

        vio_set_status(v, 0);
        while (vio_status(v) != 0)
                if (milliseconds() > end)
                        return false;
        return true;
}

uint64_t vio_offered(struct vio *v)
{
        uint64_t low;

        set(v, 0, 4, 0x14, 0);
        low = get(v, 4, 4, 0x10);
        set(v, 0, 4, 0x14, 1);
        return low | (uint64_t) get(v, 4, 4, 0x10) << 32;
}

void vio_accept(struct vio *v, uint64_t features)
{
        set(v, 8, 4, 0x24, 0);
        set(v, 0xc, 4, 0x20, (uint32_t) features);
        set(v, 8, 4, 0x24, 1);
        set(v, 0xc, 4, 0x20, (uint32_t) (features >> 32));
}

void vio_select(struct vio *v, uint32_t queue) { set(v, 0x16, 2, 0x30, queue); }

uint32_t vio_queue_size(struct vio *v) { return get(v, 0x18, 2, 0x34); }

void vio_set_queue_size(struct vio *v, uint32_t size) { set(v, 0x18, 2, 0x38, size); }

void vio_set_queue_address(struct vio *v, unsigned which, uint64_t address)
{
        set(v, 0x20 + 8 * which, 4, 0x80 + 0x10 * which, (uint32_t) address);
        set(v, 0x24 + 8 * which, 4, 0x84 + 0x10 * which, (uint32_t) (address >> 32));
}

void vio_set_queue_addresses(struct vio *v, uint64_t desc, uint64_t avail, uint64_t used)
{
        vio_set_queue_address(v, QUEUE_DESC, desc);
        vio_set_queue_address(v, QUEUE_AVAIL, avail);
        vio_set_queue_address(v, QUEUE_USED, used);
}

uint32_t vio_enabled(struct vio *v) { return get(v, 0x1c, 2, 0x44); }

void vio_enable(struct vio *v, uint32_t value) { set(v, 0x1c, 2, 0x44, value); }

uint32_t vio_queue_reset(struct vio *v) { return get(v, 0x3a, 2, 0xc0); }

void vio_set_queue_reset(struct vio *v, uint32_t value) { set(v, 0x3a, 2, 0xc0, value); }

void vio_notify(struct vio *v, uint16_t queue)
{
        barrier();
        if (v->pci) {
                vio_select(v, queue);
                store(v->notify + load(v->common + 0x1e, 2) * v->notify_multiplier, 2, queue);
        } else
                store(v->mmio + 0x50, 4, queue);
}

void vio_negotiate(struct vio *v, uint64_t wanted)
{
        vio_set_status(v, STATUS_ACKNOWLEDGE);
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        v->features = vio_offered(v) & (F_VERSION_1 | wanted);
        vio_accept(v, v->features);
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
}

void vio_setup_queue(struct vio *v)
{
        struct queue_memory *q = v->q;

        *q = (struct queue_memory){ .avail_flags = 1 };
        v->used_seen = 0;
        vio_select(v, 0);
        if (v->pci)
                v->notify_offset = load(v->common + 0x1e, 2) * v->notify_multiplier;
        vio_set_queue_size(v, QUEUE_SIZE);
        vio_set_queue_addresses(v, (uintptr_t) q->desc, (uintptr_t) &q->avail_flags, (uintptr_t) &q->used_flags);
        vio_enable(v, 1);
}

bool vio_start(struct vio *v, uint64_t wanted)
{
        if (!vio_reset(v))
                return false;
        vio_negotiate(v, wanted);
        vio_setup_queue(v);
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
        return vio_status(v) == (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

unsigned vio_put_request(struct vio *v, unsigned slot)
{
        struct queue_memory *q = v->q;
        struct desc *d = &q->desc[slot];

        if (v->id == ID_RNG) {
                d[0] = (struct desc){ (uintptr_t) q->data, 64, DESC_WRITE, 0 };
                return slot;
        }
        q->header.type = 0;
        q->header.sector = 0;
        d[0] = (struct desc){ (uintptr_t) &q->header, sizeof(q->header), DESC_NEXT, (uint16_t) (slot + 1) };
        d[1] = (struct desc){ (uintptr_t) q->data, sizeof(q->data), DESC_NEXT | DESC_WRITE, (uint16_t) (slot + 2) };
        d[2] = (struct desc){ (uintptr_t) &q->status, 1, DESC_WRITE, 0 };
        return slot;
}

void vio_put(struct vio *v, uint16_t head)
{
        struct queue_memory *q = v->q;

        q->avail[q->avail_index % QUEUE_SIZE] = head;
        barrier();
        q->avail_index++;
}

bool vio_wait_used(struct vio *v, unsigned n, unsigned timeout_ms)
{
        uint64_t end = milliseconds() + timeout_ms;

        while ((uint16_t) (v->q->used_index - v->used_seen) < n)
                if (milliseconds() > end)
                        return false;
        barrier();
        v->used_seen = (uint16_t) (v->used_seen + n);
        return true;
}

bool vio_wait_status(struct vio *v, uint8_t bits, unsigned timeout_ms)
{
        uint64_t end = milliseconds() + timeout_ms;

        while (!(vio_status(v) & bits))
                if (milliseconds() > end)
                        return false;
        return true;
}

bool vio_request(struct vio *v)
{
        struct queue_memory *q = v->q;
        unsigned n_zero = 0;
        uint32_t length;

        for (unsigned i = 0; i < sizeof(q->data); i++)
                q->data[i] = 0;
        q->status = 0xff;
        vio_put(v, (uint16_t) vio_put_request(v, 0));
        barrier();
        store(v->pci ? v->notify + v->notify_offset : v->mmio + 0x50, v->pci ? 2 : 4, 0);
        if (!vio_wait_used(v, 1, 10000))
                return false;
        length = q->used[(v->used_seen - 1) % QUEUE_SIZE].length;
        if (v->id == ID_BLK) /* the image's first sector says what it is */
                return q->status == 0 && length == 513 && q->data[0] == 'B' && q->data[5] == 'r' &&
                       q->data[511] == 0x55;
        for (unsigned i = 0; i < 64; i++)
                n_zero += q->data[i] == 0;
        return length == 64 && n_zero < 32;
}

bool vio_interrupts(struct vio *v)
{
        unsigned index = (unsigned) (v - vio_devices);
        uint64_t end;
        bool came;

        if (!arch_route_interrupt(v, index))
                return true;
        (void) arch_take_interrupt(v, index);
        v->q->avail_flags = 0;
        came = vio_request(v);
        for (end = milliseconds() + 10000; came && !arch_take_interrupt(v, index);)
                came = milliseconds() < end;
        v->q->avail_flags = 1;
        arch_unroute_interrupt(v, index);
        return came;
}

bool vio_others_work(struct vio *but)
{
        for (unsigned i = 0; i < n_vio_devices; i++)
                if (&vio_devices[i] != but && !vio_request(&vio_devices[i])) {
                        print("# %s no longer works, status %x\n", vio_devices[i].name, vio_status(&vio_devices[i]));
                        return false;
                }
        return true;
}

static unsigned mmio_find(struct vio *into, unsigned n_max)
{
        unsigned n = 0;

        for (unsigned i = 0; i < board.n_mmio_slots && n < n_max; i++) {
                uint64_t base = board.mmio_slots + i * board.mmio_stride;
                uint64_t id;

                if (load(base, 4) != 0x74726976 || load(base + 4, 4) != 2)
                        continue;
                id = load(base + 8, 4);
                if (id == ID_RNG || id == ID_BLK)
                        into[n++] = (struct vio){ .id = (uint16_t) id,
                                                  .mmio = base,
                                                  .slot = i,
                                                  .config = base + 0x100,
                                                  .config_bytes = (unsigned) board.mmio_stride - 0x100 };
        }
        return n;
}

static void name_device(struct vio *v, unsigned number)
{
        const char *words = v->id == ID_RNG ? v->pci ? "rng-pci-" : "rng-mmio-" : v->pci ? "blk-pci-" : "blk-mmio-";
        unsigned n = 0;

        while (words[n]) {
                v->name[n] = words[n];
                n++;
        }
        v->name[n] = (char) ('0' + number % 10);
}

void vio_find(void)
{
        n_vio_devices = pci_find(vio_devices, VIO_DEVICES_MAX);
        n_vio_devices += mmio_find(vio_devices + n_vio_devices, VIO_DEVICES_MAX - n_vio_devices);
        for (unsigned i = 0; i < n_vio_devices; i++) {
                vio_devices[i].q = &queue_memories[i];
                name_device(&vio_devices[i], i);
        }
}
