/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/pci.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/monitor.h"

#define ECAM_FUNCTION_BYTES 0x1000
#define FUNCTIONS_A_SLOT 8
#define COMMAND_WRITABLE                                                                                       \
        (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

/* As QEMU's generic bridge, so that no driver sees a difference. */
static const struct pci_id bridge_id = {
        .vendor = 0x1b36, .device = 0x0008, .subsystem_vendor = 0x1af4, .subsystem = 0x1100, .class_code = 0x060000,
};

struct pci {
        struct monitor *monitor;               /* borrowed */
        struct pci_function *slots[PCI_SLOTS]; /* borrowed; NULL: empty */
        struct pci_function bridge;
};

static uint16_t get16(const struct pci_function *f, unsigned at)
{
        return (uint16_t) (f->config[at] | f->config[at + 1] << 8);
}

static void put(uint8_t *bytes, unsigned at, uint32_t value, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                bytes[at + i] = (uint8_t) (value >> (8 * i));
}

static uint32_t bar_address(const struct pci_function *f)
{
        return (uint32_t) (get16(f, PCI_BASE_ADDRESS_0) | (uint32_t) get16(f, PCI_BASE_ADDRESS_0 + 2) << 16);
}

void pci_function_init(struct pci_function *f, const struct pci_id *id)
{
        put(f->config, PCI_VENDOR_ID, id->vendor, 2);
        put(f->config, PCI_DEVICE_ID, id->device, 2);
        put(f->config, PCI_CLASS_REVISION, id->class_code << 8 | id->revision, 4);
        put(f->config, PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor, 2);
        put(f->config, PCI_SUBSYSTEM_ID, id->subsystem, 2);
        put(f->mask, PCI_COMMAND, COMMAND_WRITABLE, 2);
        put(f->mask, PCI_CACHE_LINE_SIZE, 0xff, 1);
        put(f->mask, PCI_INTERRUPT_LINE, 0xff, 1);
        if (f->bar_bytes > 0)
                put(f->mask, PCI_BASE_ADDRESS_0, ~(f->bar_bytes - 1), 4);
        f->next_capability = PCI_STD_HEADER_SIZEOF;
        f->last_link = PCI_CAPABILITY_LIST;
}

uint8_t pci_add_capability(struct pci_function *f, const void *capability, uint8_t n_bytes)
{
        uint8_t at = f->next_capability;

        assert(at + n_bytes <= PCI_CONFIG_BYTES);
        memcpy(f->config + at, capability, n_bytes);
        f->config[at + PCI_CAP_LIST_NEXT] = 0;
        f->config[f->last_link] = at;
        f->last_link = (uint8_t) (at + PCI_CAP_LIST_NEXT);
        f->next_capability = (uint8_t) ((at + n_bytes + 3) & ~3);
        put(f->config, PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
        return at;
}

static void unmap(struct pci_function *f)
{
        if (!f->mapped)
                return;
        f->ops->bar_moved(f, false, f->mapped_at);
        bus_remove(&f->pci->monitor->mmio, f->mapped_at);
        f->mapped = false;
}

/* A BAR that lies over other registers answers nowhere. So does one at 0, or at the end while its size is asked for. */
static void map(struct pci_function *f, uint32_t at)
{
        struct bus_range range = { .start = at, .size_bytes = f->bar_bytes, .read = f->ops->bar_read,
                                   .write = f->ops->bar_write, .data = f };

        if (at == 0 || at == ~(f->bar_bytes - 1) || bus_add(&f->pci->monitor->mmio, &range) < 0)
                return;
        f->mapped = true;
        f->mapped_at = at;
        f->ops->bar_moved(f, true, at);
}

static void update_bar(struct pci_function *f)
{
        bool wanted = get16(f, PCI_COMMAND) & PCI_COMMAND_MEMORY;
        uint32_t at = bar_address(f);

        if (f->bar_bytes == 0 || (f->mapped && wanted && f->mapped_at == at))
                return;
        unmap(f);
        if (wanted)
                map(f, at);
}

static void config_write(struct pci_function *f, unsigned offset, const uint8_t *bytes, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++) {
                uint8_t mask = f->mask[offset + i];

                f->config[offset + i] = (uint8_t) ((f->config[offset + i] & ~mask) | (bytes[i] & mask));
        }
        if (offset < PCI_BASE_ADDRESS_1)
                update_bar(f);
        if (f->ops && f->ops->config_written)
                f->ops->config_written(f, offset, n_bytes);
}

/* Functions have no extended configuration space. Return: NULL if nobody answers. */
static struct pci_function *find(struct pci *p, uint64_t offset, unsigned n_bytes, unsigned *ret_offset)
{
        uint64_t function = offset / ECAM_FUNCTION_BYTES;

        *ret_offset = (unsigned) (offset % ECAM_FUNCTION_BYTES);
        if (!range_fits(*ret_offset, n_bytes, PCI_CONFIG_BYTES) || function % FUNCTIONS_A_SLOT != 0)
                return NULL;
        function /= FUNCTIONS_A_SLOT;
        return function < PCI_SLOTS ? p->slots[function] : NULL;
}

static void ecam_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        unsigned at;
        struct pci_function *f = find(data, offset, n_bytes, &at);

        if (!f) {
                memset(buf, 0xff, n_bytes);
                return;
        }
        if (f->ops && f->ops->config_reads)
                f->ops->config_reads(f, at, n_bytes);
        memcpy(buf, f->config + at, n_bytes);
}

static void ecam_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        unsigned at;
        struct pci_function *f = find(data, offset, n_bytes, &at);

        if (f)
                config_write(f, at, buf, n_bytes);
}

int pci_new(struct monitor *m, struct pci **ret)
{
        struct bus_range range = { .start = layout.ecam, .size_bytes = layout.ecam_bytes,
                                   .read = ecam_read, .write = ecam_write };
        struct pci *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->monitor = m;
        pci_function_init(&p->bridge, &bridge_id);
        p->slots[0] = &p->bridge;
        range.data = p;
        r = bus_add(&m->mmio, &range);
        if (r < 0) {
                free(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct pci *pci_free(struct pci *p)
{
        if (!p)
                return NULL;
        bus_remove(&p->monitor->mmio, layout.ecam);
        free(p);
        return NULL;
}

int pci_add(struct pci *p, struct pci_function *f, uint8_t slot)
{
        uint64_t offset = (uint64_t) slot * f->bar_bytes;

        if (slot >= PCI_SLOTS || p->slots[slot])
                return -EBUSY;
        if (!range_fits(offset, f->bar_bytes, layout.pci_window_bytes))
                return -ENOSPC;
        put(f->config, PCI_BASE_ADDRESS_0, (uint32_t) (layout.pci_window + offset), 4);
        f->pci = p;
        f->slot = slot;
        p->slots[slot] = f;
        return 0;
}

void pci_remove(struct pci_function *f)
{
        if (!f->pci)
                return;
        unmap(f);
        f->pci->slots[f->slot] = NULL;
        f->pci = NULL;
}
