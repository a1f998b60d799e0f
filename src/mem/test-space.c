/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "mem/space.h"

#define PAGE 4096

static int backing_fd = -1;

static int setup(void **state)
{
        struct space *s = NULL;

        backing_fd = fd_memfd_sealed("test", 64 * PAGE);
        assert_true(backing_fd >= 0);
        assert_int_equal(space_new(&s), 0);
        *state = s;
        return 0;
}

static int teardown(void **state)
{
        space_free(*state);
        fd_close(&backing_fd);
        return 0;
}

static int add(struct space *s, gpa_t start, uint64_t size, uint64_t user, uint64_t offset)
{
        struct region_spec spec = { start, size, user, offset };

        return space_add(s, &spec, backing_fd);
}

static void range_in_one_region_is_one_piece(void **state)
{
        struct iovec iov[4];
        gpa_t back;

        assert_int_equal(add(*state, 0x100000, 4 * PAGE, 0x7f0000000000, PAGE), 0);
        assert_int_equal(space_iov(*state, 0x100800, PAGE, iov, 4), 1);
        assert_int_equal(iov[0].iov_len, PAGE);
        memset(iov[0].iov_base, 0x5a, PAGE);
        assert_int_equal(space_from_pointer(*state, iov[0].iov_base, &back), 0);
        assert_int_equal(back, 0x100800);
        assert_int_equal(space_from_user(*state, 0x7f0000000800, &back), 0);
        assert_int_equal(back, 0x100800);
}

static void range_across_adjoining_regions_is_two_pieces(void **state)
{
        struct iovec iov[4];

        assert_int_equal(add(*state, 0, PAGE, 0x10000, 8 * PAGE), 0);
        assert_int_equal(add(*state, PAGE, PAGE, 0x90000, 0), 0);
        assert_int_equal(space_iov(*state, PAGE - 16, 32, iov, 4), 2);
        assert_int_equal(iov[0].iov_len, 16);
        assert_int_equal(iov[1].iov_len, 16);
        assert_int_equal(space_iov(*state, PAGE - 16, 32, iov, 1), -E2BIG);
        assert_null(space_pointer(*state, PAGE - 16, 32, 1));
}

static void range_in_a_hole_or_past_the_end_is_refused(void **state)
{
        struct iovec iov[4];

        assert_int_equal(add(*state, PAGE, PAGE, PAGE, 0), 0);
        assert_int_equal(add(*state, 3 * PAGE, PAGE, 3 * PAGE, PAGE), 0);
        assert_int_equal(space_iov(*state, 0, 1, iov, 4), -EBADMSG);
        assert_int_equal(space_iov(*state, 2 * PAGE - 1, 2, iov, 4), -EBADMSG);
        assert_int_equal(space_iov(*state, PAGE, 3 * PAGE, iov, 4), -EBADMSG);
        assert_int_equal(space_iov(*state, 4 * PAGE - 1, 2, iov, 4), -EBADMSG);
        assert_int_equal(space_iov(*state, 4 * PAGE, 1, iov, 4), -EBADMSG);
}

static void address_plus_length_that_wraps_is_refused(void **state)
{
        gpa_t top = UINT64_MAX - PAGE + 1;
        struct iovec iov[4];

        assert_int_equal(add(*state, 0, PAGE, 0, 0), 0);
        assert_int_equal(add(*state, top, PAGE, top, PAGE), -EINVAL);
        assert_int_equal(add(*state, top - PAGE, PAGE, top - PAGE, PAGE), 0);
        assert_int_equal(space_iov(*state, top - 1, UINT64_MAX, iov, 4), -EBADMSG);
        assert_int_equal(space_iov(*state, UINT64_MAX, 2, iov, 4), -EBADMSG);
}

