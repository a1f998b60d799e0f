/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "holdups.h"

#define EXPECT(holdups, from_ns, to_ns, ...)                                                                     \
        do {                                                                                                     \
                const struct holdups_sum expected = { __VA_ARGS__ };                                             \
                struct holdups_sum sum;                                                                          \
                                                                                                                 \
                holdups_unite(holdups, ARRAY_SIZE(holdups), from_ns, to_ns, &sum);                               \
                assert_int_equal(sum.n, expected.n);                                                             \
                assert_int_equal(sum.total_ns, expected.total_ns);                                               \
                assert_int_equal(sum.longest_ns, expected.longest_ns);                                           \
        } while (0)

static void processors_held_up_at_once_count_once(void **state)
{
        static const struct holdup same[] = { { 10, 30 }, { 10, 30 }, { 10, 30 } };
        static const struct holdup inside[] = { { 10, 40 }, { 15, 20 }, { 25, 30 } };
        static const struct holdup overlapping[] = { { 10, 30 }, { 20, 50 }, { 50, 60 } };

        EXPECT(same, 0, UINT64_MAX, 1, 20, 20);
        EXPECT(inside, 0, UINT64_MAX, 1, 30, 30);
        EXPECT(overlapping, 0, UINT64_MAX, 1, 50, 50);
}

static void holdups_apart_add_up(void **state)
{
        static const struct holdup apart[] = { { 0, 5 }, { 10, 30 }, { 20, 25 }, { 31, 40 } };

        EXPECT(apart, 0, UINT64_MAX, 3, 34, 20);
}

static void only_what_lies_within_counts(void **state)
{
        static const struct holdup around[] = { { 0, 15 }, { 5, 12 }, { 18, 30 }, { 20, 40 } };
        static const struct holdup across[] = { { 0, 100 } };

        EXPECT(around, 10, 20, 2, 7, 5);
        EXPECT(around, 40, 50, 0, 0, 0);
        EXPECT(across, 10, 20, 1, 10, 10);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(processors_held_up_at_once_count_once),
                cmocka_unit_test(holdups_apart_add_up),
                cmocka_unit_test(only_what_lies_within_counts),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
