/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of x86-64 share. Everything in struct x86 is protected by the machine's lock once vCPUs run. */
#pragma once

#include "monitor/boot-file.h"
#include "monitor/registers.h"
#include "monitor/x86_64/boot-kernel.h"

struct kvm_cpuid2;

/* Registers, from layout.power on, a byte each. */
enum power_register {
        POWER_SLEEP_CONTROL,
        POWER_SLEEP_STATUS,
        POWER_RESET,  /* POWER_RESET_VALUE resets */
        POWER_EVENTS, /* what happened since it was last read; while not zero, the line is raised */
        POWER_REGISTERS,
};

#define POWER_RESET_VALUE 1
#define POWER_SLEEP_OFF 5 /* sleep type of S5, in the tables' _S5 */
#define POWER_EVENT_BUTTON 0x01

/*
 * How a guest turns its machine off and on again, and hears of the power button: the registers of hardware-reduced
 * ACPI (the tables say where they are), and the two old ports that reset a PC.
 *
 * Spec: ACPI 6.5, 4.8.3.7 (sleep control and status), 4.8.3.6 (reset), 5.6.9 (interrupt-signaled events).
 */
struct power {
        struct monitor *m; /* borrowed */
        uint8_t events;
};

/* Return: 0 or a negative errno. */
int power_add(struct power *p, struct monitor *m);
/* Lock held. */
int power_press_button(struct power *p);

/* The watchdog's count, and how the table WDAT says it: what is set is over after two times of that many counts. */
#define WDAT_TICK_MS 100
#define WDAT_COUNT_HZ (2 * 1000 / WDAT_TICK_MS)

struct x86 {
        struct boot_files files;
        struct boot_kernel kernel; /* after arch_load() */
        struct kvm_cpuid2 *cpuid;  /* owned; what KVM can do: the base of each vCPU's own */
        struct serial_16550 serial;
        struct power power;
        struct watchdog watchdog;
};

static inline struct x86 *x86_of(const struct monitor *m) { return m->arch; }

/*
 * What CPUID tells a guest: all that KVM can do on this host, less what a guest of ours has no use for, plus the
 * topology, which is one package of n cores of one thread each; a CPU's APIC id is its index.
 */

/* Return: 0 and *ret owned by the caller (free()), or a negative errno. */
int cpuid_of_kvm(int kvm_fd, struct kvm_cpuid2 **ret);
/* The CPUID of one vCPU. @tsc_khz: 0: not known. Return: as above. */
int cpuid_new(const struct kvm_cpuid2 *of_kvm, unsigned index, unsigned n_vcpus, uint32_t tsc_khz,
              struct kvm_cpuid2 **ret);

/* KVM's own pages, below 4 GiB and where no guest has RAM: one to emulate real mode without page tables, three for
   its task state segment (Intel only). */
#define REGISTERS_IDENTITY_MAP 0xfeffc000
#define REGISTERS_TSS 0xfeffd000

/* What a CPU in 64-bit mode needs in memory: 32 bytes at BOOT_GDT, six pages at BOOT_PAGE_TABLES. */
void registers_write_gdt(void *gdt);
void registers_write_page_tables(void *tables);
