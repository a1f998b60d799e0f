/* SPDX-License-Identifier: MPL-2.0 */
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
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct boot_file;
struct memory;

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
