/* SPDX-License-Identifier: MPL-2.0 */
/* x86-64: PVH start info, 16550, ports, exceptions, and accesses that compilers do not make. */
#include "guest.h"
#include "monitor/layout.h"
#include "vio.h"
#include "x86_64.h"

#define PVH_MAGIC 0x336ec578
#define TSC_PER_MS 2500000 /* near enough: it only bounds waiting */
#define WINDOW_START (UINT64_C(4) << 30)
#define LARGE_PAGE (UINT64_C(2) << 20)

struct start_info {
        uint32_t magic, version, flags, n_modules;
        uint64_t modules, parameters, rsdp, memory_map;
        uint32_t n_memory_map, reserved;
};

struct memory_map_entry {
        uint64_t start, n_bytes;
        uint32_t type, reserved;
};

extern char vector_entries[], image_end[];
extern uint64_t window_table[512], idt[160];
extern struct {
        uint16_t limit;
        uint64_t base;
} __attribute__((packed)) idt_pointer;

uint64_t rsdp_address;

void guest_exception(uint64_t vector, uint64_t error, uint64_t where, uint64_t address);
void guest_interrupt(uint64_t vector);

uint8_t in8(uint16_t port)
{
        uint8_t value;

        __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
        return value;
}

void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

void arch_put_char(char c)
{
        uint16_t port = (uint16_t) board.serial;

        for (unsigned i = 0; i < 1000000 && !(in8((uint16_t) (port + 5)) & 0x20); i++)
                ;
        out8(port, (uint8_t) c);
}

void guest_exception(uint64_t vector, uint64_t error, uint64_t where, uint64_t address)
{
        print("\nBail out! exception %u, error %llx at %llx, address %llx\n", (unsigned) vector,
              (unsigned long long) error, (unsigned long long) where, (unsigned long long) address);
        end_powered_off();
}

