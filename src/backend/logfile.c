/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/ratelimit.h"

struct logfile {
        struct stream stream;
        char *path; /* owned */
        struct logfile_options options;
        int fd; /* owned; -1: could not be opened again after a rotation */
        uint64_t size_bytes;
        uint64_t n_missing; /* bytes dropped since the last that were written */
        struct ratelimit log_limit; /* a disk that is full now and then: the guest decides how often that is met */
};

/* Also of a file that a rotation left behind: never one that is no file, never through a symlink. */
static int open_current(struct logfile *l)
{
        auto_cleanup(closep) int fd = -1;
        struct stat st;

        fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        l->size_bytes = (uint64_t) st.st_size;
        l->fd = take_fd(&fd);
        return 0;
}

static int rename_older(const struct logfile *l, unsigned number)
{
        auto_cleanup(freep) char *from = NULL, *to = NULL;
        int r;

        r = number == 1 ? asprintf(&from, "%s", l->path) : asprintf(&from, "%s.%u", l->path, number - 1);
        if (r < 0) {
                from = NULL;
                return -ENOMEM;
        }
        if (asprintf(&to, "%s.%u", l->path, number) < 0) {
                to = NULL;
                return -ENOMEM;
        }
        return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

static int rotate(struct logfile *l)
{
        if (l->options.n_files == 1) {
                if (ftruncate(l->fd, 0) < 0)
                        return -errno;
                l->size_bytes = 0;
                return 0;
        }
        for (unsigned number = l->options.n_files - 1; number > 0; number--) {
                int r = rename_older(l, number);

                if (r < 0)
                        return r;
        }
        fd_close(&l->fd);
        return open_current(l);
}

/* Writes what fits into the current file. Return: bytes, or a negative errno. */
static ssize_t write_some(struct logfile *l, const char *buf, size_t n)
{
        ssize_t written;

        if (l->fd < 0 || l->size_bytes >= l->options.size_bytes) {
                int r = l->fd < 0 ? open_current(l) : rotate(l);

                if (r < 0)
                        return r;
                if (l->size_bytes >= l->options.size_bytes)
                        return -EFBIG;
        }
        written = write(l->fd, buf, MIN(n, l->options.size_bytes - l->size_bytes));
        if (written < 0)
                return -errno;
        l->size_bytes += (uint64_t) written;
        return written > 0 ? written : -EIO;
}

static int write_all(struct logfile *l, const char *buf, size_t n, size_t *ret_left)
{
        for (*ret_left = n; *ret_left > 0;) {
                ssize_t r = write_some(l, buf + n - *ret_left, *ret_left);

                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return (int) r;
                *ret_left -= (size_t) r;
        }
        return 0;
}

/* Tells in the log how much is missing before it. */
static bool write_gap(struct logfile *l)
{
        char line[80];
        size_t left;
        int n;

        if (l->n_missing == 0)
                return true;
        n = snprintf(line, sizeof(line), "\n[busbar: %" PRIu64 " bytes could not be written]\n", l->n_missing);
        if (write_all(l, line, (size_t) n, &left) < 0)
                return false;
        if (ratelimit_take(&l->log_limit, 1, clock_now_ns()))
                log_info(l->path, "can be written again, %" PRIu64 " bytes are missing", l->n_missing);
        l->n_missing = 0;
        return true;
}

static void logfile_write(struct stream *s, const void *buf, size_t n)
{
        struct logfile *l = container_of(s, struct logfile, stream);
        size_t left = n;
        int r = -EIO;

        if (write_gap(l))
                r = write_all(l, buf, n, &left);
        if (r == 0)
                return;
        if (l->n_missing == 0 && ratelimit_take(&l->log_limit, 1, clock_now_ns()))
                log_warning(l->path, "cannot be written, output is dropped: %s", strerror(-r));
        l->n_missing += left;
        s->counters.n_dropped += left;
}

static struct stream *logfile_free(struct stream *s)
{
        struct logfile *l = s ? container_of(s, struct logfile, stream) : NULL;

        if (!l)
                return NULL;
        fd_close(&l->fd);
        free(l->path);
        free(l);
        return NULL;
}

static const struct stream_ops logfile_ops = {
        .name = "log",
        .write = logfile_write,
        .free = logfile_free,
};

int logfile_open(const char *path, const struct logfile_options *options, struct stream **ret)
{
        auto_cleanup(stream_freep) struct stream *s = NULL;
        struct logfile *l;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        *l = (struct logfile) { .stream.ops = &logfile_ops, .options = *options, .fd = -1, .path = strdup(path) };
        s = &l->stream;
        if (!l->path)
                return -ENOMEM;
        ratelimit_init(&l->log_limit, 1, 4);
        r = open_current(l);
        if (r < 0)
                return r;
        *ret = take_ptr(&s);
        return 0;
}
