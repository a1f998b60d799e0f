/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/delay.h"
#include "backend/disk.h"
#include "backend/fault.h"
#include "backend/file-ring.h"
#include "backend/file.h"
#include "backend/null.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"

#define IMAGE_BYTES (1 << 20)

/* One way to an image; every test of file.c that moves data runs on each. */
struct way {
        const char *name;
        bool in_memory;
        struct file_options options;
};

static const struct way ways[] = {
        { .name = "memory", .in_memory = true, .options.n_rings = 1 },
        { .name = "memory, io_uring", .in_memory = true, .options = { .never_inline = true, .n_rings = 1 } },
        { .name = "page cache", .options.n_rings = 1 },
        { .name = "page cache, io_uring", .options = { .never_inline = true, .n_rings = 1 } },
        { .name = "direct", .options = { .direct = true, .n_rings = 1 } },
        { .name = "page cache, no io_uring" },
};

struct bench {
        struct loop *loop;
        struct disk *disk;
        struct disk_channel *channel;
        int fd; /* ours: looks at the image past the disk */
        int n_done;
        int n_changes;
};

struct request {
        struct disk_request rq;
        struct bench *bench;
        int result; /* 1: not done */
};

static void on_changed(void *data)
{
        ((struct bench *) data)->n_changes++;
}

static void on_done(struct disk_request *rq, int result)
{
        struct request *r = container_of(rq, struct request, rq);

        assert_int_equal(r->result, 1);
        r->result = result;
        r->bench->n_done++;
}

static int image_fd(bool in_memory)
{
        char path[] = "test-disk-XXXXXX";
        int fd;

        if (in_memory) {
                fd = memfd_create("test-disk", MFD_CLOEXEC);
        } else {
                fd = mkostemp(path, O_CLOEXEC);
                assert_int_equal(unlink(path), 0);
        }
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
        return fd;
}

static int reopen(int fd)
{
        char path[32];
        int again;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        again = open(path, O_RDWR | O_CLOEXEC);
        assert_true(again >= 0);
        return again;
}

/* Takes the disk. */
static void bench_open(struct bench *b, struct loop *loop, struct disk *disk)
{
        b->loop = loop;
        b->disk = disk;
        disk_on_change(disk, on_changed, b);
        assert_int_equal(disk_channel_open(disk, loop, &b->channel), 0);
}

static void bench_init(struct bench *b, const struct way *way)
{
        struct loop *loop;
        struct disk *disk;

        *b = (struct bench) { .fd = image_fd(way->in_memory) };
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_file_new(loop, reopen(b->fd), &way->options, &disk), 0);
        bench_open(b, loop, disk);
}

static void bench_deinit(struct bench *b)
{
        disk_drain(b->channel);
        disk_channel_close(b->channel);
        disk_free(b->disk);
        loop_free(b->loop);
        closep(&b->fd);
}

static void submit(struct bench *b, struct request *r, enum disk_op op, uint64_t offset, const struct iovec *iov,
                   unsigned n_iov, uint64_t n_bytes)
{
        r->bench = b;
        r->result = 1;
        r->rq.op = op;
        r->rq.offset_bytes = offset;
        r->rq.n_bytes = n_bytes;
        r->rq.iov = iov;
        r->rq.n_iov = n_iov;
        r->rq.done = on_done;
        disk_submit(b->channel, &r->rq);
}

static void run_until_done(struct bench *b, const struct request *r)
{
        disk_kick(b->channel);
        while (r->result == 1)
                assert_int_equal(loop_step(b->loop, -1), 0);
}

static int run_one(struct bench *b, enum disk_op op, uint64_t offset, void *buf, uint64_t n)
{
        struct iovec iov = { buf, n };
        struct request r = { 0 };

        submit(b, &r, op, offset, &iov, 1, n);
        run_until_done(b, &r);
        return r.result;
}

static void fill(char *buf, size_t n, unsigned seed)
{
        for (size_t i = 0; i < n; i++)
                buf[i] = (char) ((i * 2654435761u + seed * 40503u) >> 7);
}

