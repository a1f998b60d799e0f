/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "monitor/bus.h"

struct seen {
        struct bus *bus;
        uint64_t offset;
        unsigned n_bytes, n_reads, n_writes;
        uint64_t value;
};

static void seen_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        struct seen *seen = data;

        seen->offset = offset;
        seen->n_bytes = n_bytes;
        seen->n_reads++;
        memset(buf, 0x5a, n_bytes);
}

static void seen_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct seen *seen = data;

        seen->offset = offset;
        seen->n_bytes = n_bytes;
        seen->n_writes++;
        seen->value = 0;
        memcpy(&seen->value, buf, n_bytes);
        if (seen->bus)
                bus_remove(seen->bus, 0x1000);
}

static int add(struct bus *bus, uint64_t start, uint64_t size_bytes, struct seen *seen)
{
        return bus_add(bus, &(struct bus_range){ start, size_bytes, seen_read, seen_write, seen });
}

static void access_reaches_the_range_that_holds_it(void **state)
{
        struct bus bus = { 0 };
        struct seen low = { 0 }, high = { 0 };
        uint32_t value = 0;

        assert_int_equal(add(&bus, 0x2000, 0x1000, &high), 0);
        assert_int_equal(add(&bus, 0x1000, 0x1000, &low), 0);
        assert_true(bus_read(&bus, 0x1ffc, &value, 4));
        assert_int_equal(low.offset, 0xffc);
        assert_int_equal(low.n_bytes, 4);
        assert_int_equal(value, 0x5a5a5a5a);
        value = 0x12345678;
        assert_true(bus_write(&bus, 0x2001, &value, 2));
        assert_int_equal(high.offset, 1);
        assert_int_equal(high.value, 0x5678);
        assert_int_equal(low.n_writes, 0);
        bus_deinit(&bus);
}

static void access_that_no_range_holds_wholly_reads_ones(void **state)
{
        static const uint64_t outside[] = { 0, 0xffc, 0xffe, 0x1ffe, 0x2000, UINT64_MAX - 3, UINT64_MAX };
        struct bus bus = { 0 };
        struct seen seen = { 0 };

        assert_int_equal(add(&bus, 0x1000, 0x1000, &seen), 0);
        for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
                uint32_t value = 0;

                assert_false(bus_read(&bus, outside[i], &value, 4));
                assert_int_equal(value, UINT32_MAX);
                assert_false(bus_write(&bus, outside[i], &value, 4));
        }
        assert_int_equal(seen.n_reads + seen.n_writes, 0);
        bus_deinit(&bus);
}

static void ranges_that_overlap_or_wrap_are_refused(void **state)
{
        struct bus bus = { 0 };
        struct seen seen = { 0 };

        assert_int_equal(add(&bus, 0x1000, 0x1000, &seen), 0);
        assert_int_equal(add(&bus, 0x1000, 1, &seen), -EEXIST);
        assert_int_equal(add(&bus, 0x1fff, 1, &seen), -EEXIST);
        assert_int_equal(add(&bus, 0xfff, 2, &seen), -EEXIST);
        assert_int_equal(add(&bus, 0, UINT64_MAX, &seen), -EEXIST);
        assert_int_equal(add(&bus, 0x5000, 0, &seen), -EINVAL);
        assert_int_equal(add(&bus, UINT64_MAX, 2, &seen), -EINVAL);
        assert_int_equal(add(&bus, UINT64_MAX, 1, &seen), 0);
        assert_int_equal(add(&bus, 0xfff, 1, &seen), 0);
        assert_int_equal(add(&bus, 0x2000, 1, &seen), 0);
        assert_int_equal(bus.n_ranges, 4);
        bus_deinit(&bus);
}

static void a_handler_may_remove_its_own_range(void **state)
{
        struct bus bus = { 0 };
        struct seen seen = { .bus = &bus };
        uint8_t value = 1;

        assert_int_equal(add(&bus, 0x1000, 0x1000, &seen), 0);
        assert_true(bus_write(&bus, 0x1800, &value, 1));
        assert_false(bus_write(&bus, 0x1800, &value, 1));
        bus_remove(&bus, 0x1000);
        assert_int_equal(bus.n_ranges, 0);
        bus_deinit(&bus);
}

static void a_range_without_handlers_reads_ones_and_takes_writes(void **state)
{
        struct bus bus = { 0 };
        uint16_t value = 0;

        assert_int_equal(bus_add(&bus, &(struct bus_range){ .start = 0x80, .size_bytes = 2 }), 0);
        assert_true(bus_read(&bus, 0x80, &value, 2));
        assert_int_equal(value, 0xffff);
        assert_true(bus_write(&bus, 0x81, &value, 1));
        bus_deinit(&bus);
}

static uint32_t get(void *data, uint64_t offset) { return ((uint32_t *) data)[offset / 4]; }
static void set(void *data, uint64_t offset, uint32_t value) { ((uint32_t *) data)[offset / 4] = value; }

static void registers_are_read_by_the_byte_and_written_from_their_start(void **state)
{
        struct bus bus = { 0 };
        uint32_t registers[4] = { 0x44332211, 0x88776655 };
        uint64_t value = 0;

        assert_int_equal(bus_add(&bus, &(struct bus_range){ .start = 0x1000, .size_bytes = sizeof(registers),
                                                            .register_bytes = 4, .get = get, .set = set,
                                                            .data = registers }), 0);
        assert_true(bus_read(&bus, 0x1003, &value, 4));
        assert_int_equal(value, 0x77665544);
        assert_true(bus_read(&bus, 0x1000, &value, 8));
        assert_int_equal(value, 0x8877665544332211);
        assert_true(bus_write(&bus, 0x1008, &(uint64_t){ 0x0123456789abcdef }, 8));
        assert_int_equal(registers[2], 0x89abcdef);
        assert_int_equal(registers[3], 0x01234567);
        assert_true(bus_write(&bus, 0x1008, &(uint16_t){ 0xffff }, 2));
        assert_int_equal(registers[2], 0xffff);
        assert_true(bus_write(&bus, 0x1009, &(uint32_t){ 0 }, 4));
        assert_int_equal(registers[2], 0xffff);
        assert_int_equal(registers[3], 0x01234567);
        bus_deinit(&bus);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(registers_are_read_by_the_byte_and_written_from_their_start),
                cmocka_unit_test(access_reaches_the_range_that_holds_it),
                cmocka_unit_test(access_that_no_range_holds_wholly_reads_ones),
                cmocka_unit_test(ranges_that_overlap_or_wrap_are_refused),
                cmocka_unit_test(a_handler_may_remove_its_own_range),
                cmocka_unit_test(a_range_without_handlers_reads_ones_and_takes_writes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
