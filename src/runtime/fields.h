/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Kinds of member that bundles and systems share. As the readers of json-reader.h: 1 and *ret set (owned by the
 * caller here), 0 if the member is absent, a negative errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_node;

/* What a kernel's command line can hold, without the zero byte. */
#define FIELDS_PARAMETERS_MAX 2047

/* True for 1 to BUNDLE_ID_MAX letters, digits, '-' and '_', of which the first is a letter or digit. */
bool name_is_valid(const char *s);

/* A name by name_is_valid(). */
int fields_get_name(const struct json_node *object, const char *key, char **ret);

/* The check of fields_get_name() for a member's key. Return: 0 or a negative errno. */
int fields_check_key(const struct json_node *member);

/* A path below the bundle: relative, without `..`. With @dir_fd (not -1), looked up there, and *ret is absolute. */
int fields_get_inner_path(const struct json_node *object, const char *key, int dir_fd, char **ret);

/* A command line: one string, or an array of strings that is joined by spaces. */
int fields_get_parameters(const struct json_node *object, const char *key, char **ret);

/* A copy of a string member of at most @max bytes. */
int fields_get_text(const struct json_node *object, const char *key, size_t max, char **ret);
