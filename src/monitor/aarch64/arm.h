/* SPDX-License-Identifier: MPL-2.0 */
/* arm64's own state of a machine: what arch.c, cpu.c and gic.c share. The only files here that issue KVM ioctls. */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/aarch64/primecell.h"
#include "monitor/boot-file.h"
#include "monitor/spec.h"

struct arm {
        struct boot_files files;
        unsigned gic_version;
        struct kvm_vcpu_init vcpu_init; /* of all vCPUs */
        uint64_t mpidr[MONITOR_VCPUS_MAX]; /* affinity fields; each set by its vCPU's thread */
        gpa_t entry, tree;
        struct pl011 serial;
        struct pl031 clock;
        struct pl061 power;
        struct watchdog watchdog;
};

static inline struct arm *arm_of(const struct monitor *m) { return m->arch; }

/* Finds out which interrupt controller this host offers. Return: 0, or a negative errno with a sentence. */
int gic_choose(struct monitor *m, char **ret_error);
/* Makes it, for all vCPUs. */
int gic_make(struct monitor *m);

/* Finds out what vCPUs can have here. Return: 0 or a negative errno. */
int cpu_choose(struct monitor *m);
bool cpu_has(const struct arm *a, unsigned feature);
/* The PMU of a vCPU, once the interrupt controller is there. */
int cpu_start_pmu(struct vcpu *v);
/* A guest's virtual counter, which all its vCPUs share. While none runs, or on the vCPU's own thread. */
int cpu_get_count(struct vcpu *v, uint64_t *ret);
int cpu_set_count(struct vcpu *v, uint64_t count);
/* The host's. */
uint64_t cpu_counter(void);
uint64_t cpu_counter_hz(void);
