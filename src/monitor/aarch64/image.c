/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/image.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/boot-file.h"
#include "monitor/fail.h"
#include "monitor/memory.h"

#define FLAG_BIG_ENDIAN 1
#define OLD_TEXT_OFFSET 0x80000 /* of kernels before 3.17, which say nothing */

struct image_header {
        uint32_t code[2];
        uint64_t text_offset, image_size, flags; /* little endian, as all here */
        uint64_t reserved[3];
        char magic[4]; /* "ARM\x64" */
        uint32_t pe_offset;
};

struct zboot_header {
        char mz[4];    /* "MZ\0\0" */
        char magic[4]; /* "zimg" */
        uint32_t payload_offset, payload_bytes;
        uint32_t reserved[2];
        char compression[32];
        uint32_t linux_magic;
        uint32_t pe_offset;
};

_Static_assert(sizeof(struct image_header) == 64 && sizeof(struct zboot_header) == 64, "as in the file");

static int fail_no_memory(char **ret_error)
{
        return fail(-ENOSPC, ret_error, "kernel: needs more memory than the machine has");
}

static gpa_t base_of(const struct memory_range *ram)
{
        return (ram->start + IMAGE_ALIGNMENT - 1) & ~(gpa_t) (IMAGE_ALIGNMENT - 1);
}

/* Where the kernel goes, once its header is known. *ret_n is all that it wants from *ret_at on. */
static int place(const struct memory_range *ram, const struct image_header *header, uint64_t n_file, gpa_t *ret_at,
                 uint64_t *ret_n, char **ret_error)
{
        uint64_t offset = le64toh(header->text_offset), n = le64toh(header->image_size);
        gpa_t base = base_of(ram);

        if (memcmp(header->magic, "ARM\x64", sizeof(header->magic)) != 0)
                return fail(-EBADMSG, ret_error,
                            "kernel: no arm64 kernel: no Image, neither plain nor in gzip nor in an EFI program");
        if (le64toh(header->flags) & FLAG_BIG_ENDIAN)
                return fail(-ENOTSUP, ret_error, "kernel: built for big-endian processors");
        if (n == 0) {
                offset = OLD_TEXT_OFFSET;
                n = n_file;
        }
        if (n < n_file)
                return fail(-EBADMSG, ret_error, "kernel: the file is larger than its header says");
        if (!range_fits(base - ram->start, offset, ram->size_bytes) ||
            !range_fits(base - ram->start + offset, n, ram->size_bytes))
                return fail_no_memory(ret_error);
        *ret_at = base + offset;
        *ret_n = n;
        return 0;
}

static int load_plain(const struct boot_file *f, const struct memory *m, const struct image_header *header,
                      struct image *ret, char **ret_error)
{
        uint64_t n = 0;
        gpa_t at = 0;
        int r;

        r = place(&m->ranges[0], header, f->size_bytes, &at, &n, ret_error);
        if (r < 0)
                return r;
        r = boot_file_load(f, 0, f->size_bytes, m, at, ret_error);
        if (r < 0)
                return r;
        *ret = (struct image){ .entry = at, .end = at + n };
        return 0;
}

/* Unpacked where all kernels of today go; an old one, which wants to be somewhat further up, is moved then. */
static int load_packed(const struct boot_file *f, const struct memory *m, bool zstd, uint64_t offset, size_t n_packed,
                       struct image *ret, char **ret_error)
{
        const struct memory_range *ram = &m->ranges[0];
        gpa_t base = base_of(ram), at = 0;
        struct image_header header;
        size_t n_file = 0;
        uint64_t n;
        char *host;
        int r;

        if (base - ram->start >= ram->size_bytes)
                return fail_no_memory(ret_error);
        host = ram->host + (base - ram->start);
        n = ram->size_bytes - (base - ram->start);
        r = zstd ? unpack_zstd(f, offset, n_packed, host, n, &n_file, ret_error) :
                   unpack_gzip(f, offset, host, n, &n_file, ret_error);
        if (r < 0)
                return r;
        if (n_file < sizeof(header))
                return fail(-EBADMSG, ret_error, "kernel: too short to be one");
        memcpy(&header, host, sizeof(header));
        r = place(ram, &header, n_file, &at, &n, ret_error);
        if (r < 0)
                return r;
        if (at != base)
                memmove(memory_at(m, at, n), host, n_file);
        *ret = (struct image){ .entry = at, .end = at + n };
        return 0;
}

static int load_zboot(const struct boot_file *f, const struct memory *m, const struct zboot_header *header,
                      struct image *ret, char **ret_error)
{
        uint32_t offset = le32toh(header->payload_offset), n = le32toh(header->payload_bytes);
        bool zstd = strncmp(header->compression, "zstd", sizeof(header->compression)) == 0;

        if (!zstd && strncmp(header->compression, "gzip", sizeof(header->compression)) != 0)
                return fail(-ENOTSUP, ret_error, "kernel: packed in a way that is neither gzip nor zstd");
        if (n == 0 || !range_fits(offset, n, f->size_bytes))
                return fail(-EBADMSG, ret_error, "kernel: cut off or damaged");
        return load_packed(f, m, zstd, offset, n, ret, ret_error);
}

int image_load(const struct boot_file *f, const struct memory *m, struct image *ret, char **ret_error)
{
        union {
                struct image_header image;
                struct zboot_header zboot;
                unsigned char bytes[64];
        } header = { 0 };
        int r;

        r = f->size_bytes < sizeof(header) ? 0 : boot_file_read(f, 0, &header, sizeof(header), ret_error);
        if (r < 0)
                return r;
        if (header.bytes[0] == 0x1f && header.bytes[1] == 0x8b)
                return load_packed(f, m, false, 0, 0, ret, ret_error);
        if (memcmp(header.zboot.mz, "MZ\0", 4) == 0 && memcmp(header.zboot.magic, "zimg", 4) == 0)
                return load_zboot(f, m, &header.zboot, ret, ret_error);
        return load_plain(f, m, &header.image, ret, ret_error);
}
