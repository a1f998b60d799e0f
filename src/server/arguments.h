/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The words of `busbar device TYPE` made into settings: one set for the server, one for each guest.
 *
 *   --NAME=VALUE, --NAME VALUE, --NAME (on)         a setting of the server, or of the only guest
 *   --guest NAME=VALUE[,NAME=VALUE]...              one more guest; ",," is a comma within a value
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/server.h"
#include "server/settings.h"

#define SERVER_GUESTS_MAX 64
#define SERVER_ID_MAX 31

struct guest_arguments {
        struct settings *settings; /* owned */
        char id[SERVER_ID_MAX + 1];
};

struct server_arguments {
        struct settings *server; /* owned */
        struct guest_arguments guests[SERVER_GUESTS_MAX];
        size_t n_guests;
        bool help;
        bool print_capabilities;
};

#define SERVER_TABLES_MAX 4

/* The tables that hold for a type: its own and the common ones; NULL-terminated. */
void server_tables(const struct server_type *type, const struct setting_spec *ret[SERVER_TABLES_MAX]);

/**
 * server_arguments_new() - parse
 *
 * With help or print_capabilities nothing else is complete or checked.
 *
 * Return: 0; -EINVAL after the error was logged with the type as subject; -ENOMEM.
 */
int server_arguments_new(const struct server_type *type, char *const *words, size_t n_words,
                         struct server_arguments **ret);
struct server_arguments *server_arguments_free(struct server_arguments *a);

static inline void server_arguments_freep(struct server_arguments **a)
{
        *a = server_arguments_free(*a);
}

/* Features that `--features-off=NAME,NAME` names. Return: 0; -EINVAL with @error filled. */
int features_from_string(const struct server_type *type, const char *text, uint64_t *ret, char *error,
                         size_t error_size);

/* The names of the rings' features, ends with a NULL name. */
extern const struct feature_name ring_feature_names[];

/* What --help and --print-capabilities print. */
void server_print_help(const struct server_type *type);
int server_print_capabilities(const struct server_type *type);
