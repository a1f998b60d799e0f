/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The image itself: opening, locking, what it can do, and its size. How it is used is explained in file.h, the
 * I/O is in file-channel.c.
 *
 * Watching: our own writes are changes, too, so an ordinary inotify watch would cost every write an event. The watch
 * is therefore one-shot: the first change removes it from the file, and a timer puts it back a while later and
 * then looks at the size, so that nothing is missed in between.
 */
#include "backend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "backend/file-private.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"

#define REARM_NS (250 * NSEC_PER_MSEC)
#define LOCK_WAIT_NS (2 * NSEC_PER_SEC)
#define LOCK_SPLIT ((off_t) 1 << 62) /* beyond any image */
#define PROC_PATH_MAX 32

uint64_t file_refresh(struct file_disk *f)
{
        off_t end = lseek(f->fd, 0, SEEK_END);
        uint64_t size_bytes;

        if (end < 0)
                return atomic_load(&f->size_bytes);
        size_bytes = (uint64_t) end / 512 * 512;
        if (size_bytes != atomic_load_explicit(&f->size_bytes, memory_order_relaxed) &&
            atomic_exchange(&f->size_bytes, size_bytes) != size_bytes)
                disk_tell_change(&f->disk);
        return size_bytes;
}

static const char *proc_path(int fd, char buf[PROC_PATH_MAX])
{
        (void) snprintf(buf, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
        return buf;
}

static int arm_watch(struct file_disk *f)
{
        char path[PROC_PATH_MAX];

        if (inotify_add_watch(f->inotify_fd, proc_path(f->fd, path), IN_MODIFY | IN_ATTRIB | IN_ONESHOT) < 0)
                return -errno;
        return 0;
}

static void on_rearm(struct timer *t)
{
        struct file_disk *f = container_of(t, struct file_disk, rearm);
        int r = arm_watch(f);

        if (r < 0)
                log_debug("file", "image is no longer watched for changes: error %d", -r);
        (void) file_refresh(f);
}

static void on_change(struct watch *w, uint32_t events)
{
        struct file_disk *f = container_of(w, struct file_disk, watch);
        char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

        while (read(f->inotify_fd, buf, sizeof(buf)) > 0)
                ;
        (void) file_refresh(f);
        if (!f->rearm.loop)
                timer_start(&f->rearm, f->loop, clock_now_ns() + REARM_NS, on_rearm);
}

static void watch_changes(struct file_disk *f)
{
        int r;

        if (f->is_block)
                return;
        f->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        r = f->inotify_fd < 0 ? -errno : arm_watch(f);
        if (r == 0)
                r = watch_start(&f->watch, f->loop, f->inotify_fd, EPOLLIN, on_change);
        if (r < 0) {
                log_debug("file", "image is not watched for changes: error %d", -r);
                fd_close(&f->inotify_fd);
        }
}

/*
 * A predecessor that was killed has ended before the kernel has finished the requests of its io_uring. Those hold the
 * open file that carries the lock, and nobody may write the image before they are done: they would overwrite it with
 * old data. So a lock that is held is tried again for a while. With O_DIRECT there are two open files, and each
 * locks its part of the range.
 */
static bool lock_may_come_free(uint64_t deadline_ns)
{
        static const struct timespec pause = { .tv_nsec = 2 * NSEC_PER_MSEC };

        if (clock_now_ns() >= deadline_ns)
                return false;
        (void) nanosleep(&pause, NULL);
        return true;
}

static int lock_range(int fd, const struct file_options *options, off_t start, off_t n_bytes)
{
        uint64_t deadline_ns = clock_now_ns() + LOCK_WAIT_NS;

        do {
                struct flock lock = {
                        .l_type = options->read_only ? F_RDLCK : F_WRLCK,
                        .l_whence = SEEK_SET,
                        .l_start = start,
                        .l_len = n_bytes,
                };

                if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
                        return 0;
                if (errno != EAGAIN && errno != EACCES)
                        return -errno;
        } while (lock_may_come_free(deadline_ns));
        return -EBUSY;
}

static int lock_image(const struct file_disk *f)
{
        int r;

        if (f->direct_fd < 0)
                return lock_range(f->fd, &f->options, 0, 0);
        r = lock_range(f->fd, &f->options, 0, LOCK_SPLIT);
        return r < 0 ? r : lock_range(f->direct_fd, &f->options, LOCK_SPLIT, 0);
}

static void learn_block_device(struct file_disk *f)
{
        unsigned int physical = 0, optimal = 0;
        int logical = 0;

        if (ioctl(f->fd, BLKSSZGET, &logical) == 0 && logical >= 512)
                f->block_bytes = (uint32_t) logical;
        if (ioctl(f->fd, BLKPBSZGET, &physical) == 0)
                f->physical_block_bytes = physical;
        if (ioctl(f->fd, BLKIOOPT, &optimal) == 0)
                f->optimal_io_bytes = optimal;
        f->discard_granularity_bytes = f->physical_block_bytes;
}

static int learn_direct(struct file_disk *f)
{
        char path[PROC_PATH_MAX];
        struct statx sx = { 0 };

        f->direct_fd = open(proc_path(f->fd, path),
                            (f->options.read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC | O_NOCTTY);
        if (f->direct_fd < 0)
                return -errno;

        f->direct_memory_align = f->direct_offset_align = MAX(f->block_bytes, 4096u);
#ifdef STATX_DIOALIGN
        if (statx(f->direct_fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 && (sx.stx_mask & STATX_DIOALIGN)) {
                if (sx.stx_dio_offset_align == 0)
                        return -EINVAL;
                f->direct_memory_align = sx.stx_dio_mem_align;
                f->direct_offset_align = sx.stx_dio_offset_align;
        }
#endif
        f->block_bytes = MAX(f->block_bytes, f->direct_offset_align);
        return 0;
}

static int learn_image(struct file_disk *f)
{
        struct statfs fs;
        struct stat st;
        int r = 0;

        if (fstat(f->fd, &st) < 0 || fstatfs(f->fd, &fs) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return -ENOTBLK;

        f->is_block = S_ISBLK(st.st_mode);
        f->in_memory = !f->is_block && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
                                        fs.f_type == HUGETLBFS_MAGIC);
        f->block_bytes = 512;
        f->physical_block_bytes = 512;
        f->discard_granularity_bytes = 4096;
        if (f->is_block)
                learn_block_device(f);
        else
                f->physical_block_bytes = 4096; /* the page cache's unit: smaller writes read first */
        if (f->options.direct)
                r = learn_direct(f);
        if (r < 0)
                return r;
        f->physical_block_bytes = MAX(f->physical_block_bytes, f->block_bytes);
        f->discard_granularity_bytes = MAX(f->discard_granularity_bytes, f->block_bytes);
        (void) file_refresh(f);
        return 0;
}

static void file_info(struct disk *d, struct disk_info *ret)
{
        struct file_disk *f = container_of(d, struct file_disk, disk);

        *ret = (struct disk_info) {
                .size_bytes = atomic_load(&f->size_bytes),
                .block_bytes = f->block_bytes,
                .physical_block_bytes = f->physical_block_bytes,
                .optimal_io_bytes = f->optimal_io_bytes,
                .discard_granularity_bytes = f->discard_granularity_bytes,
                .read_only = f->options.read_only,
                .can_discard = !f->options.read_only,
                .can_write_zeroes = !f->options.read_only,
        };
}

static struct disk *file_free(struct disk *d)
{
        struct file_disk *f = container_of(d, struct file_disk, disk);

        timer_stop(&f->rearm);
        watch_stop(&f->watch);
        file_rings_deinit(&f->rings);
        fd_close(&f->inotify_fd);
        fd_close(&f->direct_fd);
        fd_close(&f->fd);
        free(f);
        return NULL;
}

static const struct disk_ops file_ops = {
        .name = "file",
        .info = file_info,
        .channel_open = file_channel_open,
        .channel_close = file_channel_close,
        .submit = file_submit,
        .kick = file_kick,
        .drain = file_drain,
        .free = file_free,
};

int disk_file_new(struct loop *loop, int fd, const struct file_options *options, struct disk **ret)
{
        auto_cleanup(disk_freep) struct disk *d = NULL;
        auto_cleanup(closep) int own_fd = fd;
        struct file_disk *f;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        *f = (struct file_disk) {
                .disk.ops = &file_ops,
                .options = *options,
                .fd = take_fd(&own_fd),
                .direct_fd = -1,
                .loop = loop,
                .inotify_fd = -1,
        };
        d = &f->disk;

        r = learn_image(f);
        if (r == 0)
                r = lock_image(f);
        if (r < 0)
                return r;
        r = file_rings_init(&f->rings, options->n_rings, FILE_RING_ENTRIES);
        if (r < 0)
                return r;
        watch_changes(f);
        *ret = take_ptr(&d);
        return 0;
}

int disk_file_open(struct loop *loop, const char *path, const struct file_options *options, struct disk **ret)
{
        int flags = (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
        auto_cleanup(closep) int fd = -1;
        struct stat st;

        /* A FIFO or a device without medium must not block us; neither must the path become another file. */
        if (options->no_symlinks)
                fd = fd_open_plain(path, flags | O_NONBLOCK);
        else if ((fd = open(path, flags | O_NONBLOCK)) < 0)
                fd = -errno;
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISBLK(st.st_mode) && !options->read_only) {
                uint64_t deadline_ns = clock_now_ns() + LOCK_WAIT_NS;
                char proc[PROC_PATH_MAX];
                int exclusive;

                do
                        exclusive = open(proc_path(fd, proc), flags | O_NONBLOCK | O_EXCL);
                while (exclusive < 0 && errno == EBUSY && lock_may_come_free(deadline_ns));
                if (exclusive < 0)
                        return -errno;
                closep(&fd);
                fd = exclusive;
        }
        /* With O_NONBLOCK, io_uring would refuse to wait. */
        if (fcntl(fd, F_SETFL, 0) < 0)
                return -errno;
        return disk_file_new(loop, take_fd(&fd), options, ret);
}
