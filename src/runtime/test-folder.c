/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/test-folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

static void need(int good, const char *what)
{
        if (!good) {
                perror(what);
                abort();
        }
}

void test_folder_init(struct test_folder *f)
{
        char made[] = "/tmp/busbar-test-XXXXXX", resolved[PATH_MAX];

        need(mkdtemp(made) != NULL && realpath(made, resolved) != NULL, "mkdtemp");
        need(strlen(resolved) < sizeof(f->path), "path");
        strcpy(f->path, resolved);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        return remove(path);
}

void test_folder_deinit(struct test_folder *f)
{
        need(nftw(f->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, f->path);
}

const char *test_folder_path(struct test_folder *f, const char *name)
{
        need(snprintf(f->name, sizeof(f->name), "%s/%s", f->path, name) < (int) sizeof(f->name), "path");
        return f->name;
}

void test_folder_write(struct test_folder *f, const char *name, const char *text)
{
        (void) test_folder_path(f, name);
        for (char *slash = strchr(f->name + strlen(f->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                need(mkdir(f->name, 0700) == 0 || errno == EEXIST, f->name);
                *slash = '/';
        }
        need(fd_write_file_atomic(f->name, text, strlen(text), 0600) == 0, f->name);
}
