/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Kinds of member that only bundles and systems have, beside those of base/json-fields.h: 1 and *ret set (owned by
 * the caller), 0 if the member is absent, a negative errno.
 */
#pragma once

#include "base/json-fields.h"

struct json_node;

/* What a kernel's command line can hold, without the zero byte. */
#define FIELDS_PARAMETERS_MAX 2047

/* A path below the bundle: relative, without `..`. With @dir_fd (not -1), looked up there, and *ret is absolute. */
int fields_get_inner_path(const struct json_node *object, const char *key, int dir_fd, char **ret);

/* A command line: one string, or an array of strings that is joined by spaces. */
int fields_get_parameters(const struct json_node *object, const char *key, char **ret);