static void image_reads_back_what_was_written(void **state)
{
        struct bench b;
        char *out = aligned_alloc(4096, 65536), *in = aligned_alloc(4096, 65536);

        bench_init(&b, *state);
        fill(out, 65536, 1);
        assert_int_equal(run_one(&b, DISK_WRITE, 8192, out, 65536), 0);
        assert_int_equal(run_one(&b, DISK_READ, 8192, in, 65536), 0);
        assert_memory_equal(in, out, 65536);
        assert_int_equal(run_one(&b, DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(pread(b.fd, in, 4096, 8192), 4096);
        assert_memory_equal(in, out, 4096);
        bench_deinit(&b);
        free(out);
        free(in);
}

static void scattered_and_unaligned_requests_arrive(void **state)
{
        static char out[8192 + 3], in[8192 + 7];
        struct iovec write_iov[] = { { out + 3, 100 }, { out + 103, 0 }, { out + 103, 4000 }, { out + 4103, 4092 } };
        struct iovec read_iov[] = { { in + 7, 1 }, { in + 8, 511 }, { in + 519, 7680 } };
        struct request w = { 0 }, r = { 0 };
        struct bench b;

        bench_init(&b, *state);
        fill(out, sizeof(out), 2);
        submit(&b, &w, DISK_WRITE, 512, write_iov, 4, 8192);
        run_until_done(&b, &w);
        assert_int_equal(w.result, 0);
        submit(&b, &r, DISK_READ, 512, read_iov, 3, 8192);
        run_until_done(&b, &r);
        assert_int_equal(r.result, 0);
        assert_memory_equal(in + 7, out + 3, 8192);
        bench_deinit(&b);
}

static void more_requests_than_the_ring_holds_all_complete(void **state)
{
        enum { N = 704 }; /* of half a KiB: whole pages, as aligned_alloc() wants */
        struct request *r = calloc(N, sizeof(*r));
        struct iovec *iov = calloc(N, sizeof(*iov));
        char *buf = aligned_alloc(4096, N * 512);
        struct bench b;

        bench_init(&b, *state);
        fill(buf, N * 512, 3);
        for (unsigned i = 0; i < N; i++) {
                iov[i] = (struct iovec) { buf + i * 512, 512 };
                submit(&b, &r[i], DISK_WRITE, i * 512, &iov[i], 1, 512);
        }
        disk_kick(b.channel);
        disk_drain(b.channel);
        assert_int_equal(b.n_done, N);
        for (unsigned i = 0; i < N; i++) {
                char sector[512];

                assert_int_equal(r[i].result, 0);
                assert_int_equal(pread(b.fd, sector, 512, i * 512), 512);
                assert_memory_equal(sector, buf + i * 512, 512);
        }
        bench_deinit(&b);
        free(r);
        free(iov);
        free(buf);
}

static void zeroes_and_discards_read_as_zeroes(void **state)
{
        static const char nothing[IMAGE_BYTES / 2];
        char *buf = aligned_alloc(4096, IMAGE_BYTES / 2);

        for (int variant = 0; variant < 3; variant++) {
                struct request r = { .rq.may_unmap = variant == 1 };
                struct bench b;

                bench_init(&b, *state);
                fill(buf, IMAGE_BYTES / 2, 4);
                assert_int_equal(pwrite(b.fd, buf, IMAGE_BYTES / 2, 4096), IMAGE_BYTES / 2);
                submit(&b, &r, variant == 2 ? DISK_DISCARD : DISK_WRITE_ZEROES, 4096 + 512, NULL, 0,
                       IMAGE_BYTES / 2 - 1024);
                run_until_done(&b, &r);
                assert_int_equal(r.result, 0);
                assert_int_equal(run_one(&b, DISK_READ, 4096, buf, IMAGE_BYTES / 2), 0);
                assert_memory_equal(buf + 512, nothing, IMAGE_BYTES / 2 - 1024);
                assert_memory_not_equal(buf, nothing, 512);
                assert_memory_not_equal(buf + IMAGE_BYTES / 2 - 512, nothing, 512);
                bench_deinit(&b);
        }
        free(buf);
}

static void line9_image_shrinks_under_us(void **state)
{
        char *buf = aligned_alloc(4096, 8192);
        struct disk_info info;
        struct stat st;
        struct bench b;

        bench_init(&b, *state);
        fill(buf, 8192, 5);
        assert_int_equal(run_one(&b, DISK_READ, IMAGE_BYTES - 8192, buf, 8192), 0);
        assert_int_equal(ftruncate(b.fd, IMAGE_BYTES / 2), 0);
        assert_int_equal(run_one(&b, DISK_READ, IMAGE_BYTES - 8192, buf, 8192), -EIO);
        assert_int_equal(run_one(&b, DISK_WRITE, IMAGE_BYTES - 8192, buf, 8192), -EIO);
        assert_int_equal(run_one(&b, DISK_WRITE_ZEROES, IMAGE_BYTES - 8192, NULL, 8192), -EIO);
        assert_int_equal(run_one(&b, DISK_READ, IMAGE_BYTES / 2 - 4096, buf, 8192), -EIO);
        assert_int_equal(run_one(&b, DISK_READ, IMAGE_BYTES / 2 - 8192, buf, 8192), 0);
        assert_int_equal(fstat(b.fd, &st), 0);
        assert_int_equal(st.st_size, IMAGE_BYTES / 2);
        disk_get_info(b.disk, &info);
        assert_int_equal(info.size_bytes, IMAGE_BYTES / 2);
        assert_int_equal(b.n_changes, 1);
        bench_deinit(&b);
        free(buf);
}

static void change_of_size_is_told_without_io(void **state)
{
        struct disk_info info;
        struct bench b;

        bench_init(&b, *state);
        assert_int_equal(ftruncate(b.fd, 2 * IMAGE_BYTES + 100), 0);
        while (b.n_changes == 0)
                assert_int_equal(loop_step(b.loop, -1), 0);
        disk_get_info(b.disk, &info);
        assert_int_equal(info.size_bytes, 2 * IMAGE_BYTES);
        /* Again: the one-shot watch has been put back, or the timer that does so looks. */
        assert_int_equal(ftruncate(b.fd, IMAGE_BYTES), 0);
        while (b.n_changes == 1)
                assert_int_equal(loop_step(b.loop, -1), 0);
        bench_deinit(&b);
}

static void partly_cached_read_continues_in_the_ring(void **state)
{
        static char out[65536], in[65536];
        struct iovec iov[] = { { in, 1000 }, { in + 1000, 5000 }, { in + 6000, sizeof(in) - 6000 } };
        struct request r = { 0 };
        struct bench b;

        bench_init(&b, *state);
        fill(out, sizeof(out), 6);
        assert_int_equal(pwrite(b.fd, out, sizeof(out), 0), sizeof(out));
        assert_int_equal(fsync(b.fd), 0);
        assert_int_equal(posix_fadvise(b.fd, 4096, 0, POSIX_FADV_DONTNEED), 0);
        submit(&b, &r, DISK_READ, 0, iov, 3, sizeof(in));
        run_until_done(&b, &r);
        assert_int_equal(r.result, 0);
        assert_memory_equal(in, out, sizeof(in));
        bench_deinit(&b);
}

static void image_in_use_is_refused(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        auto_cleanup(disk_freep) struct disk *a = NULL, *b = NULL, *c = NULL;
        auto_cleanup(closep) int fd = image_fd(true);
        struct file_options rw = { 0 }, ro = { .read_only = true };

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &rw, &a), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &rw, &b), -EBUSY);
        assert_int_equal(disk_file_new(loop, reopen(fd), &ro, &b), -EBUSY);
        a = disk_free(a);
        assert_int_equal(disk_file_new(loop, reopen(fd), &ro, &b), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &ro, &c), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &rw, &a), -EBUSY);
}

