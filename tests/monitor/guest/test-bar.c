/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PCI: BARs where they must not be, decoding switched off and on, garbage in configuration space, the configuration
 * access capability. Memory stays memory wherever a BAR goes. Spec: VIRTIO 1.4, 4.1.4.9 (access capability).
 */
#include "guest.h"
#include "vio.h"

#define COMMAND 4
#define MEMORY_AND_MASTER 6

static volatile uint32_t landmark = 0x600df00d;

/* Whatever is over it: this program's memory, configuration space and the other devices. */
static void check_world(struct vio *v, uint64_t value)
{
        check(landmark == 0x600df00d, value);
        check(load((uintptr_t) &landmark, 4) == 0x600df00d, value);
        check((load(v->function, 4) & 0xffff) == 0x1af4, load(v->function, 4));
        check(vio_others_work(v), value);
}

static void move(struct vio *v, uint64_t to)
{
        pci_bar_write(v, to);
        (void) load(to & -UINT64_C(16), 4);
        check_world(v, to);
}

static void bar_goes_anywhere(struct vio *v)
{
        uint64_t home = v->bar, other = home;
        uint64_t places[] = { 0,
                              0x1000,
                              (uintptr_t) &landmark & -v->bar_bytes,
                              board.ram_end - v->bar_bytes,
                              board.ram_end,
                              board.ecam,
                              board.ecam + 0x8000,
                              board.mmio_slots,
                              board.mmio_slots + board.mmio_stride,
                              board.clock,
                              board.watchdog,
                              board.power,
                              board.pci_window + board.pci_window_bytes,
                              0xfec00000,
                              0xfee00000,
                              0xfffff000,
                              UINT32_MAX,
                              UINT64_C(1) << 32,
                              UINT64_C(1) << 45,
                              UINT64_MAX,
                              UINT64_C(0x8000000000000000) };

        for (unsigned i = 0; i < n_vio_devices; i++)
                if (vio_devices[i].pci && &vio_devices[i] != v)
                        other = vio_devices[i].bar;
        for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
                move(v, places[i]);
        for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
                store(v->function + COMMAND, 2, 0);
                pci_bar_write(v, places[i]);
                store(v->function + COMMAND, 2, MEMORY_AND_MASTER);
                check_world(v, places[i]);
                store(v->function + COMMAND, 2, 0);
                pci_bar_write(v, home);
                store(v->function + COMMAND, 2, MEMORY_AND_MASTER);
                check(vio_request(v), places[i]);
        }
        pci_bar_write(v, other);
        (void) load(other, 4);
        pci_bar_write(v, home);
        check(pci_bar_read(v) == home, pci_bar_read(v));
        check_world(v, home);
        check(vio_request(v), home);
}

static void bar_sizing_while_decoding(struct vio *v)
{
        for (unsigned i = 0; i < 6; i++) {
                uint64_t at_bar = v->function + 0x10 + 4 * i, old = load(at_bar, 4);

                store(at_bar, 4, UINT32_MAX);
                store(at_bar + 1, 2, 0x5a5a);
                store(at_bar + 3, 1, 0xff);
                store(at_bar, 8, UINT64_MAX);
                store(at_bar, 4, old);
                if (i < 5)
                        store(at_bar + 4, 4, 0);
        }
        pci_bar_write(v, v->bar);
        store(v->function + 0x30, 4, UINT32_MAX); /* ROM */
        store(v->function + 0x30, 4, 0);
        check_world(v, 0);
        check(vio_request(v), vio_status(v));
}

static void memory_toggled(struct vio *v)
{
        uint8_t status = vio_status(v), there;

        for (unsigned i = 0; i < 20; i++) {
                store(v->function + COMMAND, 2, 4);
                there = (uint8_t) load(v->common + 0x14, 1);
                check(board.peer ? there != status : there == 0xff, there);
                store(v->common + 0x14, 1, 0);
                store(v->notify, 2, 0);
                store(v->function + COMMAND, 2, MEMORY_AND_MASTER);
                check(vio_request(v), i);
        }
        store(v->function + COMMAND, 2, 2); /* no bus master */
        vio_notify(v, 0);
        store(v->function + COMMAND, 2, MEMORY_AND_MASTER);
}

