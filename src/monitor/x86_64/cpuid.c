/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sources: Intel SDM volume 2A, CPUID; AMD64 Architecture Programmer's Manual volume 3, appendix E; Linux,
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "monitor/x86_64/x86.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/macros.h"

#define ENTRIES_MAX 256 /* KVM_MAX_CPUID_ENTRIES: KVM takes no more itself */
#define ENTRIES_ADDED 4

#define HYPERVISOR_LEAVES 0x40000000 /* and the next: KVM's own */
#define HYPERVISOR_TIMING 0x40000010 /* frequencies of TSC and local APIC, in kHz, a convention of several */
#define APIC_HZ 1000000000           /* of KVM's local APIC */

#define LEAF1_ECX_VMX (1U << 5)
#define LEAF1_ECX_X2APIC (1U << 21)
#define LEAF1_ECX_TSC_DEADLINE (1U << 24)
#define LEAF1_ECX_HYPERVISOR (1U << 31)
#define LEAF1_EDX_HTT (1U << 28) /* more than one CPU in the package */
#define EXTENDED1_ECX_CMP_LEGACY (1U << 1)
#define EXTENDED1_ECX_SVM (1U << 2)

#define LEVEL_THREAD 1
#define LEVEL_CORE 2

static struct kvm_cpuid2 *allocate(uint32_t n_entries)
{
        struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + n_entries * sizeof(c->entries[0]));

        if (c)
                c->nent = n_entries;
        return c;
}

int cpuid_of_kvm(int kvm_fd, struct kvm_cpuid2 **ret)
{
        auto_cleanup(freep) struct kvm_cpuid2 *c = allocate(ENTRIES_MAX);

        if (!c)
                return -ENOMEM;
        if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0)
                return -errno;
        *ret = take_ptr(&c);
        return 0;
}

/* Bits of an APIC id that tell the CPUs of the package apart. */
static uint32_t id_bits(unsigned n_vcpus)
{
        uint32_t bits = 0;

        while ((1U << bits) < n_vcpus)
                bits++;
        return bits;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *c, uint32_t leaf)
{
        for (uint32_t i = 0; i < c->nent; i++)
                if (c->entries[i].function == leaf)
                        return &c->entries[i];
        return NULL;
}

/* Caches: those of level 3 are shared by all CPUs, the others are each one's own. Both makers use the same bits, but
   for the number of cores, which only Intel's leaf has. */
static void patch_cache(struct kvm_cpuid_entry2 *e, uint32_t ids)
{
        bool intel = e->function == 4;
        uint32_t level = e->eax >> 5 & 7;

        if ((e->eax & 0x1f) == 0)
                return;
        e->eax &= intel ? 0x00003fffU : 0xfc003fffU;
        if (level >= 3)
                e->eax |= (ids - 1) << 14;
        if (intel)
                e->eax |= (MIN(ids, 64U) - 1) << 26;
}

struct place {
        uint32_t index, n_vcpus, tsc_khz;
        bool amd; /* or of its kin */
};

static void patch_leaf1(struct kvm_cpuid_entry2 *e, const struct place *p)
{
        e->ebx = (e->ebx & 0x0000ffff) | 1U << id_bits(p->n_vcpus) << 16 | p->index << 24;
        /* KVM's local APIC has both whatever the host has; a guest that runs guests is none of ours. */
        e->ecx = (e->ecx & ~LEAF1_ECX_VMX) | LEAF1_ECX_HYPERVISOR | LEAF1_ECX_X2APIC | LEAF1_ECX_TSC_DEADLINE;
        e->edx = p->n_vcpus > 1 ? e->edx | LEAF1_EDX_HTT : e->edx & ~LEAF1_EDX_HTT;
}

