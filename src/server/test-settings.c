/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "server/settings.h"

static const char *const colours[] = { "red", "green", NULL };

static const struct setting_spec table[] = {
        { .name = "image", .kind = SETTING_PATH, .scope = SETTING_GUEST, .required = true, .alias = "blk-file" },
        { .name = "queues", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .default_text = "1", .min = 1, .max = 64 },
        { .name = "size", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .min = 512, .max = UINT64_C(1) << 40 },
        { .name = "read-only", .kind = SETTING_BOOL, .scope = SETTING_GUEST },
        { .name = "colour", .kind = SETTING_CHOICE, .scope = SETTING_GUEST, .default_text = "green",
          .choices = colours },
        { .name = "port", .kind = SETTING_STRING, .scope = SETTING_GUEST, .repeatable = true },
        { .name = "elsewhere", .kind = SETTING_STRING, .scope = SETTING_SERVER },
        { .name = NULL },
};

static const struct setting_spec *const tables[] = { table, NULL };
static char error[256];

static int setup(void **state)
{
        error[0] = '\0';
        return settings_new(tables, SETTING_GUEST, (struct settings **) state);
}

static int teardown(void **state)
{
        settings_free(*state);
        return 0;
}

static int set(struct settings *s, const char *name, const char *text)
{
        return settings_set(s, name, text, error, sizeof(error));
}

static void values_are_read_by_their_kind(void **state)
{
        struct settings *s = *state;

        assert_int_equal(set(s, "image", "/tmp/x"), 0);
        assert_int_equal(set(s, "queues", "64"), 0);
        assert_int_equal(set(s, "size", "3M"), 0);
        assert_int_equal(set(s, "read-only", NULL), 0);
        assert_int_equal(settings_finish(s, error, sizeof(error)), 0);
        assert_string_equal(settings_string(s, "image"), "/tmp/x");
        assert_int_equal(settings_number(s, "queues"), 64);
        assert_int_equal(settings_number(s, "size"), 3 << 20);
        assert_true(settings_bool(s, "read-only"));
        assert_int_equal(settings_choice(s, "colour"), 1);
        assert_string_equal(settings_string(s, "colour"), "green");
        assert_true(settings_given(s, "size"));
        assert_false(settings_given(s, "colour"));
}

static void what_is_not_set_is_empty(void **state)
{
        struct settings *s = *state;

        assert_int_equal(set(s, "image", "x"), 0);
        assert_int_equal(settings_finish(s, error, sizeof(error)), 0);
        assert_int_equal(settings_number(s, "size"), 0);
        assert_int_equal(settings_number(s, "queues"), 1);
        assert_false(settings_bool(s, "read-only"));
        assert_null(settings_string(s, "port"));
        assert_int_equal(settings_count(s, "port"), 0);
        assert_string_equal(settings_first_given(s), "image");
}

static void error_says_what_was_expected(void **state)
{
        static const struct {
                const char *name, *text, *expected;
        } cases[] = {
                { "queues", "0", "queues=0: expected a number from 1 to 64" },
                { "queues", "65", "queues=65: expected a number from 1 to 64" },
                { "queues", "-1", "queues=-1: expected a number from 1 to 64" },
                { "queues", " 1", "queues= 1: expected a number from 1 to 64" },
                { "queues", "1x", "queues=1x: expected a number from 1 to 64" },
                { "queues", "", "queues=: expected a number from 1 to 64" },
                { "queues", NULL, "queues: expected a value" },
                { "queues", "18446744073709551616", "queues=18446744073709551616: expected a number from 1 to 64" },
                { "size", "100", "size=100: expected bytes (K, M, G, T allowed) from 512 to 1099511627776" },
                { "size", "99999999T",
                  "size=99999999T: expected bytes (K, M, G, T allowed) from 512 to 1099511627776" },
                { "size", "1KB", "size=1KB: expected bytes (K, M, G, T allowed) from 512 to 1099511627776" },
                { "read-only", "maybe", "read-only=maybe: expected on or off" },
                { "colour", "blue", "colour=blue: expected one of red, green" },
                { "image", "", "image=: expected a value" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(set(*state, cases[i].name, cases[i].text), -EINVAL);
                assert_string_equal(error, cases[i].expected);
        }
}

static void settings_of_another_scope_are_unknown(void **state)
{
        assert_int_equal(set(*state, "elsewhere", "x"), -ENOENT);
        assert_int_equal(set(*state, "nowhere", "x"), -ENOENT);
}

static void only_repeatable_settings_may_be_given_twice(void **state)
{
        struct settings *s = *state;

        assert_int_equal(set(s, "port", "a"), 0);
        assert_int_equal(set(s, "port", "b"), 0);
        assert_int_equal(settings_count(s, "port"), 2);
        assert_string_equal(settings_string_at(s, "port", 0), "a");
        assert_string_equal(settings_string_at(s, "port", 1), "b");
        assert_null(settings_string_at(s, "port", 2));
        assert_int_equal(set(s, "queues", "1"), 0);
        assert_int_equal(set(s, "queues", "1"), -EINVAL);
        assert_string_equal(error, "queues: given twice");
}

static void required_setting_must_be_there(void **state)
{
        assert_int_equal(settings_finish(*state, error, sizeof(error)), -EINVAL);
        assert_string_equal(error, "image: must be given");
}

static void alias_names_the_same_setting(void **state)
{
        assert_int_equal(set(*state, "blk-file", "/tmp/y"), 0);
        assert_string_equal(settings_string(*state, "image"), "/tmp/y");
}

static void sizes_have_binary_units(void **state)
{
        uint64_t n;

        assert_int_equal(size_from_string("0", &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(size_from_string("2k", &n), 0);
        assert_int_equal(n, 2048);
        assert_int_equal(size_from_string("16777215T", &n), 0);
        assert_int_equal(size_from_string("16777216T", &n), -ERANGE);
        assert_int_equal(size_from_string("K", &n), -EINVAL);
        assert_int_equal(size_from_string("1P", &n), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(values_are_read_by_their_kind, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_not_set_is_empty, setup, teardown),
                cmocka_unit_test_setup_teardown(error_says_what_was_expected, setup, teardown),
                cmocka_unit_test_setup_teardown(settings_of_another_scope_are_unknown, setup, teardown),
                cmocka_unit_test_setup_teardown(only_repeatable_settings_may_be_given_twice, setup, teardown),
                cmocka_unit_test_setup_teardown(required_setting_must_be_there, setup, teardown),
                cmocka_unit_test_setup_teardown(alias_names_the_same_setting, setup, teardown),
                cmocka_unit_test(sizes_have_binary_units),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