static void set_idt(void)
{
        for (unsigned i = 0; i < 80; i++) {
                uint64_t entry = (uintptr_t) vector_entries + i * 16;

                idt[2 * i] = (entry & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | (entry & 0xffff0000) << 32;
                idt[2 * i + 1] = 0;
        }
}

void arch_init(void *boot_info)
{
        const struct start_info *info = boot_info;
        const struct memory_map_entry *map = (const void *) (uintptr_t) info->memory_map;

        set_idt();
        board = (struct board){ .ecam = layout.ecam,
                                .ecam_bytes = layout.ecam_bytes,
                                .pci_window = layout.pci_window,
                                .pci_window_bytes = layout.pci_window_bytes,
                                .mmio_slots = layout.mmio_slots,
                                .mmio_stride = MMIO_SLOT_BYTES,
                                .n_mmio_slots = layout.n_mmio_slots,
                                .mmio_line = layout.mmio_line,
                                .watchdog = layout.watchdog,
                                .power = layout.power,
                                .panic = layout.panic };
        board.parameters = (const char *) (uintptr_t) info->parameters;
        board.serial = parameter_number("serial", layout.serial);
        out8((uint16_t) (board.serial + 1), 0); /* no interrupts */
        out8((uint16_t) (board.serial + 3), 3); /* 8 bits */
        rsdp_address = info->rsdp;
        if (info->magic != PVH_MAGIC)
                print("Bail out! not started the PVH way\n");
        for (uint32_t i = 0; i < info->n_memory_map; i++)
                if (map[i].type == 1 && map[i].start <= (uintptr_t) image_end &&
                    map[i].start + map[i].n_bytes > (uintptr_t) image_end) {
                        board.ram_start = map[i].start;
                        board.ram_end = map[i].start + map[i].n_bytes;
                }
}

#define LOCAL_APIC 0xfee00000
#define IOAPIC 0xfec00000
#define FIRST_VECTOR 64

static volatile unsigned n_interrupts[16];

void guest_interrupt(uint64_t vector)
{
        if (vector >= FIRST_VECTOR)
                n_interrupts[vector - FIRST_VECTOR]++;
        store(LOCAL_APIC + 0xb0, 4, 0);
}

bool arch_route_interrupt(struct vio *v, unsigned index)
{
        if (board.peer)
                return false;
        store(LOCAL_APIC + 0xf0, 4, 0x1ff); /* on */
        if (v->pci) {
                store(v->msix_table, 4, LOCAL_APIC | (load(LOCAL_APIC + 0x20, 4) >> 24) << 12);
                store(v->msix_table + 4, 4, 0);
                store(v->msix_table + 8, 4, FIRST_VECTOR + index);
                store(v->msix_table + 12, 4, 0);
                store(v->function + v->msix_cap + 2, 2, 0x8000);
                vio_select(v, 0);
                store(v->common + 0x1a, 2, 0);
        } else {
                store(IOAPIC, 4, 0x11 + 2 * (board.mmio_line + v->slot));
                store(IOAPIC + 0x10, 4, load(LOCAL_APIC + 0x20, 4));
                store(IOAPIC, 4, 0x10 + 2 * (board.mmio_line + v->slot));
                store(IOAPIC + 0x10, 4, FIRST_VECTOR + index); /* an edge */
        }
        return true;
}

void arch_unroute_interrupt(struct vio *v, unsigned index)
{
        (void) index;
        if (v->pci) {
                vio_select(v, 0);
                store(v->common + 0x1a, 2, 0xffff);
                store(v->function + v->msix_cap + 2, 2, 0);
                store(v->msix_table + 12, 4, 1);
        } else {
                store(IOAPIC, 4, 0x10 + 2 * (board.mmio_line + v->slot));
                store(IOAPIC + 0x10, 4, 1 << 16);
        }
}

bool arch_take_interrupt(struct vio *v, unsigned index)
{
        (void) v;
        n_interrupts[index] = 0;
        for (unsigned i = 0; i < 1000 && n_interrupts[index] == 0; i++)
                __asm__ volatile("sti; nop; nop; cli" ::: "memory");
        return n_interrupts[index] > 0;
}

void *at(uint64_t address)
{
        if (address < WINDOW_START)
                return (void *) (uintptr_t) address;
        window_table[0] = (address & -LARGE_PAGE) | 0x83;
        window_table[1] = ((address & -LARGE_PAGE) + LARGE_PAGE) | 0x83; /* too_wide() looked there, too */
        __asm__ volatile("invlpg (%0); invlpg (%1)" ::"r"(WINDOW_START), "r"(WINDOW_START + LARGE_PAGE) : "memory");
        return (void *) (uintptr_t) (WINDOW_START + address % LARGE_PAGE);
}

/* The CPU itself refuses addresses that are wider than its own. */
static bool too_wide(uint64_t address)
{
        static unsigned n_bits;
        uint32_t eax = 0x80000008, ebx, ecx = 0, edx;

        if (n_bits == 0) {
                __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
                n_bits = eax & 0xff;
        }
        return address >> n_bits != 0 || (address + LARGE_PAGE) >> n_bits != 0;
}

uint64_t load(uint64_t address, unsigned n_bytes)
{
        uint64_t value = 0;
        void *p;

        if (too_wide(address))
                return UINT64_MAX;
        p = at(address);
        switch (n_bytes) {
        case 1:
                __asm__ volatile("movzbl (%1), %k0" : "=r"(value) : "r"(p) : "memory");
                break;
        case 2:
                __asm__ volatile("movzwl (%1), %k0" : "=r"(value) : "r"(p) : "memory");
                break;
        case 4:
                __asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(p) : "memory");
                break;
        default:
                __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(p) : "memory");
        }
        return value;
}

void store(uint64_t address, unsigned n_bytes, uint64_t value)
{
        void *p;

        if (too_wide(address))
                return;
        p = at(address);
        switch (n_bytes) {
        case 1:
                __asm__ volatile("movb %b0, (%1)" ::"q"(value), "r"(p) : "memory");
                break;
        case 2:
                __asm__ volatile("movw %w0, (%1)" ::"r"(value), "r"(p) : "memory");
                break;
        case 4:
                __asm__ volatile("movl %k0, (%1)" ::"r"(value), "r"(p) : "memory");
                break;
        default:
                __asm__ volatile("movq %0, (%1)" ::"r"(value), "r"(p) : "memory");
        }
}