static void patch(struct kvm_cpuid_entry2 *e, const struct place *p)
{
        uint32_t bits = id_bits(p->n_vcpus);

        switch (e->function) {
        case 0x1:
                patch_leaf1(e, p);
                break;
        case 0x4:
        case 0x8000001d:
                patch_cache(e, 1U << bits);
                break;
        case 0x15:
                /* TSC frequency = ecx * ebx / eax; ecx is what the local APIC's timer runs with. */
                e->eax = p->tsc_khz ? APIC_HZ / 1000 : 0;
                e->ebx = p->tsc_khz;
                e->ecx = p->tsc_khz ? APIC_HZ : 0;
                break;
        case HYPERVISOR_LEAVES:
                e->eax = MAX(e->eax, p->tsc_khz ? HYPERVISOR_TIMING : 0U);
                break;
        case 0x80000001:
                e->ecx &= ~(EXTENDED1_ECX_SVM | EXTENDED1_ECX_CMP_LEGACY);
                if (p->amd && p->n_vcpus > 1)
                        e->ecx |= EXTENDED1_ECX_CMP_LEGACY;
                break;
        case 0x80000008:
                if (p->amd)
                        e->ecx = (e->ecx & ~0xf0ffU) | bits << 12 | (p->n_vcpus - 1);
                break;
        case 0x8000001e:
                e->eax = p->index;
                e->ebx = p->index; /* core id; one thread in each */
                e->ecx = 0;        /* one node */
                break;
        default:
                break;
        }
}

/* Leaves that are written anew, or that describe the host and nothing of the guest. */
static bool is_dropped(uint32_t leaf)
{
        return leaf == 0xb || leaf == 0x1f || leaf == 0x8000000a || leaf == 0x80000026 || leaf == HYPERVISOR_TIMING;
}

static void add(struct kvm_cpuid2 *c, struct kvm_cpuid_entry2 entry) { c->entries[c->nent++] = entry; }

/* Threads of a core, cores of the package, and the end. */
static void add_topology(struct kvm_cpuid2 *c, const struct place *p)
{
        const struct kvm_cpuid_entry2 levels[] = {
                { .ebx = 1, .ecx = LEVEL_THREAD << 8 },
                { .eax = id_bits(p->n_vcpus), .ebx = p->n_vcpus, .ecx = LEVEL_CORE << 8 },
                { .ecx = 0 },
        };

        for (uint32_t i = 0; i < ARRAY_SIZE(levels); i++) {
                struct kvm_cpuid_entry2 e = levels[i];

                e.function = 0xb;
                e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
                e.index = i;
                e.ecx |= i;
                e.edx = p->index;
                add(c, e);
        }
}

static bool is_amd(const struct kvm_cpuid_entry2 *leaf0)
{
        return leaf0 && (memcmp(&leaf0->ebx, "Auth", 4) == 0 || memcmp(&leaf0->ebx, "Hygo", 4) == 0);
}

int cpuid_new(const struct kvm_cpuid2 *of_kvm, unsigned index, unsigned n_vcpus, uint32_t tsc_khz,
              struct kvm_cpuid2 **ret)
{
        const struct kvm_cpuid_entry2 *leaf0 = find(of_kvm, 0);
        const struct place place = { index, n_vcpus, tsc_khz, is_amd(leaf0) };
        struct kvm_cpuid2 *c = allocate(of_kvm->nent + ENTRIES_ADDED);

        if (!c)
                return -ENOMEM;
        c->nent = 0;
        for (uint32_t i = 0; i < of_kvm->nent; i++) {
                struct kvm_cpuid_entry2 e = of_kvm->entries[i];

                if (is_dropped(e.function))
                        continue;
                patch(&e, &place);
                add(c, e);
        }
        if (leaf0 && leaf0->eax >= 0xb)
                add_topology(c, &place);
        if (tsc_khz && find(of_kvm, HYPERVISOR_LEAVES))
                add(c,
                    (struct kvm_cpuid_entry2){ .function = HYPERVISOR_TIMING, .eax = tsc_khz, .ebx = APIC_HZ / 1000 });
        *ret = c;
        return 0;
}
