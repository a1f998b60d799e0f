/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files below a folder. The kernel itself keeps the way below it (openat2(2), RESOLVE_BENEATH), so neither `..` nor a
 * symlink leads out, also one that is swapped while it is looked up.
 */
#pragma once

#include <stddef.h>

/**
 * inner_file_resolve() - find a regular file below a folder
 * @ret: its absolute path without symlinks; owned by the caller
 *
 * Nothing is opened for reading: a FIFO or a device does no harm.
 *
 * Return: 0; -EXDEV if the way leaves the folder; -ENOENT; -EISDIR, -EMEDIUMTYPE if it is a folder or no regular
 * file; another negative errno.
 */
int inner_file_resolve(int dir_fd, const char *path, char **ret);

/**
 * inner_file_read() - read a regular file below a folder
 * @max: bytes of which one more is read, so that the caller sees that there are more
 *
 * Return: 0, or as inner_file_resolve().
 */
int inner_file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_n);

/* The absolute path of an open file or folder. Return: 0 or a negative errno. */
int inner_file_path(int fd, char **ret);

/* What a failure of the functions above means, for a message. */
const char *inner_file_error(int error);
