/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files that a guest boots from. Opened before the sandbox closes; read in the locked-down process, straight into
 * guest memory. Every offset and size that comes out of one is checked here, against the file and the memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/space.h"

struct memory;
struct monitor_spec;

struct boot_file {
        int fd; /* owned; -1: there is none */
        uint64_t size_bytes;
        const char *what; /* "kernel", "initrd": for errors; borrowed */
};

/**
 * boot_file_open() - open what a guest boots from
 * @path:        NULL: there is none, which is no error
 * @no_symlinks: refuse a path with a symlink in it
 *
 * Return: 0, or a negative errno with a sentence in *ret_error.
 */
int boot_file_open(struct boot_file *ret, const char *what, const char *path, bool no_symlinks, char **ret_error);
/* Idempotent; fine for a zeroed structure whose fd is -1. */
void boot_file_close(struct boot_file *f);

/* All that a machine's specification names. */
struct boot_files {
        struct boot_file kernel, initrd, device_tree;
};

/* Return: as boot_file_open(); boot_files_close() works in either case. */
int boot_files_open(struct boot_files *ret, const struct monitor_spec *spec, char **ret_error);
void boot_files_close(struct boot_files *files);

/* Return: 0; -EBADMSG with a sentence in *ret_error if the file ends before. */
int boot_file_read(const struct boot_file *f, uint64_t offset, void *buf, size_t n_bytes, char **ret_error);

/* Reads a part of the file to where it belongs in guest memory. Return: 0; -EBADMSG if the file ends before; -ENOSPC
   if there is no memory (in one range) at [@at, @at + n_bytes); with a sentence in *ret_error. */
int boot_file_load(const struct boot_file *f, uint64_t offset, uint64_t n_bytes, const struct memory *memory, gpa_t at,
                   char **ret_error);
