/* SPDX-License-Identifier: MPL-2.0 */
/* Kernel files, whole and damaged, into a small memory. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "monitor/boot-file.h"
#include "monitor/memory.h"
#include "monitor/x86_64/x86.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_BYTES (4 * MIB)
#define FILE_BYTES 16384
#define LOAD_AT (2 * MIB)

struct rig {
        uint8_t bytes[FILE_BYTES]; /* of the file */
        size_t n_bytes;
        char *ram;
        struct memory memory;
        struct boot_kernel kernel;
        char *error;
};

static void set(struct rig *r, size_t at, uint64_t value, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                r->bytes[at + i] = (uint8_t) (value >> (8 * i));
}

static int load(struct rig *r)
{
        struct boot_file f = { .fd = memfd_create("kernel", MFD_CLOEXEC), .size_bytes = r->n_bytes, .what = "kernel" };
        int result;

        assert_true(f.fd >= 0);
        assert_int_equal(fd_write_full(f.fd, r->bytes, r->n_bytes), 0);
        free(r->error);
        r->error = NULL;
        result = boot_pvh_is(&f) ? boot_pvh_load(&f, &r->memory, &r->kernel, &r->error)
                                 : boot_bzimage_load(&f, &r->memory, &r->kernel, &r->error);
        boot_file_close(&f);
        if (result < 0)
                assert_non_null(r->error);
        return result;
}

static int setup(void **state)
{
        struct rig *r = calloc(1, sizeof(*r));

        assert_non_null(r);
        r->ram = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(r->ram, MAP_FAILED);
        r->memory.n_ranges = 1;
        r->memory.ranges[0] = (struct memory_range){ 0, MEMORY_BYTES, 0, r->ram };
        *state = r;
        return 0;
}

static int teardown(void **state)
{
        struct rig *r = *state;

        (void) munmap(r->ram, MEMORY_BYTES);
        free(r->error);
        free(r);
        return 0;
}

/* One sector of boot code besides the boot sector, then the kernel. */
static void make_bzimage(struct rig *r)
{
        r->n_bytes = 8192;
        r->bytes[0x1f1] = 1;
        set(r, 0x1fe, 0xaa55, 2);
        r->bytes[0x201] = 0x6a; /* the header goes on to 0x26c */
        memcpy(r->bytes + 0x202, "HdrS", 4);
        set(r, 0x206, 0x20f, 2);
        r->bytes[0x211] = 1;          /* loaded high */
        set(r, 0x22c, 0x7fffffff, 4); /* the initrd's last byte */
        set(r, 0x236, 1, 2);          /* 64-bit entry */
        set(r, 0x238, 2047, 4);       /* parameters */
        set(r, 0x258, LOAD_AT, 8);
        set(r, 0x260, MIB, 4);
        memset(r->bytes + 1024, 0x5a, r->n_bytes - 1024);
}

static void a_bzimage_is_loaded_where_it_prefers(void **state)
{
        struct rig *r = *state;

        make_bzimage(r);
        assert_int_equal(load(r), 0);
        assert_false(r->kernel.is_pvh);
        assert_int_equal(r->kernel.start, LOAD_AT);
        assert_int_equal(r->kernel.end, LOAD_AT + MIB);
        assert_int_equal(r->kernel.entry, LOAD_AT + 0x200);
        assert_int_equal(r->kernel.initrd_end_max, 0x80000000);
        assert_int_equal(r->kernel.parameters_max, 2047);
        assert_int_equal(r->ram[LOAD_AT - 1], 0);
        assert_memory_equal(r->ram + LOAD_AT, r->bytes + 1024, 8192 - 1024);
        assert_int_equal(r->ram[LOAD_AT + 8192 - 1024], 0);
}

static void its_page_has_the_header_and_what_the_machine_has(void **state)
{
        struct boot_info info = { .n_ranges = 1,
                                  .parameters = BOOT_PARAMETERS,
                                  .initrd = 0x345000,
                                  .initrd_bytes = 0x6789,
                                  .rsdp = BOOT_ACPI };
        uint8_t page[4096] = { 0 };
        struct rig *r = *state;
        uint32_t value;

        make_bzimage(r);
        assert_int_equal(load(r), 0);
        info.ranges[0].size_bytes = BOOT_LOW_END;
        info.ranges[0].type = BOOT_RANGE_RAM;
        boot_bzimage_write_info(&r->kernel, &info, page);
        assert_memory_equal(page + 0x202, "HdrS", 4);
        assert_int_equal(page[0x210], 0xff); /* a loader without a number */
        assert_int_equal(page[0x1e8], 1);
        assert_int_equal(page[0x2d0 + 16], BOOT_RANGE_RAM);
        memcpy(&value, page + 0x70, 4);
        assert_int_equal(value, BOOT_ACPI);
        memcpy(&value, page + 0x218, 4);
        assert_int_equal(value, 0x345000);
        memcpy(&value, page + 0x21c, 4);
        assert_int_equal(value, 0x6789);
        memcpy(&value, page + 0x228, 4);
        assert_int_equal(value, BOOT_PARAMETERS);
}

