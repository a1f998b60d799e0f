/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/boot-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/memory.h"
#include "monitor/spec.h"

int boot_file_open(struct boot_file *ret, const char *what, const char *path, bool no_symlinks, char **ret_error)
{
        const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* not to wait for who writes into a pipe */
        auto_cleanup(closep) int fd = -1;
        struct stat st;

        *ret = (struct boot_file){ .fd = -1, .what = what };
        if (!path)
                return 0;
        if (no_symlinks)
                fd = fd_open_plain(path, flags);
        else if ((fd = open(path, flags)) < 0)
                fd = -errno;
        if (fd == -ELOOP)
                return fail(fd, ret_error, "%s: %s: a part of this path is a symlink", what, path);
        if (fd < 0)
                return fail(fd, ret_error, "%s: %s: %s", what, path, strerror(-fd));
        if (fstat(fd, &st) < 0)
                return fail(-errno, ret_error, "%s: %s: %s", what, path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return fail(-EINVAL, ret_error, "%s: %s: not a regular file", what, path);
        ret->size_bytes = (uint64_t) st.st_size;
        ret->fd = take_fd(&fd);
        return 0;
}

void boot_file_close(struct boot_file *f) { fd_close(&f->fd); }

int boot_files_open(struct boot_files *ret, const struct monitor_spec *spec, char **ret_error)
{
        int r;

        ret->kernel.fd = ret->initrd.fd = ret->device_tree.fd = -1;
        r = boot_file_open(&ret->kernel, "kernel", spec->kernel, spec->no_symlinks, ret_error);
        if (r == 0)
                r = boot_file_open(&ret->initrd, "initrd", spec->initrd, spec->no_symlinks, ret_error);
        if (r == 0)
                r = boot_file_open(&ret->device_tree, "device tree overlay", spec->device_tree, spec->no_symlinks,
                                   ret_error);
        return r;
}

void boot_files_close(struct boot_files *files)
{
        boot_file_close(&files->kernel);
        boot_file_close(&files->initrd);
        boot_file_close(&files->device_tree);
}

static int read_at(const struct boot_file *f, uint64_t offset, char *buf, uint64_t n_bytes, char **ret_error)
{
        while (n_bytes > 0) {
                ssize_t n = pread(f->fd, buf, MIN(n_bytes, UINT64_C(1) << 30), (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail(-errno, ret_error, "%s: %s", f->what, strerror(errno));
                if (n == 0)
                        return fail(-EBADMSG, ret_error, "%s: the file became shorter while it was read", f->what);
                buf += n;
                offset += (uint64_t) n;
                n_bytes -= (uint64_t) n;
        }
        return 0;
}

static int check_range(const struct boot_file *f, uint64_t offset, uint64_t n_bytes, char **ret_error)
{
        if (range_fits(offset, n_bytes, f->size_bytes))
                return 0;
        return fail(-EBADMSG, ret_error, "%s: cut off: %#llx bytes at offset %#llx expected, the file has %#llx",
                    f->what, (unsigned long long) n_bytes, (unsigned long long) offset,
                    (unsigned long long) f->size_bytes);
}

int boot_file_read(const struct boot_file *f, uint64_t offset, void *buf, size_t n_bytes, char **ret_error)
{
        int r = check_range(f, offset, n_bytes, ret_error);

        return r < 0 ? r : read_at(f, offset, buf, n_bytes, ret_error);
}

int boot_file_load(const struct boot_file *f, uint64_t offset, uint64_t n_bytes, const struct memory *memory, gpa_t at,
                   char **ret_error)
{
        char *to;
        int r;

        r = check_range(f, offset, n_bytes, ret_error);
        if (r < 0 || n_bytes == 0)
                return r;
        to = memory_at(memory, at, n_bytes);
        if (!to)
                return fail(-ENOSPC, ret_error, "%s: needs %#llx bytes of memory at %#llx, which are not there",
                            f->what, (unsigned long long) n_bytes, (unsigned long long) at);
        while (n_bytes > 0) {
                ssize_t n = memory_receive(memory, at, f->fd, offset, n_bytes);

                /* What cannot be moved is read, and so is a rest that went missing, to say so. */
                if (n <= 0 && n != -EINTR)
                        return read_at(f, offset, to, n_bytes, ret_error);
                n = MAX(n, (ssize_t) 0);
                to += n;
                at += (gpa_t) n;
                offset += (uint64_t) n;
                n_bytes -= (uint64_t) n;
        }
        return 0;
}