static void direct_image_in_use_is_refused(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        auto_cleanup(disk_freep) struct disk *a = NULL, *b = NULL;
        auto_cleanup(closep) int fd = image_fd(false);
        struct file_options direct = { .direct = true }, rw = { 0 };

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &direct, &a), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &direct, &b), -EBUSY);
        assert_int_equal(disk_file_new(loop, reopen(fd), &rw, &b), -EBUSY);
        a = disk_free(a);
        assert_int_equal(disk_file_new(loop, reopen(fd), &rw, &b), 0);
        assert_int_equal(disk_file_new(loop, reopen(fd), &direct, &a), -EBUSY);
}

static void read_only_image_refuses_to_change(void **state)
{
        struct way way = { .in_memory = true, .options.read_only = true };
        char sector[512] = { 1 };
        struct bench b;

        bench_init(&b, &way);
        assert_int_equal(run_one(&b, DISK_WRITE, 0, sector, 512), -EROFS);
        assert_int_equal(run_one(&b, DISK_DISCARD, 0, NULL, 512), -EROFS);
        assert_int_equal(run_one(&b, DISK_READ, 0, sector, 512), 0);
        assert_int_equal(sector[0], 0);
        bench_deinit(&b);
}

static void what_is_no_image_is_refused(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct file_options ro = { .read_only = true };
        struct disk *d = NULL;

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_file_open(loop, "/dev/null", &ro, &d), -ENOTBLK);
        assert_int_equal(disk_file_open(loop, "/", &ro, &d), -ENOTBLK);
        assert_int_equal(disk_file_open(loop, "does/not/exist", &ro, &d), -ENOENT);
        assert_null(d);
}