struct damage {
        size_t at;
        uint64_t value;
        unsigned n_bytes;
        int result;
};

static void each_damage_is_refused(struct rig *r, void (*make)(struct rig *r), const struct damage *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                memset(r->bytes, 0, sizeof(r->bytes));
                make(r);
                set(r, list[i].at, list[i].value, list[i].n_bytes);
                if (load(r) != list[i].result)
                        fail_msg("damage %zu was not refused as it should be: %s", i, r->error ? r->error : "accepted");
        }
}

static void a_damaged_bzimage_is_refused(void **state)
{
        static const struct damage list[] = {
                { 0x1fe, 0, 2, -EBADMSG },                 /* no boot sector */
                { 0x202, 0, 4, -EBADMSG },                 /* no header */
                { 0x206, 0x20b, 2, -EBADMSG },             /* of old */
                { 0x236, 0, 2, -EBADMSG },                 /* no 64-bit entry */
                { 0x211, 0, 1, -EBADMSG },                 /* loaded low */
                { 0x201, 0x10, 1, -EBADMSG },              /* header too short */
                { 0x201, 0xff, 1, -EBADMSG },              /* header too long */
                { 0x1f1, 0xff, 1, -EBADMSG },              /* more boot code than file */
                { 0x258, 0x1000, 8, -EBADMSG },            /* below 1 MiB */
                { 0x258, UINT64_C(1) << 32, 8, -EBADMSG }, /* above 4 GiB */
                { 0x258, UINT64_MAX, 8, -EBADMSG },
                { 0x258, 0xfffff000, 8, -ENOSPC },
                { 0x260, 3 * MIB, 4, -ENOSPC }, /* more than there is */
                { 0x260, UINT32_MAX, 4, -ENOSPC },
        };

        each_damage_is_refused(*state, make_bzimage, list, sizeof(list) / sizeof(*list));
}

static void a_bzimage_may_end_anywhere(void **state)
{
        struct rig *r = *state;

        make_bzimage(r);
        for (size_t n = 0; n <= 1024 + 0x200; n += 7) {
                r->n_bytes = n;
                assert_int_equal(load(r), -EBADMSG);
        }
}

/* Program headers at 64: a segment of 0x100 bytes in 0x200 of memory, and notes at 0x1000: one of somebody else's,
   then the entry. */
static void make_elf(struct rig *r)
{
        const Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                                    .e_type = ET_EXEC,
                                    .e_machine = EM_X86_64,
                                    .e_phoff = 64,
                                    .e_phentsize = sizeof(Elf64_Phdr),
                                    .e_phnum = 2 };
        const Elf64_Phdr segments[2] = {
                { .p_type = PT_LOAD, .p_offset = 0x2000, .p_paddr = LOAD_AT, .p_filesz = 0x100, .p_memsz = 0x200 },
                { .p_type = PT_NOTE, .p_offset = 0x1000, .p_filesz = 44 },
        };
        static const char notes[] = "\x06\0\0\0\x02\0\0\0\x12\0\0\0Other\0\0\0ab\0\0"
                                    "\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\x10\0\x20\0";

        r->n_bytes = 0x2100;
        memcpy(r->bytes, &header, sizeof(header));
        memcpy(r->bytes + 64, segments, sizeof(segments));
        memcpy(r->bytes + 0x1000, notes, sizeof(notes) - 1);
        memset(r->bytes + 0x2000, 0xa5, 0x100);
}

static void an_elf_file_is_loaded_where_it_says(void **state)
{
        struct rig *r = *state;

        make_elf(r);
        assert_int_equal(load(r), 0);
        assert_true(r->kernel.is_pvh);
        assert_int_equal(r->kernel.entry, LOAD_AT + 0x10);
        assert_int_equal(r->kernel.start, LOAD_AT);
        assert_int_equal(r->kernel.end, LOAD_AT + 0x200);
        assert_memory_equal(r->ram + LOAD_AT, r->bytes + 0x2000, 0x100);
        assert_int_equal(r->ram[LOAD_AT + 0x100], 0);
}

