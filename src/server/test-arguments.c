/* SPDX-License-Identifier: MPL-2.0 */
/* What the command line of a device server means. Error lines are read back from stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "server/arguments.h"
#include "virtio/features.h"

static const struct setting_spec settings[] = {
        { .name = "queues", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .default_text = "1", .min = 1, .max = 64 },
        { .name = "serial", .kind = SETTING_STRING, .scope = SETTING_GUEST },
        { .name = "read-only", .kind = SETTING_BOOL, .scope = SETTING_GUEST },
        { .name = "poll", .kind = SETTING_BOOL, .scope = SETTING_SERVER },
        { .name = NULL },
};

static const struct feature_name features[] = { { "flush", 9 }, { .name = NULL } };

static const struct server_type type = {
        .name = "fake", .settings = settings, .features = features, .queue_threads = true,
};

static struct server_arguments *arguments;
static char log_text[1024];

/* Parses with stderr in a file. */
static int parse(char *const *words, size_t n_words)
{
        auto_cleanup(closep) int file = memfd_create("log", MFD_CLOEXEC);
        auto_cleanup(closep) int saved = dup(STDERR_FILENO);
        ssize_t n;
        int r;

        arguments = server_arguments_free(arguments);
        assert_true(file >= 0 && saved >= 0 && dup2(file, STDERR_FILENO) >= 0);
        r = server_arguments_new(&type, words, n_words, &arguments);
        (void) dup2(saved, STDERR_FILENO);
        n = pread(file, log_text, sizeof(log_text) - 1, 0);
        log_text[n > 0 ? n : 0] = '\0';
        return r;
}

#define PARSE(...)                                               \
        ({                                                       \
                char *const words_[] = { (char *) 0, __VA_ARGS__ }; \
                parse(words_ + 1, ARRAY_SIZE(words_) - 1);       \
        })
#define W(text) (char *) (text)

static int teardown(void **state)
{
        arguments = server_arguments_free(arguments);
        return 0;
}

static void plain_options_are_the_only_guests(void **state)
{
        assert_int_equal(PARSE(W("--socket-path=/tmp/s"), W("--queues"), W("4"), W("--read-only"), W("--poll")), 0);
        assert_int_equal(arguments->n_guests, 1);
        assert_string_equal(arguments->guests[0].id, "fake");
        assert_int_equal(settings_number(arguments->guests[0].settings, "queues"), 4);
        assert_true(settings_bool(arguments->guests[0].settings, "read-only"));
        assert_true(settings_bool(arguments->server, "poll"));
        assert_int_equal(settings_number(arguments->server, "queue-threads"), 0);
}

static void each_guest_has_its_own_settings(void **state)
{
        assert_int_equal(PARSE(W("--guest"), W("id=alpha,fd=3,queues=2"), W("--guest=socket-path=/tmp/b,read-only")),
                         0);
        assert_int_equal(arguments->n_guests, 2);
        assert_string_equal(arguments->guests[0].id, "alpha");
        assert_string_equal(arguments->guests[1].id, "guest1");
        assert_int_equal(settings_number(arguments->guests[0].settings, "queues"), 2);
        assert_int_equal(settings_number(arguments->guests[1].settings, "queues"), 1);
        assert_true(settings_bool(arguments->guests[1].settings, "read-only"));
}

static void double_comma_is_a_comma(void **state)
{
        assert_int_equal(PARSE(W("--guest"), W("serial=a,,b,,,,c,fd=3")), 0);
        assert_string_equal(settings_string(arguments->guests[0].settings, "serial"), "a,b,,c");
        assert_int_equal(settings_number(arguments->guests[0].settings, "fd"), 3);
}

static void help_and_capabilities_need_no_socket(void **state)
{
        assert_int_equal(PARSE(W("--help")), 0);
        assert_true(arguments->help);
        assert_int_equal(PARSE(W("--print-capabilities")), 0);
        assert_true(arguments->print_capabilities);
}

static void expect_error(int r, const char *expected)
{
        assert_int_equal(r, -EINVAL);
        assert_string_equal(log_text, expected);
}

static void error_names_guest_and_setting(void **state)
{
        expect_error(PARSE(W("--guest"), W("queues=0,id=alpha,fd=3")),
                     "error fake: guest number 0: queues=0: expected a number from 1 to 64\n");
        expect_error(PARSE(W("--guest"), W("id=alpha,queues=0,fd=3")),
                     "error fake: guest alpha: queues=0: expected a number from 1 to 64\n");
        expect_error(PARSE(W("--fd=3"), W("--queues=x")), "error fake: --queues=x: expected a number from 1 to 64\n");
        expect_error(PARSE(W("--fd=3"), W("--colour=x")),
                     "error fake: unknown option '--colour'; 'busbar device fake --help' lists what it takes\n");
        expect_error(PARSE(W("--guest"), W("colour=x")), "error fake: guest number 0: colour: no such setting\n");
        expect_error(PARSE(W("stray")), "error fake: unexpected 'stray'\n");
        expect_error(PARSE(W("--guest")), "error fake: --guest: expected NAME=VALUE,...\n");
}

static void contradictions_are_refused(void **state)
{
        expect_error(PARSE(W("--guest"), W("fd=3"), W("--queues=2")),
                     "error fake: --queues belongs to one guest: it goes into --guest here\n");
        expect_error(PARSE(W("--guest"), W("fd=3,id=a"), W("--guest"), W("fd=4,id=a")),
                     "error fake: two guests have the id a\n");
        expect_error(PARSE(W("--guest"), W("fd=3,id=a"), W("--guest"), W("fd=3,id=b")),
                     "error fake: guest b: fd=3: guest a has it already\n");
        expect_error(PARSE(W("--fd=3"), W("--socket-path=/tmp/s")),
                     "error fake: guest fake: expected either socket-path or fd\n");
        expect_error(PARSE(W("--poll")), "error fake: guest fake: expected either socket-path or fd\n");
        expect_error(PARSE(W("--guest"), W("fd=3,id=a b")),
                     "error fake: id=a b: expected 1 to 31 letters, digits or _.-\n");
}

static void features_are_masked_by_name(void **state)
{
        char error[256];
        uint64_t bits;

        assert_int_equal(features_from_string(&type, "packed,flush", &bits, error, sizeof(error)), 0);
        assert_true(bits == (FEATURE(VIRTIO_FEATURE_RING_PACKED) | FEATURE(9)));
        expect_error(PARSE(W("--fd=3"), W("--features-off=packed,steam")),
                     "error fake: guest fake: features-off=packed,steam: 'steam' is no feature of this type\n");
        expect_error(PARSE(W("--fd=3"), W("--features-off=packed,")),
                     "error fake: guest fake: features-off=packed,: '' is no feature of this type\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(plain_options_are_the_only_guests, teardown),
                cmocka_unit_test_teardown(each_guest_has_its_own_settings, teardown),
                cmocka_unit_test_teardown(double_comma_is_a_comma, teardown),
                cmocka_unit_test_teardown(help_and_capabilities_need_no_socket, teardown),
                cmocka_unit_test_teardown(error_names_guest_and_setting, teardown),
                cmocka_unit_test_teardown(contradictions_are_refused, teardown),
                cmocka_unit_test_teardown(features_are_masked_by_name, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
