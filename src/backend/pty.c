/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The slave side is kept open here too: without anybody on it the master would report a hang-up for ever. What the
 * kernel's buffer does not take waits in a history.
 */
#include "backend/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "backend/history.h"
#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"

struct pty {
        struct stream stream;
        int master_fd, slave_fd; /* owned */
        char *link_path;         /* owned; NULL: not made yet */
        struct watch watch;
        struct history history;
        uint64_t position; /* of the next byte that the kernel gets */
        bool wanted, blocked;
        uint16_t columns, rows;
};

static void pty_update(struct pty *p)
{
        (void) watch_set_events(&p->watch, (p->wanted ? EPOLLIN : 0U) | (p->blocked ? EPOLLOUT : 0U));
}

static void pty_flush(struct pty *p)
{
        uint64_t start = history_start(&p->history);

        if (p->position < start) {
                p->stream.counters.n_dropped += start - p->position;
                p->position = start;
        }
        p->blocked = false;
        while (p->position < p->history.end) {
                size_t n;
                const char *data = history_at(&p->history, p->position, &n);
                ssize_t r = write(p->master_fd, data, n);

                if (r > 0) {
                        p->position += (uint64_t) r;
                } else if (r == 0 || errno != EINTR) {
                        p->blocked = true;
                        break;
                }
        }
        pty_update(p);
}

static void pty_write(struct stream *s, const void *buf, size_t n)
{
        struct pty *p = container_of(s, struct pty, stream);

        history_append(&p->history, buf, n);
        if (!p->blocked)
                pty_flush(p);
}

static void tell_size(struct pty *p)
{
        struct winsize size;

        if (ioctl(p->master_fd, TIOCGWINSZ, &size) < 0 || (size.ws_col == p->columns && size.ws_row == p->rows))
                return;
        p->columns = size.ws_col;
        p->rows = size.ws_row;
        if (p->stream.owner.resized)
                p->stream.owner.resized(p->stream.owner.data, p->columns, p->rows);
}

static ssize_t pty_read(struct stream *s, void *buf, size_t n)
{
        struct pty *p = container_of(s, struct pty, stream);
        ssize_t r = read(p->master_fd, buf, n);

        return MAX(r, 0);
}

static void pty_want(struct stream *s, bool on)
{
        struct pty *p = container_of(s, struct pty, stream);

        if (p->wanted == on)
                return;
        p->wanted = on;
        pty_update(p);
}

static void on_event(struct watch *w, uint32_t events)
{
        struct pty *p = container_of(w, struct pty, watch);

        if (events & EPOLLOUT)
                pty_flush(p);
        if (!(events & EPOLLIN) || !p->wanted)
                return;
        tell_size(p);
        if (p->stream.owner.readable)
                p->stream.owner.readable(p->stream.owner.data);
}

static struct stream *pty_free(struct stream *s)
{
        struct pty *p = s ? container_of(s, struct pty, stream) : NULL;

        if (!p)
                return NULL;
        watch_stop(&p->watch);
        fd_close(&p->slave_fd);
        fd_close(&p->master_fd);
        if (p->link_path)
                (void) unlink(p->link_path); /* where the sandbox allows it; else it points to nothing */
        free(p->link_path);
        history_deinit(&p->history);
        free(p);
        return NULL;
}

static const struct stream_ops pty_ops = {
        .name = "pty",
        .write = pty_write,
        .free = pty_free,
        .read = pty_read,
        .want = pty_want,
};

static int open_pair(struct pty *p, char name[64])
{
        struct termios mode;
        int r;

        p->master_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (p->master_fd < 0 || grantpt(p->master_fd) < 0 || unlockpt(p->master_fd) < 0)
                return -errno;
        r = ptsname_r(p->master_fd, name, 64);
        if (r != 0)
                return -r;
        p->slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (p->slave_fd < 0 || tcgetattr(p->slave_fd, &mode) < 0)
                return -errno;
        cfmakeraw(&mode);
        return tcsetattr(p->slave_fd, TCSANOW, &mode) < 0 ? -errno : 0;
}

static int make_link(struct pty *p, const char *link_path, const char *target)
{
        struct stat st;

        if (lstat(link_path, &st) == 0) {
                if (!S_ISLNK(st.st_mode))
                        return -EEXIST;
                if (unlink(link_path) < 0)
                        return -errno;
        }
        if (symlink(target, link_path) < 0)
                return -errno;
        p->link_path = strdup(link_path);
        if (!p->link_path)
                (void) unlink(link_path);
        return p->link_path ? 0 : -ENOMEM;
}

int pty_open(struct loop *loop, const char *link_path, struct stream **ret)
{
        auto_cleanup(stream_freep) struct stream *s = NULL;
        char name[64];
        struct pty *p;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->stream.ops = &pty_ops;
        p->master_fd = p->slave_fd = -1;
        s = &p->stream;
        r = history_init(&p->history, PTY_BUFFER);
        if (r < 0)
                return r;
        r = open_pair(p, name);
        if (r < 0)
                return r;
        r = make_link(p, link_path, name);
        if (r < 0)
                return r;
        r = watch_start(&p->watch, loop, p->master_fd, 0, on_event);
        if (r < 0)
                return r;
        *ret = take_ptr(&s);
        return 0;
}