static void bar_moves_while_requests_run(struct vio *v)
{
        uint64_t home = v->bar;

        for (unsigned i = 1; i < 10; i++) {
                vio_put(v, (uint16_t) vio_put_request(v, 0));
                vio_notify(v, 0);
                pci_place(v, home & ~UINT64_C(0xfff) ? home + (i % 2 ? 8 : 16) * v->bar_bytes : home);
                check(vio_wait_used(v, 1, 10000), i);
                check(vio_request(v), i);
        }
        pci_place(v, home);
        check_world(v, home);
}

/* The window that sees BARs through configuration space. */
static void access_capability(struct vio *v)
{
        static const uint32_t offsets[] = { 0,          0x14,       0xfff,      0x1000,    0x10000,
                                            0x7ffffffc, 0x80000000, 0xfffffffc, UINT32_MAX };
        static const uint32_t lengths[] = { 0, 1, 2, 3, 4, 8, 0x80000000, UINT32_MAX };
        uint64_t cap = v->function + v->pci_cfg;

        if (!v->pci_cfg)
                return;
        for (unsigned bar = 0; bar < 256; bar = bar < 7 ? bar + 1 : bar * 2)
                for (unsigned o = 0; o < ARRAY_SIZE(offsets); o++)
                        for (unsigned l = 0; l < ARRAY_SIZE(lengths); l++) {
                                store(cap + 4, 1, bar);
                                store(cap + 8, 4, offsets[o]);
                                store(cap + 12, 4, lengths[l]);
                                (void) load(cap + 16, 4);
                                (void) load(cap + 17, 2);
                                store(cap + 16, 4, 0);
                                store(cap + 18, 1, 0);
                        }
        store(cap + 12, 4, 0);
        store(cap + 4, 1, 0);
        check_world(v, 0);
}

/* All of a function's configuration space but what would move it is written with anything. */
static void config_space_garbage(struct vio *v)
{
        static const unsigned sizes[] = { 1, 2, 4, 8 };

        for (unsigned i = 0; i < 4096; i++) {
                unsigned where = i < 512 ? i % 256 : i;

                store(v->function + where, sizes[random_number() % 4],
                      (uint64_t) random_number() << 32 | random_number());
        }
        for (unsigned i = 0; i < 256; i++) {
                store(v->function + random_number() % 256, 4, random_number());
                (void) load(v->function + random_number() % 256, sizes[i % 4]);
        }
        store(v->function + COMMAND, 2, 0);
        pci_bar_write(v, v->bar);
        if (v->msix_cap)
                store(v->function + v->msix_cap + 2, 2, 0);
        store(v->function + COMMAND, 2, MEMORY_AND_MASTER);
        check_world(v, 0);
        check(pci_bar_read(v) == v->bar, pci_bar_read(v));
}

/* Functions and buses that are not there; the host bridge, which is. */
static void empty_slots(struct vio *unused)
{
        (void) unused;
        if (!board.ecam)
                return;
        for (unsigned slot = 0; slot < 32; slot++)
                for (unsigned function = 1; function < 8; function++) {
                        uint64_t there = board.ecam + slot * 0x8000 + function * 0x1000;

                        if (board.peer && slot == 31) /* its south bridge has several functions */
                                continue;
                        check(load(there, 4) == UINT32_MAX, there);
                        store(there + COMMAND, 2, 7);
                        store(there + 0x10, 4, UINT32_MAX);
                        check(load(there + 0xffe, 2) == 0xffff, there);
                }
        if (board.peer)
                return;
        for (unsigned i = 0; i < 256; i += 2)
                store(board.ecam + i, 2, random_number());
        (void) load(board.ecam + 0xfffff, 2);
        (void) load(board.ecam + board.ecam_bytes - 1, 4);
        store(board.ecam + board.ecam_bytes - 1, 8, 0);
        (void) load(board.ecam + board.ecam_bytes, 4);
}

const struct test bar_tests[] = {
        { "bar-goes-anywhere", bar_goes_anywhere, PCI_ONLY, "another board has other things in these places" },
        { "bar-sizing-while-decoding", bar_sizing_while_decoding, PCI_ONLY, NULL },
        { "memory-toggled", memory_toggled, PCI_ONLY, NULL },
        { "bar-moves-while-requests-run", bar_moves_while_requests_run, PCI_ONLY, NULL },
        { "access-capability", access_capability, PCI_ONLY, "QEMU 10.0 fails an assertion on arm64" },
        { "config-space-garbage", config_space_garbage, PCI_ONLY, "another board has more there" },
        { "empty-slots", empty_slots, ONCE, NULL },
};
const size_t n_bar_tests = ARRAY_SIZE(bar_tests);
