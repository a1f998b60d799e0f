/* SPDX-License-Identifier: MPL-2.0 */
/*
 * vCPUs: what the host's processor is, with PSCI; all but the first wait for the guest to start them.
 *
 * Spec: Linux, Documentation/virt/kvm/api.rst, devices/vcpu.rst; Arm, DEN 0022 (PSCI).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "base/macros.h"
#include "monitor/aarch64/arm.h"
#include "monitor/aarch64/gic-map.h"
#include "monitor/arch.h"
#include "monitor/vcpu.h"
#include "monitor/vm.h"

#define CORE_REGISTER(member)                                                                      \
        (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(member))
#define MPIDR ARM64_SYS_REG(3, 0, 0, 0, 5)
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

static int get(struct vcpu *v, uint64_t id, uint64_t *ret)
{
        const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t) ret };

        return ioctl(vcpu_fd(v), KVM_GET_ONE_REG, &reg) < 0 ? -errno : 0;
}

static int set(struct vcpu *v, uint64_t id, uint64_t value)
{
        const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t) &value };

        return ioctl(vcpu_fd(v), KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

static void want(struct arm *a, unsigned feature)
{
        a->vcpu_init.features[feature / 32] |= 1U << (feature % 32);
}

bool cpu_has(const struct arm *a, unsigned feature)
{
        return a->vcpu_init.features[feature / 32] & (1U << (feature % 32));
}

static bool offered(const struct monitor *m, int capability)
{
        return ioctl(vm_fd(m->vm), KVM_CHECK_EXTENSION, capability) > 0;
}

int cpu_choose(struct monitor *m)
{
        struct arm *a = arm_of(m);

        if (ioctl(vm_fd(m->vm), KVM_ARM_PREFERRED_TARGET, &a->vcpu_init) < 0)
                return -errno;
        want(a, KVM_ARM_VCPU_PSCI_0_2);
        if (offered(m, KVM_CAP_ARM_PMU_V3))
                want(a, KVM_ARM_VCPU_PMU_V3);
        if (offered(m, KVM_CAP_ARM_PTRAUTH_ADDRESS) && offered(m, KVM_CAP_ARM_PTRAUTH_GENERIC)) {
                want(a, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
                want(a, KVM_ARM_VCPU_PTRAUTH_GENERIC);
        }
        if (offered(m, KVM_CAP_ARM_SVE))
                want(a, KVM_ARM_VCPU_SVE);
        return 0;
}

int arch_init_vcpu(struct vcpu *v)
{
        struct arm *a = arm_of(vcpu_monitor(v));
        struct kvm_vcpu_init init = a->vcpu_init;
        int feature = KVM_ARM_VCPU_SVE, r;
        uint64_t mpidr = 0;

        if (vcpu_index(v) != 0)
                init.features[0] |= 1U << KVM_ARM_VCPU_POWER_OFF; /* until PSCI's CPU_ON */
        if (ioctl(vcpu_fd(v), KVM_ARM_VCPU_INIT, &init) < 0)
                return -errno;
        if (cpu_has(a, KVM_ARM_VCPU_SVE) && ioctl(vcpu_fd(v), KVM_ARM_VCPU_FINALIZE, &feature) < 0)
                return -errno;
        r = get(v, MPIDR, &mpidr);
        if (r < 0)
                return r;
        a->mpidr[vcpu_index(v)] = mpidr & MPIDR_AFFINITY;
        return 0;
}

int arch_start_boot_cpu(struct vcpu *v)
{
        const struct arm *a = arm_of(vcpu_monitor(v));
        int r;

        r = set(v, CORE_REGISTER(regs.pc), a->entry);
        return r < 0 ? r : set(v, CORE_REGISTER(regs.regs[0]), a->tree);
}

int cpu_start_pmu(struct vcpu *v)
{
        const int interrupt = GIC_FIRST_PRIVATE + PRIVATE_PMU;
        struct kvm_device_attr attr = {
                .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_IRQ, .addr = (uintptr_t) &interrupt
        };

        if (ioctl(vcpu_fd(v), KVM_SET_DEVICE_ATTR, &attr) < 0)
                return -errno;
        attr = (struct kvm_device_attr){ .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_INIT };
        return ioctl(vcpu_fd(v), KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

uint64_t cpu_counter(void)
{
        uint64_t value;

        __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
        return value;
}

uint64_t cpu_counter_hz(void)
{
        uint64_t value;

        __asm__("mrs %0, cntfrq_el0" : "=r"(value));
        return value;
}

int cpu_get_count(struct vcpu *v, uint64_t *ret)
{
        return get(v, KVM_REG_ARM_TIMER_CNT, ret);
}

int cpu_set_count(struct vcpu *v, uint64_t count)
{
        return set(v, KVM_REG_ARM_TIMER_CNT, count);
}
