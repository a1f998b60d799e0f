/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A raw disk image: a regular file or a block device. Its contents are never looked at, so there is no format
 * to guess; its size is the file's, rounded down to 512 bytes.
 *
 * How the I/O is done, and why (figures: CPU time of a 4 KiB read, Linux 6.18)
 *
 *   in memory   tmpfs, ramfs, hugetlbfs: pread(2) and pwrite(2) on the loop's thread. Nothing there can block,
 *               RWF_NOWAIT is refused (EOPNOTSUPP), and io_uring hands each request to a kernel thread: 1.4 us inline
 *               against 2.6 us at depth 32, 2.5 against 40 at depth 1.
 *   cached      other files: preadv2(RWF_NOWAIT) first, which copies out of the page cache (ext4: 0.95 us against 1.02
 *               by io_uring at depth 32, 2.1 against 3.0 at depth 1); what is not there (EAGAIN, or a short read) goes
 *               to the io_uring. Writes the same, where the file system has it.
 *   direct      O_DIRECT, on request: the io_uring. A request whose address, length or offset is not aligned as
 *               the file system demands (a guest may send any) takes the page cache instead.
 *
 * Discards and writes of zeroes always go through the io_uring, as does a flush of what is not in memory. Where the
 * host has no io_uring (a sysctl, a container), or more channels are open than there are rings, calls block instead.
 *
 * Registered files and buffers are not used: neither changed the time of a read in the ring measurably (0.73 us from
 * the page cache, 9 us direct), and registered buffers would pin the guest's memory.
 *
 * Size: the file may be truncated or extended by someone else. It is looked at again when inotify reports a
 * change (checked at most 4 times a second while the file is being written), at each flush, before each group
 * of writes and after a failed transfer; who cares is told by disk_on_change(). Beyond the end a request fails with
 * -EIO; it never extends the image (short of a truncation between that check and the write itself). Block devices
 * have no inotify: theirs is seen at the next flush, write or failure.
 *
 * Lock: one open file description lock over the whole file, shared if read-only, exclusive otherwise; a block
 * device that is written is also opened exclusively (O_EXCL), which keeps mounted ones out. A lock that is held is
 * waited for up to 2 seconds: the kernel may still be finishing the I/O of a predecessor that was killed, and as long
 * as it does, the lock is held. That is what makes it safe to redo what the predecessor had in flight.
 */
#pragma once

#include <stdbool.h>

struct disk;
struct loop;

struct file_options {
        bool read_only;
        bool direct;       /* O_DIRECT where the request's alignment allows it */
        bool no_symlinks;  /* a path with a symlink in it is refused (-ELOOP) */
        bool never_inline; /* everything through the io_uring: for tests and measurements */
        unsigned n_rings;  /* channels that may be open at the same time and have an io_uring */
};

/**
 * disk_file_open() - open an image
 * @loop: borrowed; the control thread's, on which changes of the file are watched
 *
 * Must come before the process locks itself down: afterwards, only I/O on the opened file is done.
 *
 * Return: 0 and *ret owned by the caller (disk_free()); -EBUSY if another process uses the image in a way that
 * excludes this one; -ENOTBLK if it is neither a regular file nor a block device; a negative errno.
 */
int disk_file_open(struct loop *loop, const char *path, const struct file_options *options, struct disk **ret);

/* The same for an open file. @fd is taken in any case; it must be open for writing unless read-only. */
int disk_file_new(struct loop *loop, int fd, const struct file_options *options, struct disk **ret);
