/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sets a CPU into 64-bit mode by hand: one page of code, three pages of page tables that map the first 2 MiB
 * with one large page. Runs in a child: what it allocates goes with the child.
 *
 * Source: AMD64 Architecture Programmer's Manual volume 2, 14.8 (long mode), 5.3 (page tables).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "platform/kvm-probe.h"

#define MEMORY_BYTES (2U << 20)
#define TABLES_AT 0x1000
#define CODE_AT 0x10000
#define PART_PORT 0xf4

static void write_guest(unsigned char *memory)
{
        /* 1: mov $KVM_PROBE_ROUNDS, %ecx; 2: dec %ecx; jnz 2b; out %al, $PART_PORT; jmp 1b */
        static const unsigned char code[] = {
                0xb9,
                KVM_PROBE_ROUNDS & 0xff,
                KVM_PROBE_ROUNDS >> 8,
                0,
                0,
                0xff,
                0xc9,
                0x75,
                0xfc,
                0xe6,
                PART_PORT,
                0xeb,
                0xf3,
        };
        uint64_t *tables = (uint64_t *) (void *) (memory + TABLES_AT);

        tables[0] = (TABLES_AT + 0x1000) | 3;   /* level 4 → 3: present, writable */
        tables[512] = (TABLES_AT + 0x2000) | 3; /* level 3 → 2 */
        tables[1024] = 0x83;                    /* level 2: a large page at 0 */
        memcpy(memory + CODE_AT, code, sizeof(code));
}

static int set_registers(int vcpu)
{
        struct kvm_segment code = {
                .limit = UINT32_MAX, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
        };
        struct kvm_segment data = {
                .limit = UINT32_MAX, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
        };
        struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
        struct kvm_sregs sregs;

        if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
                return -errno;
        sregs.cr3 = TABLES_AT;
        sregs.cr4 = 0x20;       /* PAE */
        sregs.cr0 = 0x80000001; /* PG, PE */
        sregs.efer = 0x500;     /* LME, LMA */
        sregs.cs = code;
        sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
        if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
                return -errno;
        return 0;
}

int kvm_probe_guest_init(struct kvm_probe_guest *g, int kvm_fd)
{
        struct kvm_userspace_memory_region region = { .memory_size = MEMORY_BYTES };
        struct kvm_run *run;
        unsigned char *memory;
        int vm, vcpu, run_bytes, r;

        memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        write_guest(memory);
        region.userspace_addr = (uintptr_t) memory;

        if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) <= 0)
                return -ENODEV;
        vm = ioctl(kvm_fd, KVM_CREATE_VM, 0);
        if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
                return -errno;
        vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
        run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (vcpu < 0 || run_bytes < 0)
                return -errno;
        run = mmap(NULL, (size_t) run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
        if (run == MAP_FAILED)
                return -errno;
        r = set_registers(vcpu);
        if (r < 0)
                return r;
        *g = (struct kvm_probe_guest){ .vcpu_fd = vcpu, .run = run };
        return 0;
}

bool kvm_probe_guest_ended_part(const struct kvm_probe_guest *g)
{
        return g->run->exit_reason == KVM_EXIT_IO && g->run->io.port == PART_PORT;
}
