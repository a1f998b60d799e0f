/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"

static int file_fd = -1, saved_stderr = -1, stderr_fd = -1;
static char text[8192];

static int setup(void **state)
{
        file_fd = memfd_create("log", MFD_CLOEXEC);
        stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
        saved_stderr = dup(STDERR_FILENO);
        log_set_level(LOG_LEVEL_INFO);
        return file_fd >= 0 && dup2(stderr_fd, STDERR_FILENO) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
        (void) dup2(saved_stderr, STDERR_FILENO);
        log_set_file(-1, false);
        (void) close(stderr_fd);
        (void) close(saved_stderr);
        return 0;
}

static const char *read_back(int fd)
{
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        return text;
}

static void line_has_level_subject_and_text(void **state)
{
        log_warning("alpha", "%d of %d", 2, 3);
        log_debug("alpha", "not asked for");
        assert_string_equal(read_back(stderr_fd), "warning alpha: 2 of 3\n");
        (void) close(file_fd);
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
        log_info("alpha", "a\033[2J\nb\x7f");
        assert_string_equal(read_back(stderr_fd), "info alpha: a?[2J?b?\n");
        (void) close(file_fd);
}

static void file_gets_every_line_and_stderr_the_errors(void **state)
{
        log_set_file(file_fd, false);
        log_info("alpha", "one");
        log_error("alpha", "two");
        assert_string_equal(read_back(file_fd), "info alpha: one\nerror alpha: two\n");
        assert_string_equal(read_back(stderr_fd), "error alpha: two\n");
}

static void json_lines_are_objects(void **state)
{
        const char *level, *message, *when;
        json_t *line;

        log_set_file(file_fd, true);
        log_error("alpha", "path \"%s\"", "C:\\new");
        line = json_loads(read_back(file_fd), 0, NULL);
        assert_non_null(line);
        assert_int_equal(json_unpack(line, "{s:s, s:s, s:s}", "level", &level, "msg", &message, "time", &when), 0);
        assert_string_equal(level, "error");
        assert_string_equal(message, "alpha: path \"C:\\new\"");
        assert_int_equal(strlen(when), strlen("2026-01-01T00:00:00Z"));
        json_decref(line);
}

static void long_line_is_cut_and_stays_one_line(void **state)
{
        char much[4096];
        size_t n;

        memset(much, '"', sizeof(much) - 1);
        much[sizeof(much) - 1] = '\0';
        log_set_file(file_fd, true);
        log_error(much, "%s", much);
        n = strlen(read_back(file_fd));
        assert_in_range(n, 1000, 3000);
        assert_ptr_equal(strchr(text, '\n'), text + n - 1);
        assert_true(strlen(read_back(stderr_fd)) <= 1024);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(line_has_level_subject_and_text, setup, teardown),
                cmocka_unit_test_setup_teardown(control_characters_do_not_reach_a_terminal, setup, teardown),
                cmocka_unit_test_setup_teardown(file_gets_every_line_and_stderr_the_errors, setup, teardown),
                cmocka_unit_test_setup_teardown(json_lines_are_objects, setup, teardown),
                cmocka_unit_test_setup_teardown(long_line_is_cut_and_stays_one_line, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
