/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An ELF kernel: its PT_LOAD segments go to the physical addresses that they name, and a note of its PT_NOTE segments
 * holds the address of the 32-bit entry. What a segment takes beyond the file's bytes is zero already: memory is new.
 */
#include "monitor/x86_64/x86.h"

#include <assert.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/memory.h"

#define SEGMENTS_MAX 64
#define NOTES_BYTES_MAX 65536
#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */

bool boot_pvh_is(const struct boot_file *f)
{
        char magic[SELFMAG];

        return pread(f->fd, magic, SELFMAG, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static int check_header(const Elf64_Ehdr *h, char **ret_error)
{
        if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
            le16toh(h->e_machine) != EM_X86_64)
                return fail(-EBADMSG, ret_error, "kernel: an ELF file, but not for x86-64");
        if (le16toh(h->e_type) != ET_EXEC && le16toh(h->e_type) != ET_DYN)
                return fail(-EBADMSG, ret_error, "kernel: an ELF file, but no program");
        if (le16toh(h->e_phentsize) != sizeof(Elf64_Phdr))
                return fail(-EBADMSG, ret_error, "kernel: the ELF file's program headers have a wrong size");
        if (le16toh(h->e_phnum) == 0 || le16toh(h->e_phnum) > SEGMENTS_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the ELF file has %u program headers, 1 to %u expected",
                            le16toh(h->e_phnum), SEGMENTS_MAX);
        return 0;
}

/* Size of a name or descriptor in a note: multiples of four. */
static uint64_t padded(uint32_t n) { return ((uint64_t) n + 3) & ~UINT64_C(3); }

/* Looks through the notes in buf. Return: true and *ret set if the entry is among them. */
static bool find_entry(const char *buf, uint64_t n_bytes, gpa_t *ret)
{
        Elf64_Nhdr note;

        for (uint64_t at = 0; range_fits(at, sizeof(note), n_bytes);) {
                uint32_t name_bytes, value_bytes;
                uint64_t name, value, le = 0;

                memcpy(&note, buf + at, sizeof(note));
                name_bytes = le32toh(note.n_namesz);
                value_bytes = le32toh(note.n_descsz);
                name = at + sizeof(note);
                value = name + padded(name_bytes);
                if (!range_fits(value, value_bytes, n_bytes))
                        return false;
                if (le32toh(note.n_type) == NOTE_PHYS32_ENTRY && name_bytes == 4 && !memcmp(buf + name, "Xen", 4) &&
                    (value_bytes == 4 || value_bytes == 8)) {
                        memcpy(&le, buf + value, value_bytes);
                        *ret = le64toh(le);
                        return true;
                }
                at = value + padded(value_bytes);
        }
        return false;
}

/* Return: 1 and *ret set if the entry is in this segment's notes, 0 if not, a negative errno. */
static int read_notes(const struct boot_file *f, const Elf64_Phdr *segment, gpa_t *ret, char **ret_error)
{
        auto_cleanup(freep) char *buf = NULL;
        uint64_t n_bytes = le64toh(segment->p_filesz);
        int r;

        if (n_bytes == 0)
                return 0;
        if (n_bytes > NOTES_BYTES_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the ELF file's notes are larger than %u bytes",
                            NOTES_BYTES_MAX);
        buf = malloc(n_bytes);
        if (!buf)
                return -ENOMEM;
        r = boot_file_read(f, le64toh(segment->p_offset), buf, n_bytes, ret_error);
        return r < 0 ? r : find_entry(buf, n_bytes, ret);
}

static int load_segment(const struct boot_file *f, const Elf64_Phdr *segment, const struct memory *memory,
                        struct boot_kernel *kernel, char **ret_error)
{
        uint64_t file_bytes = le64toh(segment->p_filesz), bytes = le64toh(segment->p_memsz);
        gpa_t at = le64toh(segment->p_paddr);

        if (bytes == 0)
                return 0;
        if (file_bytes > bytes)
                return fail(-EBADMSG, ret_error, "kernel: a segment of the ELF file is larger than its memory");
        if (at < BOOT_HIGH)
                return fail(-EBADMSG, ret_error, "kernel: the ELF file wants to load below 1 MiB");
        if (!memory_at(memory, at, bytes))
                return fail(-ENOSPC, ret_error, "kernel: needs %#llx bytes of memory at %#llx, which are not there",
                            (unsigned long long) bytes, (unsigned long long) at);
        kernel->start = MIN(kernel->start, at);
        kernel->end = MAX(kernel->end, at + bytes);
        return boot_file_load(f, le64toh(segment->p_offset), file_bytes, memory, at, ret_error);
}

int boot_pvh_load(const struct boot_file *f, const struct memory *memory, struct boot_kernel *ret, char **ret_error)
{
        struct boot_kernel kernel = { .is_pvh = true,
                                      .start = UINT64_MAX,
                                      .initrd_end_max = UINT64_C(1) << 32,
                                      .parameters_max = BOOT_PARAMETERS_MAX };
        Elf64_Phdr segments[SEGMENTS_MAX];
        bool has_entry = false;
        Elf64_Ehdr h;
        int r;

        r = boot_file_read(f, 0, &h, sizeof(h), ret_error);
        if (r == 0)
                r = check_header(&h, ret_error);
        if (r == 0)
                r = boot_file_read(f, le64toh(h.e_phoff), segments, le16toh(h.e_phnum) * sizeof(*segments), ret_error);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < le16toh(h.e_phnum); i++) {
                if (le32toh(segments[i].p_type) == PT_LOAD) {
                        r = load_segment(f, &segments[i], memory, &kernel, ret_error);
                } else if (le32toh(segments[i].p_type) == PT_NOTE && !has_entry) {
                        r = read_notes(f, &segments[i], &kernel.entry, ret_error);
                        has_entry = r > 0;
                }
                if (r < 0)
                        return r;
        }
        if (!has_entry)
                return fail(-EBADMSG, ret_error, "kernel: the ELF file has no PVH entry (no note \"Xen\" %u)",
                            NOTE_PHYS32_ENTRY);
        if (kernel.entry < kernel.start || kernel.entry >= kernel.end || kernel.entry > UINT32_MAX)
                return fail(-EBADMSG, ret_error, "kernel: the ELF file's PVH entry %#llx is outside of it",
                            (unsigned long long) kernel.entry);
        *ret = kernel;
        return 0;
}