/* Wherever the symlink is, and wherever it leads. */
static void image_behind_a_symlink_is_refused_where_that_is_asked_for(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct file_options plain = { .read_only = true, .no_symlinks = true }, any = { .read_only = true };
        char folder[] = "/tmp/disk-XXXXXX", image[64], inner[64], link[64];
        struct disk *d = NULL;

        assert_int_equal(loop_new(&loop), 0);
        assert_non_null(mkdtemp(folder));
        (void) snprintf(image, sizeof(image), "%s/image", folder);
        (void) snprintf(link, sizeof(link), "%s/link", folder);
        (void) snprintf(inner, sizeof(inner), "%s/link/image", folder);
        assert_int_equal(fd_write_file_atomic(image, "", 0, 0600), 0);
        assert_int_equal(truncate(image, 4096), 0);

        assert_int_equal(disk_file_open(loop, image, &plain, &d), 0);
        d = disk_free(d);
        assert_int_equal(symlink("image", link), 0);
        assert_int_equal(disk_file_open(loop, link, &any, &d), 0);
        d = disk_free(d);
        assert_int_equal(disk_file_open(loop, link, &plain, &d), -ELOOP);
        assert_int_equal(unlink(link), 0);
        assert_int_equal(symlink(".", link), 0);
        assert_int_equal(disk_file_open(loop, inner, &plain, &d), -ELOOP);

        assert_int_equal(unlink(link), 0);
        assert_int_equal(unlink(image), 0);
        assert_int_equal(rmdir(folder), 0);
}

static void ring_does_nothing_but_io_on_open_files(void **state)
{
        struct io_uring_cqe *cqe;
        struct io_uring_sqe *sqe;
        struct file_rings rings;
        struct io_uring *ring;

        assert_int_equal(file_rings_init(&rings, 1, 8), 0);
        ring = file_rings_take(&rings);
        if (!ring)
                skip();
        assert_null(file_rings_take(&rings));
        sqe = io_uring_get_sqe(ring);
        io_uring_prep_openat(sqe, AT_FDCWD, "/", O_RDONLY, 0);
        assert_int_equal(io_uring_submit_and_wait(ring, 1), 1);
        assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
        assert_int_equal(cqe->res, -EACCES);
        io_uring_cqe_seen(ring, cqe);
        file_rings_put(&rings, ring);
        assert_ptr_equal(file_rings_take(&rings), ring);
        file_rings_deinit(&rings);
}

static void null_reads_zeroes(void **state)
{
        struct loop *loop;
        struct disk *disk;
        char sector[512] = { 1 };
        struct bench b = { .fd = -1 };

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_null_new(4096, &disk), 0);
        bench_open(&b, loop, disk);
        assert_int_equal(run_one(&b, DISK_WRITE, 0, sector, 512), 0);
        assert_int_equal(run_one(&b, DISK_READ, 0, sector, 512), 0);
        assert_int_equal(sector[0], 0);
        assert_int_equal(run_one(&b, DISK_READ, 4096 - 256, sector, 512), -EIO);
        bench_deinit(&b);
}

static void delayed_requests_keep_order_and_time(void **state)
{
        struct request r[3] = { 0 };
        struct bench b = { .fd = -1 };
        struct loop *loop;
        struct disk *disk;
        uint64_t begin = clock_now_ns();

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_null_new(4096, &disk), 0);
        assert_int_equal(disk_delay_new(disk, 2 * NSEC_PER_MSEC, &disk), 0);
        bench_open(&b, loop, disk);
        for (int i = 0; i < 3; i++)
                submit(&b, &r[i], DISK_FLUSH, 0, NULL, 0, 0);
        run_until_done(&b, &r[2]);
        assert_int_equal(b.n_done, 3);
        assert_true(clock_now_ns() - begin >= 2 * NSEC_PER_MSEC);
        bench_deinit(&b);
}

static void draining_a_delay_does_not_wait_for_it(void **state)
{
        struct request r = { 0 };
        struct bench b = { .fd = -1 };
        struct loop *loop;
        struct disk *disk;

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_null_new(4096, &disk), 0);
        assert_int_equal(disk_delay_new(disk, 3600 * NSEC_PER_SEC, &disk), 0);
        bench_open(&b, loop, disk);
        submit(&b, &r, DISK_FLUSH, 0, NULL, 0, 0);
        disk_kick(b.channel);
        disk_drain(b.channel);
        assert_int_equal(r.result, 0);
        bench_deinit(&b);
}

