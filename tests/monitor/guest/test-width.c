/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every width, every offset, across the edges of every register range; then writes of anything to the registers of
 * devices. Registers that end the machine are only read, and written with nothing.
 */
#include "guest.h"
#include "vio.h"

static const unsigned widths[] = { 1, 2, 4, 8 };

/* Each offset of the first and last @near bytes, then every so often; over both edges. */
static void read_range(uint64_t start, uint64_t n_bytes, unsigned near)
{
        uint64_t step = 1;

        for (uint64_t i = 0; i < n_bytes + 8; i += step) {
                for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
                        (void) load(start - 8 + i, widths[w]);
                step = i < near + 8 || i + near > n_bytes ? 1 : n_bytes / 61 | 1;
                if (i + step + near > n_bytes && i + near <= n_bytes)
                        step = n_bytes - near - i + 1;
        }
        odd_accesses(start, false);
        odd_accesses(start + n_bytes - 3, false);
        odd_accesses(start - 3, false);
}

static void read_device(struct vio *v)
{
        if (v->pci) {
                read_range(v->function, 0x1000, 0x140);
                read_range(v->bar, v->bar_bytes, 0x80);
                read_range(v->common, 0x40, 0x40);
                read_range(v->notify, 16, 16);
                read_range(v->isr, 4, 4);
                read_range(v->config, 0x40, 0x40);
                read_range(v->msix_table, 0x40, 0x20);
        } else
                read_range(v->mmio, board.mmio_stride, 0x140);
        check(vio_request(v), vio_status(v));
}

/*
 * Addresses of rings must not come to lie on this program, of which the lowest bytes of memory and all from 128 MiB
 * on are free.
 */
#define FAR UINT64_C(0x8080808080808080)

static uint64_t any_value(bool far)
{
        switch (random_number() % 3) {
        case 0:
                return UINT64_MAX;
        case 1:
                return far ? FAR : 0;
        default:
                return ((uint64_t) random_number() << 32 | random_number()) | (far ? FAR : 0);
        }
}

static void write_range(uint64_t start, uint64_t n_bytes, unsigned n, uint64_t far_from, uint64_t far_to)
{
        for (unsigned i = 0; i < n; i++) {
                unsigned width = widths[random_number() % 4];
                uint64_t to = start + random_number() % (n_bytes - width + 1);

                store(to, width, any_value(to + width > far_from && to < far_to));
        }
        odd_accesses(start, true);
}

static void write_transport(struct vio *v, unsigned n)
{
        if (v->pci)
                write_range(v->common, 0x40, n, v->common + 0x20, v->common + 0x38);
        else
                write_range(v->mmio, 0x100, n, v->mmio + 0x80, v->mmio + 0xa8);
}

/* Anything may come of it but harm to others. */
static void write_device(struct vio *v)
{
        write_transport(v, 400);
        write_range(v->config, 0x40, 50, 0, 0);
        if (v->pci) {
                write_range(v->notify, 0x40, 50, 0, 0);
                write_range(v->isr, 4, 20, 0, 0);
        }
        write_transport(v, 400);
        (void) vio_reset(v);
}

static void write_running_device(struct vio *v)
{
        for (unsigned i = 0; i < 20; i++) {
                check(vio_start(v, 0), i);
                vio_put(v, (uint16_t) vio_put_request(v, 0));
                vio_notify(v, 0);
                write_transport(v, 10);
                check(vio_reset(v), i);
        }
}

static void write_bar(struct vio *v)
{
        for (unsigned i = 0; i < 16; i++) { /* vectors stay masked or at addresses of nobody */
                store(v->msix_table + 16 * (i % v->n_vectors), 8, (uint64_t) random_number() << 44);
                store(v->msix_table + 16 * (i % v->n_vectors) + 8, 8, random_number());
                store(v->msix_table + 16 * (i % v->n_vectors) + random_number() % 8 + 4, widths[i % 4], UINT64_MAX);
        }
        for (uint64_t i = v->n_vectors * 16; i < 0x1000 && v->msix_table + i + 8 <= v->bar + v->bar_bytes; i += 61)
                store(v->msix_table + i, widths[i % 4], 0);
        store(v->bar + v->bar_bytes - 1, 8, 0);
        check(vio_request(v), vio_status(v));
}

static void read_board_registers(struct vio *unused)
{
        const uint64_t places[] = { board.serial, board.clock, board.watchdog, board.power, board.panic };

        (void) unused;
        for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
                if (places[i] >= 0x10000)
                        read_range(places[i], 0x1000, 0x60);
        if (board.n_mmio_slots > 0)
                read_range(board.mmio_slots + (board.n_mmio_slots - 1) * board.mmio_stride, board.mmio_stride, 0x20);
        read_range(board.ecam, 0x1000, 0x60);
        read_range(board.ecam + board.ecam_bytes, 0x10, 0x10);
        read_range(board.pci_window, 0x10, 0x10);
        read_range(board.ram_end, 0x10, 0x10);
}

/* Nothing but zeroes, and wider or narrower than any register of theirs. */
static void write_board_registers(struct vio *unused)
{
        const uint64_t places[] = { board.power, board.clock, board.watchdog, board.panic };

        (void) unused;
        for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
                if (places[i] >= 0x10000)
                        for (unsigned k = 0; k < 0x40; k++)
                                for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
                                        store(places[i] + k, widths[w], 0);
}

static void ports(struct vio *unused)
{
        const struct port_range *ranges;
        unsigned n = arch_ports(&ranges);

        (void) unused;
        for (unsigned r = 0; r < n; r++)
                for (unsigned i = 0; i < ranges[r].n; i++)
                        for (unsigned w = 0; w < 3; w++) {
                                (void) port_load((uint16_t) (ranges[r].first + i), widths[w]);
                                if (!ranges[r].writable)
                                        continue;
                                if (ranges[r].first != board.serial || i > 0 || w > 0) /* no noise */
                                        port_store((uint16_t) (ranges[r].first + i), widths[w], 0);
                                if (i + widths[w] <= ranges[r].n && ranges[r].first != board.serial)
                                        port_store((uint16_t) (ranges[r].first + i), widths[w], UINT64_MAX);
                        }
        if (n > 0 && board.serial < 0x10000) {
                port_store((uint16_t) (board.serial + 1), 1, 0);
                port_store((uint16_t) (board.serial + 3), 1, 3);
        }
        for (unsigned port = 0; n > 0 && port < 0x10000; port += 37)
                (void) port_load((uint16_t) port, widths[port % 3]);
        if (n > 0)
                port_strings(0x4d00);
        port_near_misses();
}

const struct test width_tests[] = {
        { "read-every-width", read_device, ANY, NULL },
        { "write-anything", write_device, ANY, "QEMU stops at rings that its server refuses" },
        { "write-anything-while-running", write_running_device, ANY, "QEMU stops at rings that its server refuses" },
        { "write-vectors", write_bar, PCI_ONLY, NULL },
        { "read-board-registers", read_board_registers, ONCE, "another board has other things there" },
        { "write-board-registers", write_board_registers, ONCE, "another board has other things there" },
        { "ports", ports, ONCE, "another board has other things there" },
};
const size_t n_width_tests = ARRAY_SIZE(width_tests);