struct start_info {
        uint32_t magic, version, flags, n_modules;
        uint64_t modules, parameters, rsdp, ranges;
        uint32_t n_ranges, reserved;
};

struct module {
        uint64_t start, size_bytes, parameters, reserved;
};

struct range {
        uint64_t start, size_bytes;
        uint32_t type, reserved;
};

struct pvh_page {
        struct start_info info;
        struct module initrd;
        struct range ranges[BOOT_RANGES_MAX];
};

static_assert(sizeof(struct start_info) == 56, "start_info.h, hvm_start_info");
static_assert(sizeof(struct pvh_page) <= 4096, "a page");

void boot_pvh_write_info(const struct boot_info *info, void *page)
{
        struct pvh_page *p = page;

        *p = (struct pvh_page){
                .info = { .magic = htole32(0x336ec578),
                          .version = htole32(1),
                          .n_modules = htole32(info->initrd_bytes ? 1 : 0),
                          .modules = htole64(BOOT_INFO + offsetof(struct pvh_page, initrd)),
                          .parameters = htole64(info->parameters),
                          .rsdp = htole64(info->rsdp),
                          .ranges = htole64(BOOT_INFO + offsetof(struct pvh_page, ranges)),
                          .n_ranges = htole32((uint32_t) info->n_ranges) },
                .initrd = { .start = htole64(info->initrd), .size_bytes = htole64(info->initrd_bytes) },
        };
        for (size_t i = 0; i < info->n_ranges; i++)
                p->ranges[i] = (struct range){ .start = htole64(info->ranges[i].start),
                                               .size_bytes = htole64(info->ranges[i].size_bytes),
                                               .type = htole32(info->ranges[i].type) };
}
