/* SPDX-License-Identifier: MPL-2.0 */
/* What m->arch points to on x86-64. Everything in it is protected by the machine's lock once vCPUs run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "monitor/boot-file.h"
#include "monitor/monitor.h"
#include "monitor/pvpanic.h"
#include "monitor/serial-16550.h"
#include "monitor/x86_64/boot-kernel.h"
#include "monitor/x86_64/power.h"
#include "monitor/x86_64/wdat.h"

struct kvm_cpuid2;

struct x86 {
        struct boot_file kernel_file, initrd_file;
        struct boot_kernel kernel; /* after arch_load() */
        struct kvm_cpuid2 *cpuid;  /* owned; what KVM can do: the base of each vCPU's own */
        struct serial_16550 serial;
        struct power power;
        struct wdat wdat;
};

static inline struct x86 *x86_of(const struct monitor *m) { return m->arch; }
