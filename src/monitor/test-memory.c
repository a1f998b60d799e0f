/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "monitor/layout.h"
#include "monitor/memory.h"
#include "monitor/test-vm.h"

#define MIB (UINT64_C(1) << 20)
#define LOW_BYTES (64 * MIB)
#define HIGH_START (UINT64_C(4) << 30)

/* Small enough that a second range is cheap. Replaces the architecture's. */
const struct layout layout = { .ram = { { 0x40000000, LOW_BYTES }, { HIGH_START, 192 * MIB } } };

static void memory_beyond_the_first_range_goes_on_in_the_second(void **state)
{
        struct memory m;
        char *error = NULL;

        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        assert_int_equal(m.n_ranges, 2);
        assert_int_equal(m.ranges[0].start, 0x40000000);
        assert_int_equal(m.ranges[0].size_bytes, LOW_BYTES);
        assert_int_equal(m.ranges[1].start, HIGH_START);
        assert_int_equal(m.ranges[1].size_bytes, 32 * MIB);
        assert_int_equal(m.ranges[1].offset_bytes, LOW_BYTES);
        assert_int_equal((uintptr_t) m.ranges[0].host % (2 * MIB), 0);
        assert_int_equal((uintptr_t) m.ranges[1].host % (2 * MIB), 0);
        memory_deinit(&m);
}

static void a_file_is_moved_to_where_it_is_wanted(void **state)
{
        auto_cleanup(closep) int fd = memfd_create("file", MFD_CLOEXEC);
        char bytes[12288], *error = NULL;
        struct memory m;

        memset(bytes, 'b', sizeof(bytes));
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        assert_int_equal(memory_receive(&m, HIGH_START + 100, fd, 10, 8192), 8192);
        assert_int_equal(m.ranges[1].host[99], 0);
        assert_memory_equal(m.ranges[1].host + 100, bytes, 8192);
        assert_int_equal(m.ranges[1].host[8292], 0);
        assert_int_equal(memory_receive(&m, 0x40000000, fd, 12287, 10), 1);
        assert_int_equal(memory_receive(&m, 0x40000000, fd, 12288, 10), 0);
        assert_int_equal(m.ranges[0].host[0], 'b');
        assert_int_equal(m.ranges[0].host[1], 0);
        assert_int_equal(memory_receive(&m, HIGH_START + 32 * MIB - 8, fd, 0, 9), -EFAULT);
        memory_deinit(&m);
}

static void address_is_translated_only_within_one_range(void **state)
{
        struct memory m;
        char *error = NULL;

        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        assert_ptr_equal(memory_at(&m, 0x40000000, 1), m.ranges[0].host);
        assert_ptr_equal(memory_at(&m, HIGH_START + 32 * MIB - 8, 8), m.ranges[1].host + 32 * MIB - 8);
        assert_non_null(memory_at(&m, 0x40000000, LOW_BYTES));
        assert_null(memory_at(&m, 0x40000000, LOW_BYTES + 1));
        assert_null(memory_at(&m, 0x3fffffff, 2));
        assert_null(memory_at(&m, HIGH_START + 32 * MIB - 8, 9));
        assert_null(memory_at(&m, HIGH_START - 1, 1));
        assert_null(memory_at(&m, UINT64_MAX, 1));
        assert_null(memory_at(&m, HIGH_START, UINT64_MAX));
        memory_deinit(&m);
}

static void file_can_neither_shrink_nor_grow(void **state)
{
        struct memory m;
        char *error = NULL;
        struct stat st;

        assert_int_equal(memory_init(&m, 4 * MIB, false, &error), 0);
        assert_int_equal(fstat(m.fd, &st), 0);
        assert_int_equal(st.st_size, 4 * MIB);
        assert_int_equal(ftruncate(m.fd, 0), -1);
        assert_int_equal(ftruncate(m.fd, 8 * MIB), -1);
        assert_int_equal(fcntl(m.fd, F_GETFD), FD_CLOEXEC);
        memory_deinit(&m);
}

