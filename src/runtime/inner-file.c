/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/inner-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#define RENAME_TRIES 64

static int open_beneath(int dir_fd, const char *path, int flags)
{
        struct open_how how = {
                .flags = (uint64_t) flags | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        auto_cleanup(closep) int fd = -1;
        struct stat st;

        /* The kernel gives up on `..` in a symlink while something is renamed anywhere; that passes. */
        for (int tries = 0; tries < RENAME_TRIES; tries++) {
                fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
                if (fd >= 0 || errno != EAGAIN)
                        break;
        }
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EMEDIUMTYPE;
        return take_fd(&fd);
}

int inner_file_path(int fd, char **ret)
{
        char link[64], target[PATH_MAX];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        if (target[0] != '/')
                return -ENOENT;
        *ret = strdup(target);
        return *ret ? 0 : -ENOMEM;
}

int inner_file_resolve(int dir_fd, const char *path, char **ret)
{
        auto_cleanup(closep) int fd = open_beneath(dir_fd, path, O_PATH);

        return fd < 0 ? fd : inner_file_path(fd, ret);
}

int inner_file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_n)
{
        auto_cleanup(closep) int fd = open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        auto_cleanup(freep) char *text = NULL;
        size_t n = 0;
        ssize_t r;

        if (fd < 0)
                return fd;
        text = malloc(max + 1);
        if (!text)
                return -ENOMEM;
        while (n < max + 1) {
                r = read(fd, text + n, max + 1 - n);
                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                if (r == 0)
                        break;
                n += (size_t) r;
        }
        *ret = take_ptr(&text);
        *ret_n = n;
        return 0;
}

const char *inner_file_error(int error)
{
        switch (error) {
        case -EXDEV:
                return "leads out of the bundle";
        case -EISDIR:
                return "is a folder";
        case -EMEDIUMTYPE:
                return "is not a regular file";
        case -ENOENT:
                return "does not exist";
        default:
                return strerror(-error);
        }
}
