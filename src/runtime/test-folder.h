/* SPDX-License-Identifier: MPL-2.0 */
/* For unit tests: a temporary folder, and files in it. */
#pragma once

#include <limits.h>

struct test_folder {
        char path[128]; /* absolute, without symlinks */
        char name[PATH_MAX]; /* what test_folder_path() returned last */
};

void test_folder_init(struct test_folder *f);
/* Removes it with all that it holds. */
void test_folder_deinit(struct test_folder *f);

/* Absolute path of a name below it; valid until the next call. */
const char *test_folder_path(struct test_folder *f, const char *name);

/* Makes a file, and the folders on its way. */
void test_folder_write(struct test_folder *f, const char *name, const char *text);
