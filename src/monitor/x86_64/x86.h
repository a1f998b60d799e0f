/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of x86-64 share. Everything in struct x86 is protected by the machine's lock once vCPUs run. */
#pragma once

#include "monitor/boot-file.h"
#include "monitor/registers.h"

struct kvm_cpuid2;

/*
 * The two forms of an x86-64 kernel: bzImage by Linux' 64-bit boot protocol, and ELF with a PVH entry.
 *
 * Each form has a loader, which brings the kernel into memory and says what it takes there, and a writer of the page
 * that tells the kernel about its machine. Both run before the guest does. Loaders are given files that may be
 * anything, and either refuse one with a sentence or read it into RAM above 1 MiB; below that everything is ours.
 *
 * Spec: Linux, Documentation/arch/x86/boot.rst; Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h.
 */

/* Where things are below 1 MiB. */
#define BOOT_GDT 0x500
#define BOOT_INFO 0x7000          /* the page that the kernel is given */
#define BOOT_PAGE_TABLES 0x9000   /* six pages: the first 4 GiB, each address at itself */
#define BOOT_PARAMETERS 0x20000   /* the command line */
#define BOOT_PARAMETERS_MAX 65535 /* bytes, without the zero at the end */
#define BOOT_LOW_END 0x9fc00      /* of the RAM below the hole of a PC */
#define BOOT_ACPI 0xe0000         /* where guests look for the tables of a PC's firmware */
#define BOOT_ACPI_BYTES 0x1fff0
#define BOOT_RESET_VECTOR 0xffff0 /* where a PC's firmware starts */
#define BOOT_HIGH 0x100000

#define BZIMAGE_HEADER_AT 0x1f1 /* of the file, and of the page */
#define BZIMAGE_HEADER_MAX 0x9f

struct boot_kernel {
        bool is_pvh;
        gpa_t entry;
        gpa_t start, end; /* taken until the kernel manages its memory: code, data, what it unpacks itself to */
        gpa_t initrd_end_max;
        uint32_t parameters_max;            /* bytes, without the zero */
        uint8_t header[BZIMAGE_HEADER_MAX]; /* of a bzImage: handed back to the kernel */
        size_t header_bytes;
};

/* Types of memory are the same numbers in both protocols (those of ACPI's "address range types"). */
enum boot_range_type { BOOT_RANGE_RAM = 1, BOOT_RANGE_RESERVED = 2 };

#define BOOT_RANGES_MAX 8

struct boot_info {
        struct {
                gpa_t start;
                uint64_t size_bytes;
                enum boot_range_type type;
        } ranges[BOOT_RANGES_MAX];
        size_t n_ranges;
        gpa_t parameters; /* zero-terminated */
        uint32_t parameters_bytes;
        gpa_t initrd;
        uint64_t initrd_bytes; /* 0: none */
        gpa_t rsdp;
};

/* Return: true if the file is an ELF file, and so none of boot_bzimage_load(). */
bool boot_pvh_is(const struct boot_file *f);

/* Return: 0; -EBADMSG if the file is no such kernel or is damaged; -ENOSPC if memory is too small; with a sentence
   in *ret_error. */
int boot_bzimage_load(const struct boot_file *f, const struct memory *memory, struct boot_kernel *ret,
                      char **ret_error);
int boot_pvh_load(const struct boot_file *f, const struct memory *memory, struct boot_kernel *ret, char **ret_error);

/* Fill the 4096 bytes at @page, which are zero. The page will be at BOOT_INFO. */
void boot_bzimage_write_info(const struct boot_kernel *kernel, const struct boot_info *info, void *page);
void boot_pvh_write_info(const struct boot_info *info, void *page);

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
#define WDAT_TICKS_MAX 0xffff /* and what it begins with */
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