void odd_accesses(uint64_t address, bool write)
{
        static char buffer[64];
        char *p = at(address);
        void *from = p, *to = buffer;
        uint64_t n = 32, zero = 0;

        __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n)::"memory");
        __asm__ volatile("movups (%0), %%xmm0" ::"r"(p) : "memory");
        if (!write)
                return;
        /* What was read there; KVM's emulator, which may still be at work, knows no way to clear the register. */
        __asm__ volatile("movups %%xmm0, (%0)" ::"r"(p) : "memory");
        __asm__ volatile("lock orb $0, (%0)" ::"r"(p) : "memory");
        __asm__ volatile("xchgl %k0, (%1)" : "+r"(zero) : "r"(p) : "memory");
        __asm__ volatile("andl $0, (%0)" ::"r"(p) : "memory");
        to = p;
        n = 4;
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

void barrier(void) { __asm__ volatile("mfence" ::: "memory"); }

uint64_t milliseconds(void)
{
        uint32_t low, high;

        __asm__ volatile("pause; rdtsc" : "=a"(low), "=d"(high));
        return ((uint64_t) high << 32 | low) / TSC_PER_MS;
}

/* Written with anything: what ends the machine is not among them. */
unsigned arch_ports(const struct port_range **ret)
{
        static struct port_range ranges[] = {
                { "serial", 0, 8, true },    { "old-pci", 0xcf8, 8, false }, { "keyboard", 0x60, 5, false },
                { "clock", 0x70, 2, true },  { "delay", 0x80, 1, true },     { "nobody", 0x4d00, 16, true },
                { "last", 0xfff8, 8, true }, { "timer", 0x40, 4, false },    { "bios", 0x510, 12, true },
        };

        ranges[0].first = (uint16_t) board.serial;
        *ret = ranges;
        return ARRAY_SIZE(ranges);
}

uint64_t port_load(uint16_t port, unsigned n_bytes)
{
        uint32_t value = 0;

        if (n_bytes == 1)
                value = in8(port);
        else if (n_bytes == 2)
                __asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
        else
                __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
        return value;
}

void port_store(uint16_t port, unsigned n_bytes, uint64_t value)
{
        if (n_bytes == 1)
                out8(port, (uint8_t) value);
        else if (n_bytes == 2)
                __asm__ volatile("outw %w0, %1" ::"a"((uint32_t) value), "Nd"(port));
        else
                __asm__ volatile("outl %0, %1" ::"a"((uint32_t) value), "Nd"(port));
}

/* Hundreds of accesses by one instruction. */
void port_strings(uint16_t port)
{
        static char buffer[2048];
        void *p = buffer;
        uint64_t n = 512;

        __asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory");
        p = buffer;
        n = 512;
        __asm__ volatile("rep insl" : "+D"(p), "+c"(n) : "d"(port) : "memory");
        for (unsigned i = 0; i < sizeof(buffer); i++)
                buffer[i] = 0;
        p = buffer;
        n = 512;
        __asm__ volatile("rep outsw" : "+S"(p), "+c"(n) : "d"(port) : "memory");
}

/* Ports whose bytes end the machine: accesses that cover one and more are nobody's. */
void port_near_misses(void)
{
        const uint16_t ends[] = { 0x64, 0xcf9, (uint16_t) board.panic, (uint16_t) board.power };

        for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
                for (unsigned width = 2; width <= 4; width *= 2)
                        for (unsigned k = i >= 2; k < width; k++) /* the last two are the first of several */
                                port_store((uint16_t) (ends[i] - k), width, i == 0 ? 0xfefefefe : UINT32_MAX);
}

void end_crashed(void)
{
        idt_pointer.limit = 0;
        __asm__ volatile("lidt %0; ud2" ::"m"(idt_pointer));
}

void end_jump(uint64_t address)
{
        void (*there)(void) = (void (*)(void))(uintptr_t) address;

        there();
}
