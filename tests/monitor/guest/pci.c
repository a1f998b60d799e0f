/* SPDX-License-Identifier: MPL-2.0 */
/* PCI Express bus 0 through ECAM: virtio devices, their BARs and capabilities. Spec: VIRTIO 1.4, 4.1.4. */
#include "guest.h"
#include "vio.h"

static uint64_t next_place; /* in the window, for BARs that nobody placed */

static uint64_t bar_address(uint64_t function, unsigned index, bool *ret_is_64)
{
        uint64_t at_bar = function + 0x10 + 4 * index, value = load(at_bar, 4);

        *ret_is_64 = (value & 6) == 4;
        if (*ret_is_64)
                value |= load(at_bar + 4, 4) << 32;
        return value & ~UINT64_C(15);
}

static uint64_t bar_bytes(uint64_t function, unsigned index)
{
        uint64_t at_bar = function + 0x10 + 4 * index, old = load(at_bar, 4), size;

        store(at_bar, 4, UINT32_MAX);
        size = load(at_bar, 4) & ~UINT64_C(15);
        store(at_bar, 4, old);
        return size ? -size & UINT32_MAX : 0;
}

uint64_t pci_bar_read(const struct vio *v)
{
        bool is_64;

        return bar_address(v->function, v->bar_index, &is_64);
}

void pci_bar_write(const struct vio *v, uint64_t address)
{
        store(v->function + 0x10 + 4 * v->bar_index, 4, (uint32_t) address);
        if (v->bar_is_64)
                store(v->function + 0x14 + 4 * v->bar_index, 4, (uint32_t) (address >> 32));
}

void pci_place(struct vio *v, uint64_t address)
{
        uint64_t by = address - v->bar;

        pci_bar_write(v, address);
        v->common += by;
        v->notify += by;
        v->isr += by;
        v->config += by;
        v->msix_table += by;
        v->bar = address;
}

/* One virtio capability: what, in which BAR, where, how long. */
static void read_capability(struct vio *v, unsigned cap)
{
        unsigned type = (unsigned) load(v->function + cap + 3, 1), bar = (unsigned) load(v->function + cap + 4, 1);
        unsigned length = (unsigned) load(v->function + cap + 12, 4);
        uint64_t where;
        bool is_64;

        if (type == 5) {
                v->pci_cfg = cap;
                return;
        }
        if (type < 1 || type > 4 || bar > 5)
                return;
        where = bar_address(v->function, bar, &is_64) + load(v->function + cap + 8, 4);
        if (type == 1) {
                v->common = where;
                v->bar_index = bar;
                v->bar = bar_address(v->function, bar, &v->bar_is_64);
                v->bar_bytes = bar_bytes(v->function, bar);
        } else if (type == 2) {
                v->notify = where;
                v->notify_multiplier = (unsigned) load(v->function + cap + 16, 4);
        } else if (type == 3)
                v->isr = where;
        else {
                v->config = where;
                v->config_bytes = length;
        }
}

static void read_capabilities(struct vio *v)
{
        unsigned cap = (unsigned) load(v->function + 0x34, 1) & 0xfc;

        for (unsigned n = 0; cap >= 0x40 && n < 48; n++) {
                unsigned id = (unsigned) load(v->function + cap, 1);

                if (id == 9)
                        read_capability(v, cap);
                else if (id == 0x11) {
                        unsigned table = (unsigned) load(v->function + cap + 4, 4);
                        bool is_64;

                        v->msix_cap = cap;
                        v->n_vectors = ((unsigned) load(v->function + cap + 2, 2) & 0x7ff) + 1;
                        v->msix_table = bar_address(v->function, table & 7, &is_64) + (table & ~7U);
                }
                cap = (unsigned) load(v->function + cap + 1, 1) & 0xfc;
        }
}

/* Gives a place to the memory BARs that have none. */
static void place_bars(uint64_t function)
{
        for (unsigned i = 0; i < 6; i++) {
                uint64_t value = load(function + 0x10 + 4 * i, 4), size;
                bool is_64 = (value & 7) == 4;

                if (!(value & 1) && (size = bar_bytes(function, i)) > 0 && !(value & ~UINT64_C(15))) {
                        next_place = (next_place + size - 1) & -size;
                        store(function + 0x10 + 4 * i, 4, next_place);
                        next_place += size;
                }
                i += is_64;
        }
}

unsigned pci_find(struct vio *into, unsigned n_max)
{
        unsigned n = 0;

        next_place = board.pci_window;
        for (unsigned slot = 0; slot < 32 && n < n_max && board.ecam; slot++) {
                uint64_t function = board.ecam + slot * 0x8000;
                uint32_t ids = (uint32_t) load(function, 4);
                uint16_t id = (uint16_t) ((ids >> 16) - 0x1040);

                if ((ids & 0xffff) != 0x1af4 || (id != ID_RNG && id != ID_BLK))
                        continue;
                store(function + 4, 2, 0);
                place_bars(function);
                store(function + 4, 2, 6); /* memory, bus master */
                into[n] = (struct vio){ .pci = true, .id = id, .function = function };
                read_capabilities(&into[n]);
                if (into[n].common && into[n].notify)
                        n++;
        }
        return n;
}
