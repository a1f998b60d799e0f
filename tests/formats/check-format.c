/* SPDX-License-Identifier: MPL-2.0 */
/*
 * check-format bundle|system FILE...: parses each text alone, without the files that it names. A line for each:
 * "ok FILE" or "error " and the error, whose file is given by its last component.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/bundle.h"
#include "runtime/system.h"

static int check(bool is_bundle, const char *path)
{
        auto_cleanup(bundle_freep) struct bundle *b = NULL;
        auto_cleanup(system_freep) struct system *s = NULL;
        auto_cleanup(freep) char *text = NULL, *error = NULL;
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        size_t n;
        int r;

        r = fd_read_file(path, 16 << 20, &text, &n);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }
        r = is_bundle ? bundle_parse(name, text, n, &b, &error) : system_parse(name, text, n, &s, &error);
        if (r < 0)
                printf("error %s\n", error ? error : strerror(-r));
        else
                printf("ok %s\n", name);
        return 0;
}

int main(int argc, char **argv)
{
        if (argc < 3 || (strcmp(argv[1], "bundle") != 0 && strcmp(argv[1], "system") != 0)) {
                fprintf(stderr, "usage: check-format bundle|system FILE...\n");
                return 2;
        }
        for (int i = 2; i < argc; i++)
                if (check(strcmp(argv[1], "bundle") == 0, argv[i]) < 0)
                        return 1;
        return 0;
}
