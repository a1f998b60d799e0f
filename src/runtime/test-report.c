/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "runtime/report.h"

static void messages_that_came_together_are_waiting(void **state)
{
        struct report_reader reader = { 0 };
        auto_cleanup(closep) int read_fd = -1;
        auto_cleanup(closep) int write_fd = -1;
        json_t *message;

        assert_int_equal(report_pipe(&read_fd, &write_fd), 0);
        report_send(write_fd, json_pack("{ss}", "event", "first"));
        report_send(write_fd, json_pack("{ss}", "event", "second"));
        assert_false(report_waits(&reader));
        assert_int_equal(report_receive(&reader, read_fd, &message), 1);
        assert_string_equal(report_text(message, "event"), "first");
        json_decref(message);
        assert_true(report_waits(&reader));
        assert_int_equal(report_receive(&reader, read_fd, &message), 1);
        assert_string_equal(report_text(message, "event"), "second");
        json_decref(message);
        assert_false(report_waits(&reader));
}

static void lines_that_are_no_object_are_skipped(void **state)
{
        struct report_reader reader = { 0 };
        auto_cleanup(closep) int read_fd = -1;
        auto_cleanup(closep) int write_fd = -1;
        json_t *message;

        assert_int_equal(report_pipe(&read_fd, &write_fd), 0);
        assert_int_equal(write(write_fd, "nonsense\n[]\n", 12), 12);
        report_send(write_fd, json_pack("{ss}", "event", "real"));
        assert_int_equal(report_receive(&reader, read_fd, &message), 1);
        assert_string_equal(report_text(message, "event"), "real");
        assert_string_equal(report_text(message, "absent"), "");
        json_decref(message);
        fd_close(&write_fd);
        assert_int_equal(report_receive(&reader, read_fd, &message), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(messages_that_came_together_are_waiting),
                cmocka_unit_test(lines_that_are_no_object_are_skipped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
