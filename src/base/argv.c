/* SPDX-License-Identifier: MPL-2.0 */
#include "base/argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes item (NULL: an allocation had failed). */
static void take(struct argv *a, char *item)
{
        char **bigger;

        if (!item || a->error) {
                a->error = -ENOMEM;
                free(item);
                return;
        }
        bigger = reallocarray(a->items, a->n + 2, sizeof(*bigger));
        if (!bigger) {
                a->error = -ENOMEM;
                free(item);
                return;
        }
        a->items = bigger;
        a->items[a->n++] = item;
        a->items[a->n] = NULL;
}

void argv_add(struct argv *a, const char *item)
{
        take(a, strdup(item));
}

void argv_addf(struct argv *a, const char *format, ...)
{
        char *item = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&item, format, ap) < 0)
                item = NULL;
        va_end(ap);
        take(a, item);
}

int argv_error(const struct argv *a)
{
        return a->error;
}

void argv_deinit(struct argv *a)
{
        for (size_t i = 0; i < a->n; i++)
                free(a->items[i]);
        free(a->items);
        *a = (struct argv) { 0 };
}

char *escape_commas(const char *s)
{
        char *escaped = malloc(2 * strlen(s) + 1), *to = escaped;

        if (!escaped)
                return NULL;
        for (; *s; s++) {
                *to++ = *s;
                if (*s == ',')
                        *to++ = ',';
        }
        *to = '\0';
        return escaped;
}
