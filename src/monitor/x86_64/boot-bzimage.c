/* SPDX-License-Identifier: MPL-2.0 */
/*
 * bzImage: [ boot sector, real-mode code ] [ protected-mode code ]. Only the second part goes to memory; the first
 * is there for its header at 0x1f1, which says how to load the second. The kernel's 64-bit entry is 0x200 bytes
 * into it.
 */
#include "monitor/x86_64/x86.h"

#include <asm/bootparam.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/memory.h"

#define ENTRY_64 0x200
#define SECTOR_BYTES 512
#define VERSION_LEAST 0x20c /* the first whose xloadflags tell of a 64-bit entry */

#define LOADER_UNREGISTERED 0xff /* type_of_loader */

/* What protocol 2.12 has of it at least. */
#define HEADER_BYTES_MIN offsetof(struct setup_header, handover_offset)

/* The header ends where the jump at 0x200 over the rest of it leads. */
static size_t header_bytes(const struct setup_header *h) { return 0x202 + (h->jump >> 8) - BZIMAGE_HEADER_AT; }

static_assert(offsetof(struct boot_params, hdr) == BZIMAGE_HEADER_AT, "zero-page.rst");
static_assert(sizeof(struct boot_params) == 4096, "a page");

static int check_header(const struct setup_header *h, char **ret_error)
{
        if (h->boot_flag != 0xaa55 || memcmp(&h->header, "HdrS", 4) != 0)
                return fail(-EBADMSG, ret_error, "kernel: neither a bzImage nor an ELF file");
        if (h->version < VERSION_LEAST)
                return fail(-EBADMSG, ret_error, "kernel: boot protocol %u.%02u is too old, 2.12 is needed",
                            h->version >> 8, h->version & 0xffU);
        if (header_bytes(h) < HEADER_BYTES_MIN || header_bytes(h) > BZIMAGE_HEADER_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage header's own size is wrong");
        if (!(h->xloadflags & XLF_KERNEL_64))
                return fail(-EBADMSG, ret_error, "kernel: the bzImage has no 64-bit entry");
        if (!(h->loadflags & LOADED_HIGH))
                return fail(-EBADMSG, ret_error, "kernel: a zImage, which loads below 1 MiB");
        if (h->pref_address < BOOT_HIGH)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage wants to load below 1 MiB");
        if (h->pref_address > UINT32_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage wants to load above 4 GiB");
        return 0;
}

int boot_bzimage_load(const struct boot_file *f, const struct memory *memory, struct boot_kernel *ret, char **ret_error)
{
        struct boot_kernel kernel = { 0 };
        uint64_t offset, n_bytes, taken;
        struct setup_header h = { 0 };
        int r;

        if (f->size_bytes < BZIMAGE_HEADER_AT + HEADER_BYTES_MIN)
                return fail(-EBADMSG, ret_error, "kernel: too short for a bzImage or an ELF file");
        r = boot_file_read(f, BZIMAGE_HEADER_AT, &h, HEADER_BYTES_MIN, ret_error);
        if (r == 0)
                r = check_header(&h, ret_error);
        if (r < 0)
                return r;
        kernel.header_bytes = header_bytes(&h);
        r = boot_file_read(f, BZIMAGE_HEADER_AT, kernel.header, kernel.header_bytes, ret_error);
        if (r < 0)
                return r;

        /* Zero stands for four, says the protocol. */
        offset = (uint64_t) ((h.setup_sects ? h.setup_sects : 4) + 1) * SECTOR_BYTES;
        if (offset + ENTRY_64 >= f->size_bytes)
                return fail(-EBADMSG, ret_error, "kernel: cut off: the bzImage ends before its 64-bit entry");
        n_bytes = f->size_bytes - offset;
        taken = MAX(n_bytes, (uint64_t) h.init_size);
        kernel.start = h.pref_address;
        if (!memory_at(memory, kernel.start, taken))
                return fail(-ENOSPC, ret_error, "kernel: needs %llu MiB of memory from %#llx on to unpack itself",
                            (unsigned long long) ((taken + (1 << 20) - 1) >> 20), (unsigned long long) kernel.start);
        r = boot_file_load(f, offset, n_bytes, memory, kernel.start, ret_error);
        if (r < 0)
                return r;
        kernel.end = kernel.start + taken;
        kernel.entry = kernel.start + ENTRY_64;
        kernel.initrd_end_max = (gpa_t) h.initrd_addr_max + 1;
        kernel.parameters_max = MIN(h.cmdline_size, (uint32_t) BOOT_PARAMETERS_MAX);
        *ret = kernel;
        return 0;
}

void boot_bzimage_write_info(const struct boot_kernel *kernel, const struct boot_info *info, void *page)
{
        struct boot_params *zero = page;
        struct setup_header *h = &zero->hdr;

        memcpy((char *) page + BZIMAGE_HEADER_AT, kernel->header, kernel->header_bytes);
        h->type_of_loader = LOADER_UNREGISTERED;
        h->code32_start = (uint32_t) kernel->start;
        h->cmd_line_ptr = (uint32_t) info->parameters;
        h->ramdisk_image = info->initrd_bytes ? (uint32_t) info->initrd : 0;
        h->ramdisk_size = (uint32_t) info->initrd_bytes;
        h->setup_data = 0;
        zero->acpi_rsdp_addr = info->rsdp;
        zero->e820_entries = (uint8_t) info->n_ranges;
        for (size_t i = 0; i < info->n_ranges; i++)
                zero->e820_table[i] = (struct boot_e820_entry){ info->ranges[i].start, info->ranges[i].size_bytes,
                                                                info->ranges[i].type };
}
