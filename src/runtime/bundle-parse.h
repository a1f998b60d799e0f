/* SPDX-License-Identifier: MPL-2.0 */
/* Between the files of bundle.c only. */
#pragma once

#include <stddef.h>

struct bundle;

/* bundle_parse(); with @dir_fd of the bundle's folder (not -1), paths are looked up there and become absolute. */
int bundle_parse_at(int dir_fd, const char *file, const char *text, size_t n, struct bundle **ret, char **ret_error);
