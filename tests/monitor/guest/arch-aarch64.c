/* SPDX-License-Identifier: MPL-2.0 */
/* arm64: device tree (only its command line and memory), PL011, PSCI, exceptions,
   and accesses that compilers do not make. */
#include "guest.h"
#include "monitor/aarch64/gic-map.h"
#include "monitor/layout.h"
#include "vio.h"

#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009
#define UNCACHED_VIEW (UINT64_C(256) << 30) /* start-aarch64.S */

extern char image_end[];

static volatile bool tolerant;
static volatile unsigned n_faults;

void guest_exception(uint64_t syndrome, uint64_t where, uint64_t address);

void arch_put_char(char c)
{
        for (unsigned i = 0; i < 1000000 && load(board.serial + 0x18, 4) & 0x20; i++)
                ;
        store(board.serial, 4, (uint8_t) c);
}

void guest_exception(uint64_t syndrome, uint64_t where, uint64_t address)
{
        if (tolerant && syndrome >> 26 == 0x25) { /* data abort */
                n_faults++;
                return;
        }
        tolerant = false;
        print("\nBail out! exception, syndrome %llx at %llx, address %llx\n", (unsigned long long) syndrome,
              (unsigned long long) where, (unsigned long long) address);
        end_powered_off();
}

static uint32_t big_endian(const unsigned char *p)
{
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static bool same(const char *a, const char *b)
{
        while (*a && *a == *b) {
                a++;
                b++;
        }
        return *a == *b;
}

/* The tree's structure block in one go: bootargs of any node, reg of the first node whose name begins with memory. */
static void read_tree(const unsigned char *tree)
{
        const unsigned char *p = tree + big_endian(tree + 8);
        const char *strings = (const char *) tree + big_endian(tree + 12);
        bool in_memory = false;

        for (;;) {
                uint32_t token = big_endian(p);

                p += 4;
                if (token == 1) {
                        in_memory = p[0] == 'm' && p[1] == 'e' && p[2] == 'm' && p[5] == 'y';
                        while (*p)
                                p++;
                        p = (const unsigned char *) (((uintptr_t) p + 4) & ~UINT64_C(3));
                } else if (token == 3) {
                        uint32_t n_bytes = big_endian(p);
                        const char *name = strings + big_endian(p + 4);

                        p += 8;
                        if (same(name, "bootargs"))
                                board.parameters = (const char *) p;
                        if (in_memory && same(name, "reg") && n_bytes >= 16 && !board.ram_end) {
                                board.ram_start = (uint64_t) big_endian(p) << 32 | big_endian(p + 4);
                                board.ram_end =
                                        board.ram_start + ((uint64_t) big_endian(p + 8) << 32 | big_endian(p + 12));
                        }
                        p += (n_bytes + 3) & ~3U;
                } else if (token != 2 && token != 4)
                        return;
        }
}

void arch_init(void *boot_info)
{
        board = (struct board){ .ecam = layout.ecam,
                                .ecam_bytes = layout.ecam_bytes,
                                .pci_window = layout.pci_window,
                                .pci_window_bytes = layout.pci_window_bytes,
                                .mmio_slots = layout.mmio_slots,
                                .mmio_stride = MMIO_SLOT_BYTES,
                                .n_mmio_slots = layout.n_mmio_slots,
                                .mmio_line = layout.mmio_line,
                                .clock = layout.clock,
                                .watchdog = layout.watchdog,
                                .power = layout.power,
                                .panic = layout.panic };
        read_tree(boot_info);
        board.serial = parameter_number("serial", layout.serial);
}

void *at(uint64_t address) { return (void *) (uintptr_t) address; }

static uint64_t load_at(uint64_t p, unsigned n_bytes)
{
        uint64_t value = UINT64_MAX;

        switch (n_bytes) {
        case 1:
                __asm__ volatile("ldrb %w0, [%1]" : "+r"(value) : "r"(p) : "memory");
                break;
        case 2:
                __asm__ volatile("ldrh %w0, [%1]" : "+r"(value) : "r"(p) : "memory");
                break;
        case 4:
                __asm__ volatile("ldr %w0, [%1]" : "+r"(value) : "r"(p) : "memory");
                break;
        default:
                __asm__ volatile("ldr %0, [%1]" : "+r"(value) : "r"(p) : "memory");
        }
        return value;
}

static void store_at(uint64_t p, unsigned n_bytes, uint64_t value)
{
        switch (n_bytes) {
        case 1:
                __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(p) : "memory");
                break;
        case 2:
                __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(p) : "memory");
                break;
        case 4:
                __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(p) : "memory");
                break;
        default:
                __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(p) : "memory");
        }
}

