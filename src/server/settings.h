/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Settings of a device server: what a user may set is a table; parsing, help, error messages and completion
 * come from it, and the server reads values by typed getters that cannot fail.
 *
 * A struct settings holds the values of one scope: those of the server, or those of one guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_kind {
        SETTING_STRING,
        SETTING_PATH,   /* a string; completion offers files */
        SETTING_BOOL,   /* on, off; the name alone means on */
        SETTING_NUMBER, /* decimal, min to max */
        SETTING_SIZE,   /* bytes, min to max; K, M, G, T for powers of 1024 */
        SETTING_CHOICE, /* one of choices */
};

enum setting_scope {
        SETTING_SERVER, /* once a process: --NAME=VALUE */
        SETTING_GUEST,  /* once a guest: --guest NAME=VALUE,...; --NAME=VALUE if there is one guest */
};

struct setting_spec {
        const char *name;
        enum setting_kind kind;
        enum setting_scope scope;
        const char *default_text; /* parsed like a given value; NULL: not set */
        uint64_t min, max;        /* NUMBER, SIZE */
        const char *const *choices; /* CHOICE: NULL-terminated */
        bool required;
        bool repeatable;          /* may be given several times; see settings_string_at() */
        const char *alias;        /* another name, of the vhost-user conventions ("blk-file"); NULL: none */
        const char *argument;     /* word in help; NULL: one that fits the kind */
        const char *help;
};

struct settings;

/**
 * settings_new() - no value set yet
 * @tables: NULL-terminated array of tables, each ends with a NULL name; borrowed. Specs of another scope are
 *          left out
 *
 * Return: 0 or -ENOMEM.
 */
int settings_new(const struct setting_spec *const *tables, enum setting_scope scope, struct settings **ret);
struct settings *settings_free(struct settings *s);

static inline void settings_freep(struct settings **s)
{
        *s = settings_free(*s);
}

/**
 * settings_set() - parse one value
 * @text:  NULL if the name was given alone
 * @error: filled on failure with what was expected: "queues=0: expected a number from 1 to 64"
 *
 * Return: 0; -ENOENT if there is no such setting here; -EINVAL; -ENOMEM.
 */
int settings_set(struct settings *s, const char *name, const char *text, char *error, size_t error_size);

/* Fills in defaults and checks that all required settings are there. Return: 0, or -EINVAL with @error filled. */
int settings_finish(struct settings *s, char *error, size_t error_size);

/* Getters. Asking for a name that no table has, or by another kind, is a bug. */
bool settings_given(const struct settings *s, const char *name); /* by the user, not by default */
const char *settings_first_given(const struct settings *s);      /* a name; NULL: the user gave none */
const char *settings_string(const struct settings *s, const char *name); /* STRING, PATH, CHOICE; NULL: not set */
bool settings_bool(const struct settings *s, const char *name);          /* false: not set */
uint64_t settings_number(const struct settings *s, const char *name);    /* NUMBER, SIZE; 0: not set */
unsigned settings_choice(const struct settings *s, const char *name);    /* index; must have a default */
size_t settings_count(const struct settings *s, const char *name);       /* values of a repeatable one */
const char *settings_string_at(const struct settings *s, const char *name, size_t i); /* in the order given */

/* Return: 0 and the bytes of "4096", "64K", "1G"; -EINVAL; -ERANGE. */
int size_from_string(const char *text, uint64_t *ret);
