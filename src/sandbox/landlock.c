/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Stage: Landlock. Files cannot be opened, made, removed or renamed but below the paths that were asked for; no
 * TCP, no abstract unix sockets of others, no signals to others, as far as the kernel's version of it goes:
 *
 *   version 1 files   2 link and rename across folders   3 truncate   4 TCP   5 ioctl on devices   6 scopes
 *
 * What is open already stays usable. The numbers are the kernel's ABI (landlock(7)); they stand here because
 * the headers of Debian 12 end at version 2.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "sandbox/sandbox.h"

#define FS_EXECUTE (1U << 0)
#define FS_WRITE_FILE (1U << 1)
#define FS_READ_FILE (1U << 2)
#define FS_READ_DIR (1U << 3)
#define FS_REMOVE_FILE (1U << 5)
#define FS_MAKE_REG (1U << 8)
#define FS_MAKE_SOCK (1U << 9)
#define FS_ALL_1 ((1U << 13) - 1)
#define FS_REFER (1U << 13)
#define FS_TRUNCATE (1U << 14)
#define FS_IOCTL_DEV (1U << 15)
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define NET_BIND_TCP (1U << 0)
#define NET_CONNECT_TCP (1U << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1U << 0)
#define SCOPE_SIGNAL (1U << 1)

/* As of version 6; a kernel takes fields that it does not know as long as they are 0. */
struct ruleset_attributes {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
};

static void choose(struct ruleset_attributes *a, long version, bool network)
{
        a->handled_access_fs = FS_ALL_1;
        if (version >= 2)
                a->handled_access_fs |= FS_REFER;
        if (version >= 3)
                a->handled_access_fs |= FS_TRUNCATE;
        if (version >= 4 && !network)
                a->handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
        if (version >= 5)
                a->handled_access_fs |= FS_IOCTL_DEV;
        if (version >= 6)
                a->scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
}

static uint64_t rights(unsigned access)
{
        uint64_t bits = 0;

        if (access & SANDBOX_READ)
                bits |= FS_READ_FILE | FS_READ_DIR;
        if (access & SANDBOX_WRITE)
                bits |= FS_WRITE_FILE | FS_TRUNCATE;
        if (access & SANDBOX_CREATE)
                bits |= FS_MAKE_REG | FS_MAKE_SOCK | FS_REMOVE_FILE;
        if (access & SANDBOX_REMOVE)
                bits |= FS_REMOVE_FILE;
        if (access & SANDBOX_DEVICE)
                bits |= FS_IOCTL_DEV;
        return bits;
}

static int add_path(int ruleset_fd, int fd, unsigned access, uint64_t handled)
{
        struct landlock_path_beneath_attr rule = { .parent_fd = fd, .allowed_access = rights(access) & handled };
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                rule.allowed_access &= FS_OF_FILES;
        if (rule.allowed_access == 0)
                return 0;
        return syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) < 0 ? -errno : 0;
}

int sandbox_restrict_files(const struct sandbox *s)
{
        auto_cleanup(closep) int fd = -1;
        struct ruleset_attributes a = { 0 };
        long version;

        version = syscall(SYS_landlock_create_ruleset, NULL, (size_t) 0, LANDLOCK_CREATE_RULESET_VERSION);
        /* Not built in, switched off at boot, or hidden by a container's own list of calls. */
        if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM)) {
                log_debug(s->subject, "sandbox: no Landlock here: files are guarded by the call list only");
                return 0;
        }
        if (version < 0)
                return -errno;

        choose(&a, version, s->network);
        fd = (int) syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0U);
        if (fd < 0)
                return -errno;
        for (size_t i = 0; i < s->n_paths; i++) {
                int r = add_path(fd, s->paths[i].fd, s->paths[i].access, a.handled_access_fs);

                if (r < 0)
                        return r;
        }
        if (syscall(SYS_landlock_restrict_self, fd, 0U) < 0)
                return -errno;
        log_debug(s->subject, "sandbox: Landlock version %ld: files%s%s, %zu paths left", version,
                  a.handled_access_net ? ", TCP" : "", a.scoped ? ", abstract sockets and signals" : "", s->n_paths);
        return 0;
}