static void access_beside_a_range_is_a_fault(void **state)
{
        struct memory m;
        char *error = NULL;

        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        for (size_t i = 0; i < m.n_ranges; i++) {
                int fds[2];

                /* The kernel's own access of a gap says -EFAULT where ours would end the process. */
                assert_int_equal(pipe(fds), 0);
                assert_int_equal(write(fds[1], m.ranges[i].host - 1, 1), -1);
                assert_int_equal(errno, EFAULT);
                assert_int_equal(write(fds[1], m.ranges[i].host + m.ranges[i].size_bytes, 1), -1);
                assert_int_equal(errno, EFAULT);
                assert_int_equal(write(fds[1], m.ranges[i].host, 1), 1);
                (void) close(fds[0]);
                (void) close(fds[1]);
        }
        memory_deinit(&m);
}

static void impossible_sizes_are_refused_with_the_reason(void **state)
{
        static const uint64_t sizes[] = {
                0, 1, 4096, 3 * MIB - 4096, 257 * MIB, UINT64_MAX, UINT64_MAX - (2 * MIB - 1)
        };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                auto_cleanup(freep) char *error = NULL;
                struct memory m;

                assert_true(memory_init(&m, sizes[i], false, &error) < 0);
                assert_non_null(strstr(error, sizes[i] % MIB || sizes[i] == 0 ? "multiple of 1 MiB" : "256 MiB"));
                memory_deinit(&m);
        }
}

static void all_pages_are_there_after_prefault(void **state)
{
        struct memory m;
        char *error = NULL;
        unsigned char resident[(96 * MIB) / 4096];

        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        m.ranges[1].host[5] = 42;
        assert_int_equal(memory_begin_prefault(&m), 0);
        assert_int_equal(memory_finish_prefault(&m, &error), 0);
        assert_int_equal(m.ranges[1].host[5], 42);
        for (size_t i = 0; i < m.n_ranges; i++) {
                assert_int_equal(mincore(m.ranges[i].host, m.ranges[i].size_bytes, resident), 0);
                for (size_t page = 0; page < m.ranges[i].size_bytes / 4096; page++)
                        assert_int_equal(resident[page] & 1, 1);
        }
        memory_deinit(&m);
}

/* With or without huge pages on this host: then with small ones. */
static void huge_pages_are_a_wish(void **state)
{
        struct memory m;
        char *error = NULL;

        assert_int_equal(memory_init(&m, 8 * MIB, true, &error), 0);
        memset(m.ranges[0].host, 1, 8 * MIB);
        assert_int_equal(memory_begin_prefault(&m), 0);
        assert_int_equal(memory_finish_prefault(&m, &error), 0);
        memory_deinit(&m);
}

static void machine_is_shown_each_range(void **state)
{
        auto_cleanup(vm_freep) struct vm *vm = NULL;
        struct memory m;
        char *error = NULL;

        assert_int_equal(vm_new(&vm), 0);
        assert_int_equal(memory_init(&m, 96 * MIB, false, &error), 0);
        assert_int_equal(memory_show(&m, vm), 0);
        assert_int_equal(test_vm(vm)->n_memory, 2);
        assert_ptr_equal(test_vm(vm)->memory[1].host, m.ranges[1].host);
        assert_int_equal(test_vm(vm)->memory[1].start, HIGH_START);
        test_vm(vm)->fail = -ENOSPC;
        assert_int_equal(memory_show(&m, vm), -ENOSPC);
        memory_deinit(&m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(memory_beyond_the_first_range_goes_on_in_the_second),
                cmocka_unit_test(a_file_is_moved_to_where_it_is_wanted),
                cmocka_unit_test(address_is_translated_only_within_one_range),
                cmocka_unit_test(file_can_neither_shrink_nor_grow),
                cmocka_unit_test(access_beside_a_range_is_a_fault),
                cmocka_unit_test(impossible_sizes_are_refused_with_the_reason),
                cmocka_unit_test(all_pages_are_there_after_prefault),
                cmocka_unit_test(huge_pages_are_a_wish),
                cmocka_unit_test(machine_is_shown_each_range),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
