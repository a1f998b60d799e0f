/* SPDX-License-Identifier: MPL-2.0 */
/* Runs a fuzzer's entry point once on every file of the folders given: the corpus as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
        auto_cleanup(freep) char *data = NULL;
        size_t n;
        int r;

        r = fd_read_file(path, 16 << 20, &data, &n);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }
        return LLVMFuzzerTestOneInput((const uint8_t *) data, n);
}

int main(int argc, char **argv)
{
        size_t n_files = 0;

        for (int i = 1; i < argc; i++) {
                DIR *dir = opendir(argv[i]);
                struct dirent *entry;

                if (!dir) {
                        perror(argv[i]);
                        return 1;
                }
                while ((entry = readdir(dir))) {
                        char path[4096];

                        if (entry->d_name[0] == '.')
                                continue;
                        (void) snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
                        if (replay_file(path) < 0)
                                return 1;
                        n_files++;
                }
                (void) closedir(dir);
        }
        printf("%zu samples replayed\n", n_files);
        return n_files > 0 ? 0 : 1;
}
