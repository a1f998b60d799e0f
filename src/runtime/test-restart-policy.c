/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "runtime/restart-policy.h"

#define SECOND NSEC_PER_SEC

static void one_that_was_well_starts_at_once(void **state)
{
        struct restart_policy p = { 0 };
        uint64_t now = SECOND, delay = 1;

        for (int i = 0; i < 60; i++, now += SECOND) {
                assert_true(restart_policy_ended(&p, now + RESTART_WELL_NS, now, &delay));
                assert_int_equal(delay, 0);
        }
}

static void quick_ends_are_spaced_out(void **state)
{
        static const uint64_t expected_ms[] = { 0, 10, 100, 1000, 1000 };
        struct restart_policy p = { 0 };
        uint64_t now = SECOND, delay = 0;

        for (size_t i = 0; i < ARRAY_SIZE(expected_ms); i++, now += SECOND) {
                assert_true(restart_policy_ended(&p, now + 1, now, &delay));
                assert_int_equal(delay, expected_ms[i] * NSEC_PER_MSEC);
        }
        assert_true(restart_policy_ended(&p, now + RESTART_WELL_NS, now, &delay));
        assert_int_equal(delay, 0);
}

static void never_ready_gives_up_soon(void **state)
{
        struct restart_policy p = { 0 };
        uint64_t delay = 0;

        for (int i = 1; i < RESTART_UNREADY_MAX; i++)
                assert_true(restart_policy_ended(&p, (uint64_t) i * SECOND, 0, &delay));
        assert_false(restart_policy_ended(&p, 100 * SECOND, 0, &delay));
        assert_non_null(strstr(restart_policy_verdict(&p), "ready"));
}

static void too_many_within_a_minute_gives_up(void **state)
{
        struct restart_policy p = { 0 };
        uint64_t now = SECOND, delay = 0;

        for (int i = 0; i < RESTART_WINDOW_MAX; i++, now += SECOND / 4)
                assert_true(restart_policy_ended(&p, now + RESTART_WELL_NS, now, &delay));
        assert_false(restart_policy_ended(&p, now + RESTART_WELL_NS, now, &delay));
}

static void many_over_a_long_time_go_on(void **state)
{
        struct restart_policy p = { 0 };
        uint64_t now = SECOND, delay = 0;

        for (int i = 0; i < 10 * RESTART_WINDOW_MAX; i++, now += SECOND)
                assert_true(restart_policy_ended(&p, now + RESTART_WELL_NS, now, &delay));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_that_was_well_starts_at_once), cmocka_unit_test(quick_ends_are_spaced_out),
                cmocka_unit_test(never_ready_gives_up_soon),        cmocka_unit_test(too_many_within_a_minute_gives_up),
                cmocka_unit_test(many_over_a_long_time_go_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
