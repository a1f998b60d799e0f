/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What CPUID tells a guest: all that KVM can do on this host, less what a guest of ours has no use for, plus the
 * topology, which is one package of n cores of one thread each; a CPU's APIC id is its index.
 */
#pragma once

#include <stdint.h>

struct kvm_cpuid2;

/* Return: 0 and *ret owned by the caller (free()), or a negative errno. */
int cpuid_of_kvm(int kvm_fd, struct kvm_cpuid2 **ret);

/* The CPUID of one vCPU. @tsc_khz: 0: not known. Return: as above. */
int cpuid_new(const struct kvm_cpuid2 *of_kvm, unsigned index, unsigned n_vcpus, uint32_t tsc_khz,
              struct kvm_cpuid2 **ret);