static void region_that_overlaps_or_exceeds_its_file_is_refused(void **state)
{
        assert_int_equal(add(*state, PAGE, 2 * PAGE, 0x100000, 0), 0);
        assert_int_equal(add(*state, PAGE, 2 * PAGE, 0x100000, 0), -EEXIST);
        assert_int_equal(add(*state, 2 * PAGE, PAGE, 0x900000, 0), -EEXIST);
        assert_int_equal(add(*state, 9 * PAGE, PAGE, 0x100800, 0), -EEXIST);
        assert_int_equal(add(*state, 9 * PAGE, 0, 0x900000, 0), -EINVAL);
        assert_int_equal(add(*state, 9 * PAGE, 65 * PAGE, 0x900000, 0), -EINVAL);
        assert_int_equal(add(*state, 9 * PAGE, 2 * PAGE, 0x900000, 63 * PAGE), -EINVAL);
        assert_int_equal(add(*state, 9 * PAGE, PAGE, 0x900000, UINT64_MAX - 10), -EINVAL);
}

static void removed_region_is_gone(void **state)
{
        struct region_spec spec = { PAGE, PAGE, 0x5000, 0 };
        struct iovec iov;

        assert_int_equal(space_add(*state, &spec, backing_fd), 0);
        assert_int_equal(space_remove(*state, &spec), 0);
        assert_int_equal(space_remove(*state, &spec), -ENOENT);
        assert_int_equal(space_iov(*state, PAGE, 1, &iov, 1), -EBADMSG);
}

static void dirty_log_marks_pages_and_stays_inside(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", PAGE);
        uint8_t *log = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

        assert_ptr_not_equal(log, MAP_FAILED);
        assert_int_equal(space_set_log(*state, fd, 8, PAGE), -EINVAL);
        assert_int_equal(space_set_log(*state, fd, UINT64_MAX - 4, 8), -EINVAL);
        assert_int_equal(space_set_log(*state, fd, 8, 2), 0);
        space_mark_dirty(*state, PAGE - 1, 2);
        assert_int_equal(log[8], 0x03);
        space_mark_dirty(*state, 9 * PAGE, UINT64_MAX);
        assert_int_equal(log[9], 0xfe);
        assert_int_equal(log[10], 0);
        assert_int_equal(space_set_log(*state, -1, 0, 0), 0);
        space_mark_dirty(*state, 2 * PAGE, 1);
        assert_int_equal(log[8], 0x03);
        (void) munmap(log, PAGE);
}

static void memory_that_is_shrunk_under_us_damages_only_its_space(void **state)
{
        auto_cleanup(closep) int fd = memfd_create("unsealed", MFD_CLOEXEC);
        struct region_spec spec = { 0, 4 * PAGE, 0, 0 };
        volatile char *p;

        assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
        assert_int_equal(space_add(*state, &spec, fd), 0);
        p = space_pointer(*state, 0, 4 * PAGE, 1);
        p[3 * PAGE] = 1;
        assert_false(space_damaged(*state));
        assert_int_equal(ftruncate(fd, PAGE), 0);
        assert_int_equal(p[3 * PAGE], 0);
        p[3 * PAGE] = 1;
        assert_true(space_damaged(*state));
        space_clear(*state);
        assert_false(space_damaged(*state));
}

/* QEMU's regions below 4 GiB begin in the middle of one. No huge page is needed as long as none is touched. */
static void region_in_huge_pages_begins_anywhere(void **state)
{
        struct region_spec spec = { .start = 0xc0000, .size_bytes = (4 << 20) - 0xc0000, .user_address = 0xc0000,
                                    .fd_offset_bytes = 0xc0000 };
        int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
        int r;

        if (fd < 0 || ftruncate(fd, 4 << 20) < 0) {
                print_message("no huge pages in this kernel\n");
                skip();
        }
        space_clear(*state);
        r = space_add(*state, &spec, fd);
        (void) close(fd);
        assert_int_equal(r, 0);
        assert_int_equal(space_remove(*state, &spec), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(range_in_one_region_is_one_piece),
                CASE(range_across_adjoining_regions_is_two_pieces),
                CASE(range_in_a_hole_or_past_the_end_is_refused),
                CASE(address_plus_length_that_wraps_is_refused),
                CASE(region_that_overlaps_or_exceeds_its_file_is_refused),
                CASE(region_in_huge_pages_begins_anywhere),
                CASE(removed_region_is_gone),
                CASE(dirty_log_marks_pages_and_stays_inside),
                CASE(memory_that_is_shrunk_under_us_damages_only_its_space),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
