/* SPDX-License-Identifier: MPL-2.0 */
/* What a CPU in 64-bit mode needs in memory; arch_start_boot_cpu() points its registers there. */
#pragma once

/* KVM's own pages, below 4 GiB and where no guest has RAM: one to emulate real mode without page tables, three for
   its task state segment (Intel only). */
#define REGISTERS_IDENTITY_MAP 0xfeffc000
#define REGISTERS_TSS 0xfeffd000

/* 32 bytes at BOOT_GDT. */
void registers_write_gdt(void *gdt);
/* Six pages at BOOT_PAGE_TABLES. */
void registers_write_page_tables(void *tables);
