/* SPDX-License-Identifier: MPL-2.0 */
/* File descriptors: whole reads and writes, sealed shared memory, unix sockets. All are O_CLOEXEC. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads exactly n bytes. Return: 0; -ENODATA at an early end of file; a negative errno. */
int fd_read_full(int fd, void *buf, size_t n);

/* Writes exactly n bytes. Return: 0 or a negative errno. */
int fd_write_full(int fd, const void *buf, size_t n);

/**
 * fd_read_file() - read a whole file of at most @max bytes
 * @ret: owned by the caller (free()); one zero byte follows the text
 *
 * Return: 0; -EFBIG if the file is larger than @max; a negative errno.
 */
int fd_read_file(const char *path, size_t max, char **ret, size_t *ret_n);

/**
 * fd_open_plain() - open a path of which no part is a symlink
 * @flags: of open(2)
 *
 * For a path that was resolved earlier and checked: who may write in one of its folders could have put a symlink
 * there since.
 *
 * Return: an fd; -ELOOP if there is a symlink; a negative errno.
 */
int fd_open_plain(const char *path, int flags);

/**
 * fd_write_file_atomic() - replace a file's text in one step
 *
 * Written to a sibling temporary file and renamed, so that a reader sees the old or the new text.
 *
 * Return: 0 or a negative errno.
 */
int fd_write_file_atomic(const char *path, const void *buf, size_t n, mode_t mode);

/* Shared memory of size_bytes that can neither shrink nor grow. Return: an fd or a negative errno. */
int fd_memfd_sealed(const char *name, uint64_t size_bytes);
/* The same with more flags of memfd_create(2): of which pages. */
int fd_memfd_sealed_of(const char *name, uint64_t size_bytes, unsigned flags);

/* Non-blocking eventfd with the counter at 0. Return: an fd or a negative errno. */
int fd_event(void);

/**
 * fd_event_signal() - add one to an eventfd
 * @fd: non-blocking; a full counter is fine then
 *
 * Never blocks on an fd whose flags are ours. An eventfd that came from a peer was made non-blocking when it arrived,
 * but the flag belongs to the open file: a peer that clears it and then fills the counter blocks the calling thread
 * until it reads the counter or dies, and with it the other guests of that thread. A guest's driver cannot do this,
 * only the process that sent the fd. What would help was tried (Linux 6.18): eventfds refuse RWF_NOWAIT for writes and
 * cannot be opened anew; poll() or F_GETFL first costs 130 to 300 ns more on top of the 315 of the write and leaves the
 * moment in between; aio(7) with IOCB_FLAG_RESFD does not block, at three times the write.
 */
void fd_event_signal(int fd);

/* Takes an eventfd's counter. Return: the counter, 0 if it was not signalled. */
uint64_t fd_event_take(int fd);

int fd_set_nonblock(int fd, int on);
int fd_set_cloexec(int fd, int on);

/* Listens on a stream socket at @path (mode 0600), replacing a stale one. Return: an fd or a negative errno. */
int fd_unix_listen(const char *path, int backlog);

/* The same for a datagram socket, which receives at once. */
int fd_unix_bind_datagram(const char *path);

/* Connects to the stream socket at @path. Return: an fd or a negative errno. */
int fd_unix_connect(const char *path);
/* The same without waiting: -EAGAIN if too many others wait there. The fd is non-blocking. */
int fd_unix_connect_nonblock(const char *path);
