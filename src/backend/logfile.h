/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A log file of bounded size: PATH, and PATH.1 to PATH.n, the youngest first, as older ones. Appended to what is
 * there. Output only.
 *
 * While the file system is full (or fails otherwise) output is dropped; when there is room again a line in the log
 * says how much is missing.
 */
#pragma once

#include <stdint.h>

struct stream;

struct logfile_options {
        uint64_t size_bytes; /* of one file, which is never larger */
        unsigned n_files;    /* at least 1, the current one included */
};

/* Return: 0; -EINVAL if it is there and no regular file; a negative errno. */
int logfile_open(const char *path, const struct logfile_options *options, struct stream **ret);
