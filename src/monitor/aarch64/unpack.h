/* SPDX-License-Identifier: MPL-2.0 */
/* Unpacks what a kernel file holds, straight to where it is wanted and never beyond. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct boot_file;

/**
 * unpack_gzip() - one stream of gzip from the file's @offset_bytes on; what follows it is left alone
 * @n_max:     room at @buf
 * @ret_n:     bytes unpacked
 * @ret_error: a sentence, on failure; owned by the caller
 *
 * Return: 0; -EBADMSG if it is damaged; -ENOSPC if it is larger than @n_max; -ENOMEM; a negative errno of read(2).
 */
int unpack_gzip(const struct boot_file *f, uint64_t offset_bytes, void *buf, size_t n_max, size_t *ret_n,
                char **ret_error);

/* The same for the frame of zstd in the @n_packed bytes from @offset_bytes on. */
int unpack_zstd(const struct boot_file *f, uint64_t offset_bytes, size_t n_packed, void *buf, size_t n_max,
                size_t *ret_n, char **ret_error);
