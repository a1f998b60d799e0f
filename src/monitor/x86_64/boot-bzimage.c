/* SPDX-License-Identifier: MPL-2.0 */
/*
 * bzImage: [ boot sector, real-mode code ] [ protected-mode code ]. Only the second part goes to memory; the first
 * is there for its header at 0x1f1, which says how to load the second. The kernel's 64-bit entry is 0x200 bytes
 * into it.
 */
#include "monitor/x86_64/boot-kernel.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/boot-file.h"
#include "monitor/fail.h"
#include "monitor/memory.h"

#define ENTRY_64 0x200
#define SECTOR_BYTES 512
#define VERSION_LEAST 0x20c /* the first whose xloadflags tell of a 64-bit entry */

#define LOADED_HIGH 0x01         /* loadflags */
#define KERNEL_64 0x01           /* xloadflags */
#define LOADER_UNREGISTERED 0xff /* type_of_loader */

/* Of the file from 0x1f1 on, as of protocol 2.12. */
struct header {
        uint8_t setup_sects;
        uint16_t root_flags;
        uint32_t syssize;
        uint16_t ram_size, vid_mode, root_dev, boot_flag;
        uint8_t jump, jump_bytes; /* ... over the rest of the header, which ends there */
        uint32_t magic;
        uint16_t version;
        uint32_t realmode_swtch;
        uint16_t start_sys_seg, kernel_version;
        uint8_t type_of_loader, loadflags;
        uint16_t setup_move_size;
        uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
        uint16_t heap_end_ptr;
        uint8_t ext_loader_ver, ext_loader_type;
        uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
        uint8_t relocatable_kernel, min_alignment;
        uint16_t xloadflags;
        uint32_t cmdline_size, hardware_subarch;
        uint64_t hardware_subarch_data;
        uint32_t payload_offset, payload_length;
        uint64_t setup_data, pref_address;
        uint32_t init_size;
} __attribute__((packed));

static_assert(offsetof(struct header, magic) == 0x202 - BZIMAGE_HEADER_AT, "boot.rst, the header's fields");
static_assert(offsetof(struct header, initrd_addr_max) == 0x22c - BZIMAGE_HEADER_AT, "boot.rst, the header's fields");
static_assert(offsetof(struct header, init_size) == 0x260 - BZIMAGE_HEADER_AT, "boot.rst, the header's fields");
static_assert(sizeof(struct header) <= BZIMAGE_HEADER_MAX, "the page has room for the header");

struct range {
        uint64_t start, size_bytes;
        uint32_t type;
} __attribute__((packed));

/* The page: Linux, Documentation/arch/x86/zero-page.rst. */
struct zero_page {
        uint8_t unused_000[0x070];
        uint64_t acpi_rsdp_addr;
        uint8_t unused_078[0x1e8 - 0x078];
        uint8_t e820_entries;
        uint8_t unused_1e9[0x1f1 - 0x1e9];
        struct header header;
        uint8_t unused_header[0x2d0 - 0x1f1 - sizeof(struct header)];
        struct range e820_table[128];
} __attribute__((packed));

static_assert(offsetof(struct zero_page, header) == BZIMAGE_HEADER_AT, "zero-page.rst");
static_assert(offsetof(struct zero_page, e820_table) == 0x2d0, "zero-page.rst");
static_assert(sizeof(struct zero_page) <= 4096, "a page");

