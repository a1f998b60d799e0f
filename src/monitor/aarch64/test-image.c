/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "monitor/aarch64/image.h"
#include "monitor/boot-file.h"
#include "monitor/memory.h"

#define RAM 0x40000000
#define RAM_BYTES (8u << 20)
#define IMAGE_BYTES 0x50000

struct fixture {
        struct memory memory;
        struct boot_file file;
        struct image image;
        char *error;
        unsigned char plain[IMAGE_BYTES];
};

static void put_le(unsigned char *at, uint64_t value, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                at[i] = (unsigned char) (value >> (8 * i));
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        char *map = mmap(NULL, RAM_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (!f || map == MAP_FAILED || mprotect(map + RAM_BYTES, 4096, PROT_NONE) < 0)
                return -1;
        f->memory.ranges[0] = (struct memory_range){ .start = RAM, .size_bytes = RAM_BYTES, .host = map };
        f->memory.n_ranges = 1;
        f->file.fd = -1;
        f->file.what = "kernel";
        for (size_t i = 64; i < IMAGE_BYTES; i++)
                f->plain[i] = (unsigned char) (i * 7 + (i >> 8));
        put_le(f->plain + 16, IMAGE_BYTES + 0x10000, 8); /* with what it clears itself */
        put_le(f->plain + 24, 0xa, 8);
        memcpy(f->plain + 56, "ARM\x64", 4);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        (void) munmap(f->memory.ranges[0].host, RAM_BYTES + 4096);
        boot_file_close(&f->file);
        free(f->error);
        free(f);
        return 0;
}

static int load(struct fixture *f, const void *file, size_t n_bytes)
{
        boot_file_close(&f->file);
        f->file.fd = memfd_create("kernel", MFD_CLOEXEC);
        assert_int_equal(fd_write_full(f->file.fd, file, n_bytes), 0);
        f->file.size_bytes = n_bytes;
        free(f->error);
        f->error = NULL;
        return image_load(&f->file, &f->memory, &f->image, &f->error);
}

static void expect_loaded(const struct fixture *f, gpa_t at)
{
        assert_int_equal(f->image.entry, at);
        assert_int_equal(f->image.end, at + IMAGE_BYTES + 0x10000);
        assert_memory_equal(memory_at(&f->memory, at, IMAGE_BYTES), f->plain, IMAGE_BYTES);
}

static void expect_refused(struct fixture *f, const void *file, size_t n_bytes, int error)
{
        assert_int_equal(load(f, file, n_bytes), error);
        assert_non_null(f->error);
}

static size_t gzip(const struct fixture *f, unsigned char *ret, size_t n_max)
{
        z_stream z = { 0 };
        size_t n;

        assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (unsigned char *) f->plain;
        z.avail_in = IMAGE_BYTES;
        z.next_out = ret;
        z.avail_out = (unsigned) n_max;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        n = n_max - z.avail_out;
        (void) deflateEnd(&z);
        return n;
}

/* Return: bytes of a file with a payload of @n bytes at 0x400 and something behind it. */
static size_t zboot(unsigned char *file, size_t n, const char *compression)
{
        memset(file, 0, 0x400);
        memcpy(file, "MZ\0\0zimg", 8);
        put_le(file + 8, 0x400, 4);
        put_le(file + 12, n, 4);
        memcpy(file + 24, compression, strlen(compression));
        memset(file + 0x400 + n, 0xee, 64);
        return 0x400 + n + 64;
}

static void plain_image_is_read_to_the_start_of_memory(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(load(f, f->plain, IMAGE_BYTES), 0);
        expect_loaded(f, RAM);
}

static void text_offset_is_obeyed(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(freep) unsigned char *packed = malloc(1 << 20);

        put_le(f->plain + 8, 0x80000, 8);
        assert_int_equal(load(f, f->plain, IMAGE_BYTES), 0);
        expect_loaded(f, RAM + 0x80000);
        assert_int_equal(load(f, packed, gzip(f, packed, 1 << 20)), 0);
        expect_loaded(f, RAM + 0x80000);
}

static void gzip_is_unpacked(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(freep) unsigned char *packed = malloc(1 << 20);

        assert_int_equal(load(f, packed, gzip(f, packed, 1 << 20)), 0);
        expect_loaded(f, RAM);
}

static void zboot_is_unpacked_from_gzip_and_zstd(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(freep) unsigned char *file = malloc(1 << 20);
        size_t n;

        n = gzip(f, file + 0x400, (1 << 20) - 0x500);
        assert_int_equal(load(f, file, zboot(file, n, "gzip")), 0);
        expect_loaded(f, RAM);

        n = ZSTD_compress(file + 0x400, (1 << 20) - 0x500, f->plain, IMAGE_BYTES, 1);
        put_le(file + 0x400 + n, IMAGE_BYTES, 4); /* the kernel's build appends the size */
        assert_int_equal(load(f, file, zboot(file, n + 4, "zstd")), 0);
        expect_loaded(f, RAM);

        expect_refused(f, file, zboot(file, n, "lzma"), -ENOTSUP);
}

static void cut_off_files_are_refused(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(freep) unsigned char *file = malloc(1 << 20);
        size_t n;

        expect_refused(f, f->plain, 0, -EBADMSG);
        expect_refused(f, f->plain, 63, -EBADMSG);
        n = gzip(f, file, 1 << 20);
        expect_refused(f, file, 2, -EBADMSG);
        expect_refused(f, file, n / 2, -EBADMSG);
        n = ZSTD_compress(file + 0x400, (1 << 20) - 0x500, f->plain, IMAGE_BYTES, 1);
        (void) zboot(file, n, "zstd");
        expect_refused(f, file, 0x400 + n - 1, -EBADMSG);
        (void) zboot(file, n / 2, "zstd");
        expect_refused(f, file, 0x400 + n, -EBADMSG);
}

static void hostile_sizes_are_refused(void **state)
{
        static const uint64_t hostile[] = { RAM_BYTES + 1, UINT64_MAX, UINT64_MAX - RAM, INT64_MAX };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
                put_le(f->plain + 8, 0, 8);
                put_le(f->plain + 16, hostile[i], 8);
                expect_refused(f, f->plain, IMAGE_BYTES, -ENOSPC);
                put_le(f->plain + 8, hostile[i], 8);
                put_le(f->plain + 16, IMAGE_BYTES, 8);
                expect_refused(f, f->plain, IMAGE_BYTES, -ENOSPC);
        }
        put_le(f->plain + 8, 0, 8);
        put_le(f->plain + 16, IMAGE_BYTES - 1, 8);
        expect_refused(f, f->plain, IMAGE_BYTES, -EBADMSG);
}