#define SEGMENT(field) (64 + offsetof(Elf64_Phdr, field))
#define NOTE(field) (64 + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))

static void a_damaged_elf_file_is_refused(void **state)
{
        static const struct damage list[] = {
                { EI_CLASS, ELFCLASS32, 1, -EBADMSG },
                { EI_DATA, ELFDATA2MSB, 1, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, 2, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_type), ET_REL, 2, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_phentsize), 55, 2, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_phnum), 0, 2, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_phnum), 65, 2, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX, 8, -EBADMSG },
                { offsetof(Elf64_Ehdr, e_phoff), 0x20f0, 8, -EBADMSG },
                { SEGMENT(p_offset), UINT64_MAX - 8, 8, -EBADMSG },
                { SEGMENT(p_offset), 0x2001, 8, -EBADMSG },
                { SEGMENT(p_filesz), 0x201, 8, -EBADMSG },
                { SEGMENT(p_memsz), UINT64_MAX, 8, -ENOSPC },
                { SEGMENT(p_memsz), 3 * MIB, 8, -ENOSPC },
                { SEGMENT(p_paddr), 0x7000, 8, -EBADMSG }, /* over our own */
                { SEGMENT(p_paddr), MEMORY_BYTES - 0x1ff, 8, -ENOSPC },
                { SEGMENT(p_paddr), UINT64_MAX - 0x100, 8, -ENOSPC },
                { NOTE(p_offset), 0x3000, 8, -EBADMSG },
                { NOTE(p_filesz), 43, 8, -EBADMSG }, /* the entry is cut off */
                { NOTE(p_filesz), 65537, 8, -EBADMSG },
                { NOTE(p_type), PT_NULL, 4, -EBADMSG }, /* no notes at all */
                { 0x1000, UINT32_MAX, 4, -EBADMSG },    /* a name without end */
                { 0x1004, UINT32_MAX, 4, -EBADMSG },    /* a value without end */
                { 0x1018 + 4, 5, 4, -EBADMSG },         /* an entry of five bytes */
                { 0x1018 + 16, 0, 4, -EBADMSG },        /* elsewhere */
                { 0x1018 + 16, LOAD_AT + 0x200, 4, -EBADMSG },
        };

        each_damage_is_refused(*state, make_elf, list, sizeof(list) / sizeof(*list));
}

static void an_elf_file_may_end_anywhere(void **state)
{
        struct rig *r = *state;

        make_elf(r);
        for (size_t n = 4; n < 0x2100; n += 5) {
                r->n_bytes = n;
                assert_int_equal(load(r), -EBADMSG);
        }
}

static void an_elf_file_s_page_points_into_itself(void **state)
{
        struct boot_info info = { .n_ranges = 1, .initrd = 0x345000, .initrd_bytes = 0x6789, .rsdp = BOOT_ACPI };
        uint64_t words[4096 / 8] = { 0 }, module, ranges;

        info.ranges[0].size_bytes = BOOT_LOW_END;
        info.ranges[0].type = BOOT_RANGE_RAM;
        boot_pvh_write_info(&info, words);
        assert_int_equal((uint32_t) words[0], 0x336ec578);
        assert_int_equal(words[0] >> 32, 1);
        assert_int_equal(words[1] >> 32, 1); /* modules */
        module = (words[2] - BOOT_INFO) / 8;
        assert_int_equal(words[module], 0x345000);
        assert_int_equal(words[module + 1], 0x6789);
        assert_int_equal(words[4], BOOT_ACPI);
        ranges = (words[5] - BOOT_INFO) / 8;
        assert_int_equal(words[ranges + 1], BOOT_LOW_END);
        assert_int_equal((uint32_t) words[ranges + 2], BOOT_RANGE_RAM);
        assert_int_equal((uint32_t) words[6], 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_bzimage_is_loaded_where_it_prefers, setup, teardown),
                cmocka_unit_test_setup_teardown(its_page_has_the_header_and_what_the_machine_has, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_bzimage_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_bzimage_may_end_anywhere, setup, teardown),
                cmocka_unit_test_setup_teardown(an_elf_file_is_loaded_where_it_says, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_elf_file_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(an_elf_file_may_end_anywhere, setup, teardown),
                cmocka_unit_test(an_elf_file_s_page_points_into_itself),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