static void bench_fault(struct bench *b, const char *text)
{
        struct fault_options options, none;
        struct file_options file = { 0 };
        struct loop *loop;
        struct disk *disk;

        assert_int_equal(fault_options_parse("every=0", &none), -EINVAL);
        assert_int_equal(fault_options_parse(text, &options), 0);
        *b = (struct bench) { .fd = image_fd(true) };
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(disk_file_new(loop, reopen(b->fd), &file, &disk), 0);
        assert_int_equal(disk_fault_new(disk, &options, &disk), 0);
        bench_open(b, loop, disk);
}

static void fault_fails_each_nth_request(void **state)
{
        char sector[512] = { 0 };
        struct bench b;

        bench_fault(&b, "every=3");
        for (int i = 1; i <= 9; i++)
                assert_int_equal(run_one(&b, DISK_READ, 0, sector, 512), i % 3 == 0 ? -EIO : 0);
        bench_deinit(&b);
}

static void fault_fails_a_range_and_tears_writes(void **state)
{
        char out[2048], in[2048];
        struct bench b;

        bench_fault(&b, "range=4096+512,torn");
        fill(out, sizeof(out), 7);
        assert_int_equal(run_one(&b, DISK_READ, 4096 - 512, in, 512), 0);
        assert_int_equal(run_one(&b, DISK_READ, 4608, in, 512), 0);
        assert_int_equal(run_one(&b, DISK_READ, 4096, in, 512), -EIO);
        assert_int_equal(run_one(&b, DISK_WRITE, 3584, out, sizeof(out)), -EIO);
        assert_int_equal(pread(b.fd, in, sizeof(in), 3584), sizeof(in));
        assert_memory_equal(in, out, 1024);
        for (int i = 1024; i < 2048; i++)
                assert_int_equal(in[i], 0);
        bench_deinit(&b);
}

static void fault_options_are_parsed_strictly(void **state)
{
        static const char *const bad[] = { "", "every", "every=", "every=-1", "every=1x", "range=1", "range=1+",
                                           "range=18446744073709551615+1", "torn", "often=1" };
        struct fault_options o;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(fault_options_parse(bad[i], &o), -EINVAL);
        assert_int_equal(fault_options_parse("every=5,range=0x1000+512,torn", &o), 0);
        assert_true(o.every == 5 && o.start_bytes == 4096 && o.n_bytes == 512 && o.torn);
}

#define ON_WAY(fn, i) { #fn, fn, NULL, NULL, (void *) (uintptr_t) &ways[i] }
#define ON_ALL_WAYS(fn) ON_WAY(fn, 0), ON_WAY(fn, 1), ON_WAY(fn, 2), ON_WAY(fn, 3), ON_WAY(fn, 4), \
                        ON_WAY(fn, 5)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_ALL_WAYS(image_reads_back_what_was_written),
                ON_ALL_WAYS(scattered_and_unaligned_requests_arrive),
                ON_ALL_WAYS(more_requests_than_the_ring_holds_all_complete),
                ON_ALL_WAYS(zeroes_and_discards_read_as_zeroes),
                ON_ALL_WAYS(line9_image_shrinks_under_us),
                ON_WAY(change_of_size_is_told_without_io, 0),
                ON_WAY(change_of_size_is_told_without_io, 2),
                ON_WAY(partly_cached_read_continues_in_the_ring, 2),
                cmocka_unit_test(image_in_use_is_refused),
                cmocka_unit_test(direct_image_in_use_is_refused),
                cmocka_unit_test(read_only_image_refuses_to_change),
                cmocka_unit_test(what_is_no_image_is_refused),
                cmocka_unit_test(image_behind_a_symlink_is_refused_where_that_is_asked_for),
                cmocka_unit_test(ring_does_nothing_but_io_on_open_files),
                cmocka_unit_test(null_reads_zeroes),
                cmocka_unit_test(delayed_requests_keep_order_and_time),
                cmocka_unit_test(draining_a_delay_does_not_wait_for_it),
                cmocka_unit_test(fault_fails_each_nth_request),
                cmocka_unit_test(fault_fails_a_range_and_tears_writes),
                cmocka_unit_test(fault_options_are_parsed_strictly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
