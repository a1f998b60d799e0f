/* SPDX-License-Identifier: MPL-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/macros.h"

int fd_read_full(int fd, void *buf, size_t n)
{
        char *p = buf;

        while (n > 0) {
                ssize_t k = read(fd, p, n);

                if (k == 0)
                        return -ENODATA;
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

int fd_write_full(int fd, const void *buf, size_t n)
{
        const char *p = buf;

        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

int fd_read_file(const char *path, size_t max, char **ret, size_t *ret_n)
{
        auto_cleanup(freep) char *buf = NULL;
        auto_cleanup(closep) int fd = -1;
        size_t used = 0, size = 4096;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;

        for (;;) {
                char *bigger = realloc(buf, size + 1);
                ssize_t k;

                if (!bigger)
                        return -ENOMEM;
                buf = bigger;
                k = read(fd, buf + used, size - used);
                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k == 0)
                        break;
                used += k > 0 ? (size_t) k : 0;
                if (used > max)
                        return -EFBIG;
                if (used == size)
                        size *= 2;
        }
        buf[used] = '\0';
        *ret = take_ptr(&buf);
        *ret_n = used;
        return 0;
}

int fd_open_plain(const char *path, int flags)
{
        struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC,
                                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        int fd = (int) syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

int fd_write_file_atomic(const char *path, const void *buf, size_t n, mode_t mode)
{
        auto_cleanup(closep) int fd = -1;
        char temporary[4096];
        int r;

        if ((size_t) snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
                return -ENAMETOOLONG;
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = fd_write_full(fd, buf, n);
        if (r == 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}

int fd_memfd_sealed(const char *name, uint64_t size_bytes) { return fd_memfd_sealed_of(name, size_bytes, 0); }

int fd_memfd_sealed_of(const char *name, uint64_t size_bytes, unsigned flags)
{
        auto_cleanup(closep) int fd = -1;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) size_bytes) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        return take_fd(&fd);
}

int fd_event(void)
{
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        return fd < 0 ? -errno : fd;
}

void fd_event_signal(int fd)
{
        uint64_t one = 1;

        /* The fd may be a peer's: whatever goes wrong with it is the peer's loss. */
        if (write(fd, &one, sizeof(one)) < 0)
                return;
}

uint64_t fd_event_take(int fd)
{
        uint64_t n = 0;
        struct iovec part = { &n, sizeof(n) };
        ssize_t r;

        /* A peer who has the same eventfd may have made it block for all. */
        r = preadv2(fd, &part, 1, -1, RWF_NOWAIT);
        if (r < 0 && errno == EOPNOTSUPP)
                r = read(fd, &n, sizeof(n)); /* Linux before 5.8 */
        return r == (ssize_t) sizeof(n) ? n : 0;
}

int fd_set_nonblock(int fd, int on)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int fd_set_cloexec(int fd, int on)
{
        return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

static int unix_address(const char *path, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        memcpy(ret->sun_path, path, strlen(path) + 1);
        return 0;
}

static int unix_connect(const char *path, int type_and_flags)
{
        auto_cleanup(closep) int fd = -1;
        struct sockaddr_un address;
        int r;

        r = unix_address(path, &address);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, type_and_flags | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

/* Only a socket that nobody listens on is removed; another file or a live server is left alone. */
static int remove_stale_socket(const char *path, int type)
{
        struct stat st;
        int fd;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        fd = unix_connect(path, type);
        if (fd >= 0)
                (void) close(fd);
        if (fd >= 0 || fd == -EPROTOTYPE)
                return -EADDRINUSE;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* A bound socket that only this user reaches. */
static int unix_bind(const char *path, int type)
{
        auto_cleanup(closep) int fd = -1;
        struct sockaddr_un address;
        int r;

        r = unix_address(path, &address);
        if (r == 0)
                r = remove_stale_socket(path, type);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* The mode of a bound unix socket comes from that of its inode: set before anybody can connect. */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        if (chmod(path, 0600) < 0) {
                r = -errno;
                (void) unlink(path);
                return r;
        }
        return take_fd(&fd);
}

int fd_unix_listen(const char *path, int backlog)
{
        auto_cleanup(closep) int fd = unix_bind(path, SOCK_STREAM);

        if (fd < 0)
                return fd;
        if (listen(fd, backlog) < 0) {
                int r = -errno;

                (void) unlink(path);
                return r;
        }
        return take_fd(&fd);
}

int fd_unix_bind_datagram(const char *path)
{
        return unix_bind(path, SOCK_DGRAM);
}

int fd_unix_connect(const char *path)
{
        return unix_connect(path, SOCK_STREAM);
}

int fd_unix_connect_nonblock(const char *path)
{
        return unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);
}
