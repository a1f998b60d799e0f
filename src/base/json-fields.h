/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Kinds of member that our formats share. As the readers of json-reader.h: 1 and *ret set (owned by the caller where
 * it is text), 0 if the member is absent, a negative errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_node;

/* Longest name of anything that our formats name, without the end. */
#define FIELDS_NAME_MAX 31
#define FIELDS_NAME_RULE "a name of 1 to 31 letters, digits, '-' and '_' that begins with a letter or digit"

/* True for 1 to FIELDS_NAME_MAX letters, digits, '-' and '_', of which the first is a letter or digit. */
bool name_is_valid(const char *s);

/* A name by name_is_valid(). */
int fields_get_name(const struct json_node *object, const char *key, char **ret);

/* The check of fields_get_name() for a member's key. Return: 0 or a negative errno. */
int fields_check_key(const struct json_node *member);

/* An object of at most @max members, each of which has a name by name_is_valid() and is an object. */
int fields_get_named(const struct json_node *object, const char *key, size_t max, struct json_node *ret, size_t *ret_n);

/* A copy of a string member of at most @max bytes. */
int fields_get_text(const struct json_node *object, const char *key, size_t max, char **ret);

/**
 * fields_get_path() - a path anywhere on the host
 * @dir: what a relative one is relative to, without a slash at its end; NULL: it stays as it is
 */
int fields_get_path(const struct json_node *object, const char *key, const char *dir, char **ret);

/* An integer that may be negative. */
int fields_get_int(const struct json_node *object, const char *key, int min, int max, int *ret);

/* The same for an integer that fits 32 bits: as node_get_uint(). */
int fields_get_u32(const struct json_node *object, const char *key, uint32_t min, uint32_t max, uint32_t *ret);

/* An array of exactly @n integers, the i-th from min[i] to @max. */
int fields_get_numbers(const struct json_node *object, const char *key, size_t n, const uint32_t *min, uint32_t max,
                       uint32_t *ret);
