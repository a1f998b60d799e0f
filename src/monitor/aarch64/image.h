/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Linux' arm64 kernel files: `Image` as it is, `Image` in gzip, and the EFI program that unpacks itself (zboot, with
 * gzip or zstd inside). Nobody has checked the file before.
 *
 * Spec: Linux, Documentation/arch/arm64/booting.rst; drivers/firmware/efi/libstub/zboot-header.S.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct boot_file;
struct memory;

#define IMAGE_ALIGNMENT (2 << 20) /* of a kernel's base, and of what must share no block of its page table */

struct image {
        gpa_t entry;
        gpa_t end; /* of all that the kernel uses before it knows its memory */
};

/**
 * image_load() - read a kernel into guest memory, where it expects to be
 * @ret_error: a sentence, on failure; owned by the caller
 *
 * A plain kernel is read to where it will run, a packed one is unpacked there.
 *
 * Return: 0; -EBADMSG for a file that is no such kernel or a damaged one; -ENOTSUP for a kind that we do not boot;
 * -ENOSPC if it needs more memory than there is; a negative errno of read(2).
 */
int image_load(const struct boot_file *f, const struct memory *m, struct image *ret, char **ret_error);

/**
 * unpack_gzip() - the gzip streams from the file's @offset_bytes on, straight to where they are wanted and never
 * beyond; what follows and is none is left alone
 * @n_max:     room at @buf
 * @ret_n:     bytes unpacked
 * @ret_error: a sentence, on failure; owned by the caller
 *
 * Return: 0; -EBADMSG if it is damaged or cannot be read; -ENOSPC if it is larger than @n_max; -ENOMEM.
 */
int unpack_gzip(const struct boot_file *f, uint64_t offset_bytes, void *buf, size_t n_max, size_t *ret_n,
                char **ret_error);

/* The same for the frame of zstd in the @n_packed bytes from @offset_bytes on. */
int unpack_zstd(const struct boot_file *f, uint64_t offset_bytes, size_t n_packed, void *buf, size_t n_max,
                size_t *ret_n, char **ret_error);
