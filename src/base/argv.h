/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A growing, NULL-terminated list of strings. An allocation that fails is remembered, so that a list is
 * built without a check at each step and checked once at the end (argv_error()).
 */
#pragma once

#include <stddef.h>

struct argv {
        char **items; /* owned, each too; NULL-terminated once anything was added */
        size_t n;
        int error;
};

void argv_add(struct argv *a, const char *item);
void argv_addf(struct argv *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Return: 0, or -ENOMEM if any addition failed. */
int argv_error(const struct argv *a);
void argv_deinit(struct argv *a);

/* Doubles each comma, for option syntaxes where a comma separates. Owned by the caller; NULL if out of memory. */
char *escape_commas(const char *s);