static int check_header(const struct header *h, char **ret_error)
{
        size_t end = 0x202 + h->jump_bytes;

        if (le16toh(h->boot_flag) != 0xaa55 || memcmp(&h->magic, "HdrS", 4) != 0)
                return fail(-EBADMSG, ret_error, "kernel: neither a bzImage nor an ELF file");
        if (le16toh(h->version) < VERSION_LEAST)
                return fail(-EBADMSG, ret_error, "kernel: boot protocol %u.%02u is too old, 2.12 is needed",
                            le16toh(h->version) >> 8, le16toh(h->version) & 0xffU);
        if (end < BZIMAGE_HEADER_AT + sizeof(*h) || end > BZIMAGE_HEADER_AT + BZIMAGE_HEADER_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage header's own size is wrong");
        if (!(le16toh(h->xloadflags) & KERNEL_64))
                return fail(-EBADMSG, ret_error, "kernel: the bzImage has no 64-bit entry");
        if (!(h->loadflags & LOADED_HIGH))
                return fail(-EBADMSG, ret_error, "kernel: a zImage, which loads below 1 MiB");
        if (le64toh(h->pref_address) < BOOT_HIGH)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage wants to load below 1 MiB");
        if (le64toh(h->pref_address) > UINT32_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the bzImage wants to load above 4 GiB");
        return 0;
}

int boot_bzimage_load(const struct boot_file *f, const struct memory *memory, struct boot_kernel *ret, char **ret_error)
{
        struct boot_kernel kernel = { 0 };
        uint64_t offset, n_bytes, taken;
        struct header h;
        int r;

        if (f->size_bytes < BZIMAGE_HEADER_AT + sizeof(h))
                return fail(-EBADMSG, ret_error, "kernel: too short for a bzImage or an ELF file");
        r = boot_file_read(f, BZIMAGE_HEADER_AT, &h, sizeof(h), ret_error);
        if (r == 0)
                r = check_header(&h, ret_error);
        if (r < 0)
                return r;
        kernel.header_bytes = 0x202 + h.jump_bytes - BZIMAGE_HEADER_AT;
        r = boot_file_read(f, BZIMAGE_HEADER_AT, kernel.header, kernel.header_bytes, ret_error);
        if (r < 0)
                return r;

        /* Zero stands for four, says the protocol. */
        offset = (uint64_t) ((h.setup_sects ? h.setup_sects : 4) + 1) * SECTOR_BYTES;
        if (offset + ENTRY_64 >= f->size_bytes)
                return fail(-EBADMSG, ret_error, "kernel: cut off: the bzImage ends before its 64-bit entry");
        n_bytes = f->size_bytes - offset;
        taken = MAX(n_bytes, (uint64_t) le32toh(h.init_size));
        kernel.start = le64toh(h.pref_address);
        if (!memory_at(memory, kernel.start, taken))
                return fail(-ENOSPC, ret_error, "kernel: needs %llu MiB of memory from %#llx on to unpack itself",
                            (unsigned long long) ((taken + (1 << 20) - 1) >> 20), (unsigned long long) kernel.start);
        r = boot_file_load(f, offset, n_bytes, memory, kernel.start, ret_error);
        if (r < 0)
                return r;
        kernel.end = kernel.start + taken;
        kernel.entry = kernel.start + ENTRY_64;
        kernel.initrd_end_max = (gpa_t) le32toh(h.initrd_addr_max) + 1;
        kernel.parameters_max = MIN(le32toh(h.cmdline_size), (uint32_t) BOOT_PARAMETERS_MAX);
        *ret = kernel;
        return 0;
}

void boot_bzimage_write_info(const struct boot_kernel *kernel, const struct boot_info *info, void *page)
{
        struct zero_page *zero = page;
        struct header *h = &zero->header;

        memcpy((char *) page + BZIMAGE_HEADER_AT, kernel->header, kernel->header_bytes);
        h->type_of_loader = LOADER_UNREGISTERED;
        h->code32_start = htole32((uint32_t) kernel->start);
        h->cmd_line_ptr = htole32((uint32_t) info->parameters);
        h->ramdisk_image = htole32(info->initrd_bytes ? (uint32_t) info->initrd : 0);
        h->ramdisk_size = htole32((uint32_t) info->initrd_bytes);
        h->setup_data = 0;
        zero->acpi_rsdp_addr = htole64(info->rsdp);
        zero->e820_entries = (uint8_t) info->n_ranges;
        for (size_t i = 0; i < info->n_ranges; i++)
                zero->e820_table[i] =
                        (struct range){ htole64(info->ranges[i].start), htole64(info->ranges[i].size_bytes),
                                        htole32(info->ranges[i].type) };
}
