/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Registers of vCPUs: what firmware would have left in them. All CPUs but the first wait for the INIT and SIPI
 * messages, which KVM's local APICs understand.
 *
 * Sources: Linux, Documentation/arch/x86/boot.rst ("64-bit boot protocol"); Xen, docs/misc/pvh.pandoc; Intel SDM
 * volume 3, 3.4 (segments), 11.11 (MTRRs).
 */
#include "monitor/x86_64/x86.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "monitor/arch.h"
#include "monitor/spec.h"
#include "monitor/vcpu.h"

#define CR0_PE 0x1
#define CR0_ET 0x10
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define RFLAGS_RESERVED 0x2

#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRINGS 0x1
#define MSR_MTRR_DEFAULT 0x2ff
#define MTRR_ENABLED 0x800
#define MTRR_WRITE_BACK 0x6

#define SELECTOR_CODE 0x10 /* __BOOT_CS and __BOOT_DS of Linux */
#define SELECTOR_DATA 0x18
#define GDT_BYTES 32

/* Kernels take memory for uncached where no MTRR says otherwise, and miss fast strings that are not said to be on. */
static int set_msrs(int fd)
{
        auto_cleanup(freep) struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + 2 * sizeof(msrs->entries[0]));

        if (!msrs)
                return -ENOMEM;
        msrs->nmsrs = 1;
        msrs->entries[0].index = MSR_MISC_ENABLE;
        if (ioctl(fd, KVM_GET_MSRS, msrs) < 0)
                return -errno;
        msrs->entries[0].data |= MISC_ENABLE_FAST_STRINGS;
        msrs->entries[1] = (struct kvm_msr_entry){ .index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLED | MTRR_WRITE_BACK };
        msrs->nmsrs = 2;
        return ioctl(fd, KVM_SET_MSRS, msrs) < 0 ? -errno : 0;
}

int arch_init_vcpu(struct vcpu *v)
{
        const struct monitor *m = vcpu_monitor(v);
        auto_cleanup(freep) struct kvm_cpuid2 *cpuid = NULL;
        int khz, r;

        khz = ioctl(vcpu_fd(v), KVM_GET_TSC_KHZ, 0);
        r = cpuid_new(x86_of(m)->cpuid, vcpu_index(v), m->spec->n_vcpus, khz > 0 ? (uint32_t) khz : 0, &cpuid);
        if (r < 0)
                return r;
        if (ioctl(vcpu_fd(v), KVM_SET_CPUID2, cpuid) < 0)
                return -errno;
        return set_msrs(vcpu_fd(v));
}

void registers_write_gdt(void *gdt)
{
        static const uint64_t descriptors[] = { 0, 0, UINT64_C(0x00af9b000000ffff), UINT64_C(0x00cf93000000ffff) };

        for (size_t i = 0; i < sizeof(descriptors) / sizeof(*descriptors); i++)
                ((uint64_t *) gdt)[i] = descriptors[i];
}

void registers_write_page_tables(void *tables)
{
        uint64_t *entries = tables;

        entries[0] = (BOOT_PAGE_TABLES + 0x1000) | 3; /* level 4: present, writable */
        for (uint64_t i = 0; i < 4; i++)
                entries[512 + i] = (BOOT_PAGE_TABLES + 0x2000 + i * 0x1000) | 3;
        for (uint64_t i = 0; i < UINT64_C(4) * 512; i++)
                entries[1024 + i] = i << 21 | 0x83; /* level 2: large pages */
}

static void set_segments(struct kvm_sregs *s, bool long_mode)
{
        struct kvm_segment data = {
                .limit = UINT32_MAX, .selector = SELECTOR_DATA, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
        };

        s->cs = data;
        s->cs.selector = SELECTOR_CODE;
        s->cs.type = 11;
        s->cs.db = !long_mode;
        s->cs.l = long_mode;
        s->ds = s->es = s->fs = s->gs = s->ss = data;
        s->tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
        s->gdt.base = BOOT_GDT;
        s->gdt.limit = GDT_BYTES - 1;
        s->idt.limit = 0;
}

int arch_start_boot_cpu(struct vcpu *v)
{
        const struct boot_kernel *kernel = &x86_of(vcpu_monitor(v))->kernel;
        struct kvm_regs regs = { .rip = kernel->entry, .rflags = RFLAGS_RESERVED };
        struct kvm_sregs sregs;

        if (ioctl(vcpu_fd(v), KVM_GET_SREGS, &sregs) < 0)
                return -errno;
        set_segments(&sregs, !kernel->is_pvh);
        sregs.cr0 = CR0_PE | CR0_ET;
        if (kernel->is_pvh) {
                regs.rbx = BOOT_INFO;
        } else {
                regs.rsi = BOOT_INFO;
                sregs.cr3 = BOOT_PAGE_TABLES;
                sregs.cr4 = CR4_PAE;
                sregs.cr0 |= CR0_PG;
                sregs.efer |= EFER_LME | EFER_LMA;
        }
        if (ioctl(vcpu_fd(v), KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd(v), KVM_SET_REGS, &regs) < 0)
                return -errno;
        return 0;
}

int arch_exit(struct vcpu *v)
{
        const struct kvm_run *run = vcpu_run(v);
        char text[160];

        switch (run->exit_reason) {
        case KVM_EXIT_SHUTDOWN:
                (void) snprintf(text, sizeof(text), "vCPU %u: triple fault", vcpu_index(v));
                break;
        case KVM_EXIT_FAIL_ENTRY:
                (void) snprintf(text, sizeof(text), "vCPU %u: the CPU refused the guest's state, reason %#llx",
                                vcpu_index(v), (unsigned long long) run->fail_entry.hardware_entry_failure_reason);
                break;
        case KVM_EXIT_INTERNAL_ERROR:
                (void) snprintf(text, sizeof(text), "vCPU %u: KVM cannot run the guest's code, internal error %u",
                                vcpu_index(v), run->internal.suberror);
                break;
        default:
                return -ENOTSUP;
        }
        monitor_end(vcpu_monitor(v), MONITOR_CRASHED, text);
        return 0;
}
