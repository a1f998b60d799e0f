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
 * fd_write_file_atomic() - replace a file's text in one step
 *
 * Written to a sibling temporary file and renamed, so that a reader sees the old or the new text.
 *
 * Return: 0 or a negative errno.
 */
int fd_write_file_atomic(const char *path, const void *buf, size_t n, mode_t mode);

/* Shared memory of size_bytes that can neither shrink nor grow. Return: an fd or a negative errno. */
int fd_memfd_sealed(const char *name, uint64_t size_bytes);

/* Non-blocking eventfd with the counter at 0. Return: an fd or a negative errno. */
int fd_event(void);

/* Adds one to an eventfd; a full counter is fine. */
void fd_event_signal(int fd);

/* Takes an eventfd's counter. Return: the counter, 0 if it was not signalled. */
uint64_t fd_event_take(int fd);

int fd_set_nonblock(int fd, int on);
int fd_set_cloexec(int fd, int on);

/* Listens on a stream socket at @path (mode 0600), replacing a stale one. Return: an fd or a negative errno. */
int fd_unix_listen(const char *path, int backlog);

/* Connects to the stream socket at @path. Return: an fd or a negative errno. */
int fd_unix_connect(const char *path);
/* The same without waiting: -EAGAIN if too many others wait there. The fd is non-blocking. */
int fd_unix_connect_nonblock(const char *path);