static void bombs_stop_at_the_end_of_memory(void **state)
{
        struct fixture *f = *state;
        size_t n_zeroes = RAM_BYTES + 1, n;
        auto_cleanup(freep) unsigned char *zeroes = calloc(1, n_zeroes), *file = malloc(1 << 20);
        z_stream z = { 0 };

        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = zeroes;
        z.avail_in = (unsigned) n_zeroes;
        z.next_out = file;
        z.avail_out = 1 << 20;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        expect_refused(f, file, (1 << 20) - z.avail_out, -ENOSPC);
        (void) deflateEnd(&z);

        n = ZSTD_compress(file + 0x400, (1 << 20) - 0x500, zeroes, n_zeroes, 1);
        expect_refused(f, file, zboot(file, n, "zstd"), -ENOSPC);
}

static void big_endian_kernels_are_refused(void **state)
{
        struct fixture *f = *state;

        f->plain[24] |= 1;
        expect_refused(f, f->plain, IMAGE_BYTES, -ENOTSUP);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(plain_image_is_read_to_the_start_of_memory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(text_offset_is_obeyed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(gzip_is_unpacked, set_up, tear_down),
                cmocka_unit_test_setup_teardown(zboot_is_unpacked_from_gzip_and_zstd, set_up, tear_down),
                cmocka_unit_test_setup_teardown(cut_off_files_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(hostile_sizes_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(bombs_stop_at_the_end_of_memory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(big_endian_kernels_are_refused, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