/* Aligned ones through the view as a device; others through the other one. Both may abort where nobody is. */
uint64_t load(uint64_t address, unsigned n_bytes)
{
        uint64_t value;

        tolerant = true;
        value = load_at(address % n_bytes ? address + UNCACHED_VIEW : address, n_bytes);
        tolerant = false;
        return value;
}

void store(uint64_t address, unsigned n_bytes, uint64_t value)
{
        tolerant = true;
        store_at(address % n_bytes ? address + UNCACHED_VIEW : address, n_bytes, value);
        tolerant = false;
}

/* What carries no syndrome (pairs, write-back) ends in the host's hands: ending "crash". */
void odd_accesses(uint64_t address, bool write)
{
        (void) load(address, 8);
        if (write)
                store(address, 8, 0);
}

void barrier(void) { __asm__ volatile("dsb sy" ::: "memory"); }

uint64_t milliseconds(void)
{
        uint64_t count, hz;

        __asm__ volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(count), "=r"(hz));
        return count / (hz / 1000);
}

/* A wired interrupt is pending at the distributor, enabled or not. Messages would need the tables of an ITS. */
static uint64_t pending_register(const struct vio *v, uint64_t registers, unsigned *ret_bit)
{
        unsigned id = 32 + board.mmio_line + v->slot;

        *ret_bit = id % 32;
        return GIC_DIST + registers + id / 32 * 4;
}

bool arch_route_interrupt(struct vio *v, unsigned index)
{
        unsigned id = 32 + board.mmio_line + v->slot;
        uint64_t config = GIC_DIST + 0xc00 + id / 16 * 4; /* GICD_ICFGR */

        (void) index;
        if (board.peer || v->pci)
                return false;
        store(config, 4, load(config, 4) | UINT64_C(2) << (id % 16 * 2)); /* an edge */
        return true;
}

void arch_unroute_interrupt(struct vio *v, unsigned index)
{
        (void) v;
        (void) index;
}

bool arch_take_interrupt(struct vio *v, unsigned index)
{
        unsigned bit;
        bool pending = load(pending_register(v, 0x200, &bit), 4) >> bit & 1; /* GICD_ISPENDR */

        (void) index;
        if (pending)
                store(pending_register(v, 0x280, &bit), 4, UINT64_C(1) << bit); /* GICD_ICPENDR */
        return pending;
}

unsigned arch_ports(const struct port_range **ret)
{
        *ret = NULL;
        return 0;
}

uint64_t port_load(uint16_t port, unsigned n_bytes)
{
        (void) port;
        (void) n_bytes;
        return UINT64_MAX;
}

void port_store(uint16_t port, unsigned n_bytes, uint64_t value)
{
        (void) port;
        (void) n_bytes;
        (void) value;
}

void port_strings(uint16_t port) { (void) port; }

void port_near_misses(void) {}

static void psci(uint64_t function)
{
        register uint64_t x0 __asm__("x0") = function;

        __asm__ volatile("hvc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
}

_Noreturn void end_powered_off(void)
{
        psci(PSCI_SYSTEM_OFF);
        for (;;)
                __asm__ volatile("wfi");
}

void end_reset(void) { psci(PSCI_SYSTEM_RESET); }

void end_panicked(void) { store(board.panic, 1, 1); }

/* A pair of registers at a device: no syndrome, so that KVM cannot say what was asked for. */
void end_crashed(void)
{
        uint64_t a, b;

        __asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(board.clock) : "memory");
}

/* SBSA generic watchdog: control frame, then refresh frame. */
void end_watchdog(void)
{
        store(board.watchdog + 8, 4, 1000000); /* WOR: ticks until the first stage */
        store(board.watchdog, 4, 1);           /* WCS: enable */
        for (uint64_t end = milliseconds() + 120000; milliseconds() < end;)
                ;
}

void end_jump(uint64_t address)
{
        void (*there)(void) = (void (*)(void))(uintptr_t) address;

        there();
}
