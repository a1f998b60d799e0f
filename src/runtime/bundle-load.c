/* SPDX-License-Identifier: MPL-2.0 */
/* From a bundle's folder to its config.json and what that names. */
#include "runtime/bundle.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/bundle-parse.h"
#include "runtime/fields.h"
#include "runtime/inner-file.h"

static int fail(char **ret_error, const char *path, const char *file, int error)
{
        if (asprintf(ret_error, "%s%s: %s", path, file, inner_file_error(error)) < 0) {
                *ret_error = NULL;
                return -ENOMEM;
        }
        return error;
}

/* A bundle is called what its guest is called, or else as its folder; made a valid name in any case. */
static int settle_name(struct bundle *b)
{
        char name[BUNDLE_ID_MAX + 1];
        const char *from = b->name;
        size_t n = 0;

        if (!from) {
                from = strrchr(b->path, '/');
                from = from ? from + 1 : b->path;
        }
        for (; *from && n < BUNDLE_ID_MAX; from++) {
                unsigned char c = (unsigned char) *from;
                bool plain = c < 0x80 && isalnum(c);

                if (n == 0 && !plain)
                        continue;
                name[n++] = plain || c == '_' ? (char) c : '-';
        }
        name[n] = '\0';
        free(b->name);
        b->name = strdup(n > 0 ? name : "machine");
        return b->name ? 0 : -ENOMEM;
}

int bundle_load(const char *path, struct bundle **ret, char **ret_error)
{
        auto_cleanup(bundle_freep) struct bundle *b = NULL;
        auto_cleanup(freep) char *file = NULL, *text = NULL;
        auto_cleanup(closep) int dir_fd = -1;
        size_t n, n_path = strlen(path);
        int r;

        while (n_path > 1 && path[n_path - 1] == '/')
                n_path--;
        if (asprintf(&file, "%.*s/config.json", (int) n_path, path) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return fail(ret_error, path, "", -errno);
        r = inner_file_read(dir_fd, "config.json", BUNDLE_CONFIG_MAX_BYTES, &text, &n);
        if (r < 0)
                return fail(ret_error, file, "", r);
        r = bundle_parse_at(dir_fd, file, text, n, &b, ret_error);
        if (r < 0)
                return r;
        r = inner_file_path(dir_fd, &b->path);
        if (r < 0)
                return fail(ret_error, path, "", r);
        r = settle_name(b);
        if (r < 0)
                return r;
        *ret = take_ptr(&b);
        return 0;
}
