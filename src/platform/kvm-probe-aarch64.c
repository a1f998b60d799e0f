/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A CPU as it comes out of reset (EL1, MMU off) and one page of code. It ends a part by writing where there is no
 * memory, which ends KVM_RUN. Runs in a child: what it allocates goes with the child.
 *
 * Source: Linux, Documentation/virt/kvm/api.rst; Arm Architecture Reference Manual, C6 (encodings).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "platform/kvm-probe.h"

#define MEMORY_AT 0x40000000U
#define MEMORY_BYTES (64U << 10)
#define PART_AT 0x10000000U
#define IPA_BITS_DEFAULT 40U

static const uint32_t code[] = {
        0xd2a20001,                           /*    movz x1, #0x1000, lsl #16 */
        0xd2800000 | (KVM_PROBE_ROUNDS << 5), /* 1: movz x0, #KVM_PROBE_ROUNDS */
        0xf1000400,                           /* 2: subs x0, x0, #1 */
        0x54ffffe1,                           /*    b.ne 2b */
        0xb9000020,                           /*    str  w0, [x1] */
        0x17fffffc,                           /*    b    1b */
};

/* Hosts whose CPUs have fewer address bits than KVM's default want to be asked for less. */
static int create_vm(int kvm_fd)
{
        int bits = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
        unsigned long type = bits > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE(MIN((unsigned) bits, IPA_BITS_DEFAULT)) : 0;

        return ioctl(kvm_fd, KVM_CREATE_VM, type);
}

/* A guest needs a GIC, of version 3 or 2, that the kernel emulates. */
static bool has_interrupts(int vm)
{
        struct kvm_create_device v3 = { .type = KVM_DEV_TYPE_ARM_VGIC_V3, .flags = KVM_CREATE_DEVICE_TEST };
        struct kvm_create_device v2 = { .type = KVM_DEV_TYPE_ARM_VGIC_V2, .flags = KVM_CREATE_DEVICE_TEST };

        return ioctl(vm, KVM_CREATE_DEVICE, &v3) == 0 || ioctl(vm, KVM_CREATE_DEVICE, &v2) == 0;
}

static int set_registers(int vm, int vcpu)
{
        struct kvm_vcpu_init init;
        uint64_t start = MEMORY_AT;
        struct kvm_one_reg pc = {
                .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
                .addr = (uintptr_t) &start,
        };

        if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) < 0 || ioctl(vcpu, KVM_ARM_VCPU_INIT, &init) < 0 ||
            ioctl(vcpu, KVM_SET_ONE_REG, &pc) < 0)
                return -errno;
        return 0;
}

int kvm_probe_guest_init(struct kvm_probe_guest *g, int kvm_fd)
{
        struct kvm_userspace_memory_region region = { .guest_phys_addr = MEMORY_AT, .memory_size = MEMORY_BYTES };
        struct kvm_run *run;
        void *memory;
        int vm, vcpu, run_bytes, r;

        memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        memcpy(memory, code, sizeof(code));
        region.userspace_addr = (uintptr_t) memory;

        vm = create_vm(kvm_fd);
        if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
                return -errno;
        if (!has_interrupts(vm))
                return -ENODEV;
        vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
        run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (vcpu < 0 || run_bytes < 0)
                return -errno;
        run = mmap(NULL, (size_t) run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
        if (run == MAP_FAILED)
                return -errno;
        r = set_registers(vm, vcpu);
        if (r < 0)
                return r;
        *g = (struct kvm_probe_guest){ .vcpu_fd = vcpu, .run = run };
        return 0;
}

bool kvm_probe_guest_ended_part(const struct kvm_probe_guest *g)
{
        return g->run->exit_reason == KVM_EXIT_MMIO && g->run->mmio.is_write && g->run->mmio.phys_addr == PART_AT;
}
