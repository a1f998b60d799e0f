/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: registers of the monitor, from the guest. A real server (of an echo device) is behind them; KVM is the
 * recording fake. The first byte of the input says which transport (bit 0) and whether the server may go (bit 1: its
 * return takes a while); the rest is records, made by monitor-register-seeds.py for the corpus:
 *
 *      u8 op        bits 0-1: 1, 2, 4, 8 bytes; bit 2: a write; bits 3-7: where (enum where), or what else happens
 *      u16 offset
 *      value        of writes: as many bytes as are written
 *
 * After each input the device must come up and work.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "monitor/layout.h"
#include "monitor/test-machine.h"
#include "vhost/test-server.h"

#define RECORDS_MAX 256
#define RINGS_BYTES (64 << 10) /* of memory that inputs may change */
#define QUEUES 2

enum where {
        CONFIG_SPACE,
        BRIDGE,
        COMMON,
        ISR,
        DEVICE_CONFIG,
        NOTIFY,
        MSIX_TABLE,
        MSIX_PENDING,
        MMIO,
        WINDOW,     /* offset in units of 4 KiB */
        ECAM,       /* of 32 bytes */
        BAR,        /* wherever it is */
        RAM,        /* of 4 KiB, as an address on the bus */
        LOOP = 16,  /* one round */
        KICK,       /* all queues, by the eventfds */
        DISCONNECT, /* the server goes, and is back when it is asked for */
        POKE,       /* 8 bytes of memory at 8 * offset in the rings */
        VM_FAILS,   /* KVM refuses from now on */
        WHERE_MAX,
};

struct rig {
        struct machine machine;
        struct test_server server;
        struct worker *worker;
        uint32_t home; /* of the BAR */
        gpa_t free;
        bool server_goes;
};

static struct rig rigs[2];

static void start(struct rig *rig, enum monitor_transport transport)
{
        struct machine *t = &rig->machine;

        if (rig->worker)
                return;
        if (worker_new("server", &rig->worker) < 0)
                abort();
        test_server_start(&rig->server, worker_loop(rig->worker), transport == MONITOR_PCI ? "fuzz-pci" : "fuzz-mmio",
                          QUEUES);
        machine_start(t, rig->server.path, transport, false, false);
        rig->free = t->next_free;
        if (transport == MONITOR_PCI)
                rig->home = (uint32_t) guest_read(t, t->config_space + PCI_BASE_ADDRESS_0, 4);
}

static gpa_t place_of(struct rig *rig, enum where where, uint16_t offset)
{
        struct machine *t = &rig->machine;

        switch (where) {
        case CONFIG_SPACE:
                return t->config_space + offset;
        case BRIDGE:
                return layout.ecam + offset;
        case COMMON:
                return t->common + offset;
        case ISR:
                return t->isr + offset;
        case DEVICE_CONFIG:
                return t->device_config + offset;
        case NOTIFY:
                return t->notify + offset;
        case MSIX_TABLE:
                return t->msix_table + offset;
        case MSIX_PENDING:
                return t->msix_pending + offset;
        case MMIO:
                return layout.mmio_slots + offset;
        case WINDOW:
                return layout.pci_window + ((gpa_t) offset << 12);
        case ECAM:
                return layout.ecam + ((gpa_t) offset << 5);
        case BAR:
                return (t->config_space ? guest_read(t, t->config_space + PCI_BASE_ADDRESS_0, 4) & ~15U : 0) + offset;
        default:
                return layout.ram[0].start + ((gpa_t) offset << 12);
        }
}

static void happen(struct rig *rig, enum where what, uint16_t offset, uint64_t value)
{
        struct machine *t = &rig->machine;
        struct test_vm *vm = test_vm(t->m.vm);

        switch (what) {
        case LOOP:
                if (loop_step(t->m.loop, 0) < 0)
                        abort();
                break;
        case KICK:
                for (unsigned i = 0; i < vm->n_kicks; i++)
                        fd_event_signal(vm->kicks[i].fd);
                break;
        case DISCONNECT:
                if (rig->server_goes)
                        test_server_disconnect(&rig->server);
                break;
        case POKE:
                memcpy((char *) memory_at(&t->m.memory, rig->free, RINGS_BYTES) + offset * sizeof(value) % RINGS_BYTES,
                       &value, sizeof(value));
                break;
        case VM_FAILS:
                vm->fail = -ENOSPC;
                break;
        default:
                break;
        }
}

static void run_records(struct rig *rig, const uint8_t *data, size_t size)
{
        for (unsigned n = 0; size >= 3 && n < RECORDS_MAX; n++) {
                enum where where = data[0] >> 3;
                unsigned n_bytes = 1U << (data[0] & 3);
                bool write = data[0] & 4;
                uint16_t offset;
                uint64_t value = 0;

                memcpy(&offset, data + 1, sizeof(offset));
                data += 3;
                size -= 3;
                if (write) {
                        memcpy(&value, data, MIN((size_t) n_bytes, size));
                        data += MIN((size_t) n_bytes, size);
                        size -= MIN((size_t) n_bytes, size);
                }
                if (where >= LOOP)
                        happen(rig, where, offset, value);
                else if (write)
                        guest_write(&rig->machine, place_of(rig, where, offset), n_bytes, value);
                else
                        (void) guest_read(&rig->machine, place_of(rig, where, offset), n_bytes);
        }
}

/* What a driver that knows nothing of its predecessor does. */
static void must_work(struct rig *rig)
{
        struct machine *t = &rig->machine;

        test_vm(t->m.vm)->fail = 0;
        if (t->config_space) {
                guest_write(t, t->config_space + PCI_COMMAND, 2, 0);
                guest_write(t, t->config_space + PCI_BASE_ADDRESS_0, 4, rig->home);
                if (guest_read(t, t->config_space + PCI_BASE_ADDRESS_0, 4) != rig->home)
                        abort();
                guest_write(t, t->config_space + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        }
        reg_write(t, REG_STATUS, 0);
        if (test_vm(t->m.vm)->n_kicks > 0)
                abort();
        guest_start(t, SPLIT_FEATURES, 1, 64);
        guest_echo(t, 0, "alive");
        reg_write(t, REG_STATUS, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        enum monitor_transport transport;
        struct rig *rig;

        if (size == 0)
                return 0;
        transport = data[0] & 1 ? MONITOR_MMIO : MONITOR_PCI;
        rig = &rigs[transport];
        start(rig, transport);
        rig->server_goes = data[0] & 2;
        rig->machine.next_free = rig->free;
        memset(memory_at(&rig->machine.m.memory, rig->free, RINGS_BYTES), 0, RINGS_BYTES);
        run_records(rig, data + 1, size - 1);
        must_work(rig);
        return 0;
}
