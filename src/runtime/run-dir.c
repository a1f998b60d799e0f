/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/run-dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/macros.h"
#include "runtime/plan.h"

/* Run folders are flat; what a platform adds is at most a folder or two. */
#define REMOVE_DEPTH_MAX 4

char *path_join(const char *folder, const char *name)
{
        char *path = NULL;

        return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

int run_root_path(const char *given, char **ret)
{
        auto_cleanup(freep) char *cwd = NULL;
        char *path;

        if (given[0] != '/') {
                cwd = getcwd(NULL, 0);
                if (!cwd)
                        return -errno;
        }
        path = cwd ? path_join(cwd, given) : strdup(given);
        if (!path)
                return -ENOMEM;
        *ret = path;
        return 0;
}

int run_root_prepare(const char *root)
{
        auto_cleanup(freep) char *path = strdup(root);
        struct stat st;

        if (!path)
                return -ENOMEM;
        for (char *p = path + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(path, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        return st.st_uid == geteuid() ? 0 : -EPERM;
}

static int open_folder(const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int lock_folder(const char *path)
{
        auto_cleanup(closep) int fd = open_folder(path);

        if (fd < 0)
                return fd;
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        return take_fd(&fd);
}

int run_root_lock(const char *root)
{
        return lock_folder(root);
}

bool run_name_valid(const char *name)
{
        size_t n = strlen(name);

        if (n == 0 || n > RUN_NAME_MAX || !isalnum((unsigned char) name[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char) name[i]) && !strchr("-_.+", name[i]))
                        return false;
        return true;
}

int run_dir_create(const char *root, const char *name, struct run_dir *ret)
{
        auto_cleanup(run_dir_deinitp) struct run_dir d = RUN_DIR_NONE;
        int r;

        d.root = strdup(root);
        d.path = path_join(root, name);
        if (!d.root || !d.path)
                return -ENOMEM;
        if (mkdir(d.path, 0700) < 0)
                return -errno;
        d.lock_fd = lock_folder(d.path);
        if (d.lock_fd < 0) {
                r = d.lock_fd;
                (void) run_dir_remove(d.path);
                return r;
        }
        *ret = d;
        d = RUN_DIR_NONE;
        return 0;
}

void run_dir_deinit(struct run_dir *d)
{
        free(d->root);
        free(d->path);
        fd_close(&d->lock_fd);
        d->root = d->path = NULL;
}

bool run_dir_in_use(const char *path)
{
        auto_cleanup(closep) int fd = open_folder(path);

        return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void on_alarm(int signal_number) {}

int run_dir_wait(const char *path, unsigned timeout_ms)
{
        struct sigaction action = { .sa_handler = on_alarm }, saved;
        struct itimerval off = { 0 }, timeout = {
                /* Repeats, so that a signal that came before flock(2) is not the only one. */
                .it_interval = { .tv_usec = 50000 },
                .it_value = { .tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000 + 1 },
        };
        auto_cleanup(closep) int fd = open_folder(path);
        int r = 0;

        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fd;
        if (sigaction(SIGALRM, &action, &saved) < 0 || setitimer(ITIMER_REAL, &timeout, NULL) < 0)
                return -errno;
        if (flock(fd, LOCK_SH) < 0)
                r = errno == EINTR ? -ETIMEDOUT : -errno;
        (void) setitimer(ITIMER_REAL, &off, NULL);
        (void) sigaction(SIGALRM, &saved, NULL);
        return r;
}

/* Left by a write of state.json that was cut off. The log of a console "state.json" is called nearly the same. */
static bool is_half_written(const char *name)
{
        return strncmp(name, "state.json.", 11) == 0 && strlen(name) == 11 + 6 && !strchr(name + 11, '.');
}

/* Of no use once the servers are gone: what they read, and what one leaves to its successor. */
static bool is_of_servers(const char *name)
{
        static const char *const beginnings[] = { "scene.json", PLAN_DISPLAYS_STATE, PLAN_SOUND_STATE };

        for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
                if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
                        return true;
        return false;
}

static bool is_kept(const char *name, const char *const *keep)
{
        for (; keep && *keep; keep++)
                if (strcmp(name, *keep) == 0)
                        return true;
        return false;
}

void run_dir_strip(const char *path, const char *const *keep)
{
        DIR *dir = opendir(path);
        struct dirent *entry;
        struct stat st;

        if (!dir)
                return;
        while ((entry = readdir(dir))) {
                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                        continue;
                if (is_kept(entry->d_name, keep))
                        continue;
                if (!S_ISREG(st.st_mode) || is_half_written(entry->d_name) || is_of_servers(entry->d_name))
                        (void) unlinkat(dirfd(dir), entry->d_name, 0);
        }
        (void) closedir(dir);
}

void run_dir_make_room(const char *path)
{
        auto_cleanup(freep) char *log = path_join(path, "log");
        auto_cleanup(freep) char *old = path_join(path, "log.1");

        if (old)
                (void) unlink(old);
        if (log && truncate(log, 0) < 0)
                return;
}

static int remove_at(int parent_fd, const char *name, unsigned depth)
{
        auto_cleanup(closep) int fd = -1;
        struct dirent *entry;
        DIR *dir;
        int r = 0;

        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (depth == 0)
                return -ELOOP;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void) take_fd(&fd);
        while (r == 0 && (entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
                        r = errno == EISDIR || errno == EPERM ? remove_at(dirfd(dir), entry->d_name, depth - 1)
                                                              : -errno;
        }
        (void) closedir(dir);
        if (r == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

int run_dir_remove(const char *path) { return remove_at(AT_FDCWD, path, REMOVE_DEPTH_MAX); }

int run_dir_remove_remains(const char *path)
{
        static const char *const ours[] = { ".", "..", "control", "log", "log.1", NULL };
        DIR *dir = opendir(path);
        struct dirent *entry;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (entry = readdir(dir)))
                if (!is_kept(entry->d_name, ours) && !is_half_written(entry->d_name) && !is_of_servers(entry->d_name))
                        r = -ENOTEMPTY;
        (void) closedir(dir);
        return r < 0 ? r : run_dir_remove(path);
}
