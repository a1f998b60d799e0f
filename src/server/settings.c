/* SPDX-License-Identifier: MPL-2.0 */
#include "server/settings.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"

struct value {
        const struct setting_spec *spec; /* borrowed */
        char **texts;                    /* owned, each owned; in the order given */
        size_t n_texts;
        uint64_t number; /* of the last text: NUMBER, SIZE; BOOL 0 or 1; CHOICE index */
        bool given;
};

struct settings {
        struct value *values; /* owned; one for each spec of the scope */
        size_t n_values;
};

int settings_new(const struct setting_spec *const *tables, enum setting_scope scope, struct settings **ret)
{
        auto_cleanup(settings_freep) struct settings *s = NULL;
        size_t n = 0;

        for (size_t i = 0; tables[i]; i++)
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++)
                        n += spec->scope == scope;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->values = calloc(n + 1, sizeof(*s->values));
        if (!s->values)
                return -ENOMEM;
        for (size_t i = 0; tables[i]; i++)
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++)
                        if (spec->scope == scope)
                                s->values[s->n_values++].spec = spec;
        *ret = take_ptr(&s);
        return 0;
}

static void value_clear(struct value *v)
{
        for (size_t i = 0; i < v->n_texts; i++)
                free(v->texts[i]);
        free(v->texts);
        v->texts = NULL;
        v->n_texts = 0;
}

struct settings *settings_free(struct settings *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_values; i++)
                value_clear(&s->values[i]);
        free(s->values);
        free(s);
        return NULL;
}

static struct value *find(const struct settings *s, const char *name)
{
        for (size_t i = 0; i < s->n_values; i++) {
                const struct setting_spec *spec = s->values[i].spec;

                if (strcmp(spec->name, name) == 0 || (spec->alias && strcmp(spec->alias, name) == 0))
                        return &s->values[i];
        }
        return NULL;
}

static int number_from_string(const char *text, uint64_t *ret, const char **ret_end)
{
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        if (errno != 0)
                return -ERANGE;
        *ret_end = end;
        return 0;
}

int size_from_string(const char *text, uint64_t *ret)
{
        static const char units[] = "KMGT";
        const char *end, *unit;
        uint64_t n, scale = 1;
        int r;

        r = number_from_string(text, &n, &end);
        if (r < 0)
                return r;
        if (*end) {
                unit = strchr(units, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
                if (!unit || end[1])
                        return -EINVAL;
                scale = UINT64_C(1) << (10 * (unit - units + 1));
        }
        if (mul_overflows(n, scale, &n))
                return -ERANGE;
        *ret = n;
        return 0;
}

static int bool_from_string(const char *text, uint64_t *ret)
{
        static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                if (strcmp(text, words[i]) == 0) {
                        *ret = i % 2;
                        return 0;
                }
        }
        return -EINVAL;
}

static void expect_choice(const struct setting_spec *spec, char *error, size_t error_size)
{
        size_t used = strlen(error);

        for (size_t i = 0; spec->choices[i] && used < error_size; i++)
                used += (size_t) snprintf(error + used, error_size - used, "%s%s", i > 0 ? ", " : "expected one of ",
                                          spec->choices[i]);
}

static int parse(const struct setting_spec *spec, const char *text, uint64_t *ret, char *error, size_t error_size)
{
        const char *end = "";
        size_t used;
        int r = 0;

        (void) snprintf(error, error_size, "%s=%s: ", spec->name, text);
        used = strlen(error);
        switch (spec->kind) {
        case SETTING_STRING:
        case SETTING_PATH:
                if (text[0])
                        return 0;
                (void) snprintf(error + used, error_size - used, "expected a value");
                return -EINVAL;
        case SETTING_BOOL:
                r = bool_from_string(text, ret);
                if (r < 0)
                        (void) snprintf(error + used, error_size - used, "expected on or off");
                return r;
        case SETTING_NUMBER:
                r = number_from_string(text, ret, &end);
                if (r < 0 || *end || *ret < spec->min || *ret > spec->max) {
                        (void) snprintf(error + used, error_size - used,
                                        "expected a number from %" PRIu64 " to %" PRIu64, spec->min, spec->max);
                        return -EINVAL;
                }
                return 0;
        case SETTING_SIZE:
                r = size_from_string(text, ret);
                if (r < 0 || *ret < spec->min || *ret > spec->max) {
                        (void) snprintf(error + used, error_size - used,
                                        "expected bytes (K, M, G, T allowed) from %" PRIu64 " to %" PRIu64,
                                        spec->min, spec->max);
                        return -EINVAL;
                }
                return 0;
        case SETTING_CHOICE:
                for (*ret = 0; spec->choices[*ret]; ++*ret)
                        if (strcmp(spec->choices[*ret], text) == 0)
                                return 0;
                expect_choice(spec, error, error_size);
                return -EINVAL;
        }
        return -EINVAL;
}

static int value_set(struct value *v, const char *text, char *error, size_t error_size)
{
        auto_cleanup(freep) char *copy = NULL;
        uint64_t number = 0;
        char **texts;
        int r;

        r = parse(v->spec, text, &number, error, error_size);
        if (r < 0)
                return r;
        copy = strdup(text);
        texts = reallocarray(v->texts, v->n_texts + 1, sizeof(*texts));
        if (texts)
                v->texts = texts;
        if (!copy || !texts)
                return -ENOMEM;
        v->texts[v->n_texts++] = take_ptr(&copy);
        v->number = number;
        return 0;
}

int settings_set(struct settings *s, const char *name, const char *text, char *error, size_t error_size)
{
        struct value *v = find(s, name);
        int r;

        if (!v) {
                (void) snprintf(error, error_size, "%s: no such setting", name);
                return -ENOENT;
        }
        if (v->given && !v->spec->repeatable) {
                (void) snprintf(error, error_size, "%s: given twice", v->spec->name);
                return -EINVAL;
        }
        if (!text && v->spec->kind != SETTING_BOOL) {
                (void) snprintf(error, error_size, "%s: expected a value", v->spec->name);
                return -EINVAL;
        }
        r = value_set(v, text ? text : "on", error, error_size);
        if (r == 0)
                v->given = true;
        return r;
}

int settings_finish(struct settings *s, char *error, size_t error_size)
{
        for (size_t i = 0; i < s->n_values; i++) {
                struct value *v = &s->values[i];
                int r;

                if (v->given)
                        continue;
                if (v->spec->required) {
                        (void) snprintf(error, error_size, "%s: must be given", v->spec->name);
                        return -EINVAL;
                }
                if (!v->spec->default_text)
                        continue;
                r = value_set(v, v->spec->default_text, error, error_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const struct value *get(const struct settings *s, const char *name)
{
        const struct value *v = find(s, name);

        assert(v);
        return v;
}

bool settings_given(const struct settings *s, const char *name) { return get(s, name)->given; }

const char *settings_first_given(const struct settings *s)
{
        for (size_t i = 0; i < s->n_values; i++)
                if (s->values[i].given)
                        return s->values[i].spec->name;
        return NULL;
}

size_t settings_count(const struct settings *s, const char *name) { return get(s, name)->n_texts; }

const char *settings_string_at(const struct settings *s, const char *name, size_t i)
{
        const struct value *v = get(s, name);

        return i < v->n_texts ? v->texts[i] : NULL;
}

const char *settings_string(const struct settings *s, const char *name)
{
        const struct value *v = get(s, name);

        assert(v->spec->kind == SETTING_STRING || v->spec->kind == SETTING_PATH || v->spec->kind == SETTING_CHOICE);
        return v->n_texts > 0 ? v->texts[v->n_texts - 1] : NULL;
}

bool settings_bool(const struct settings *s, const char *name)
{
        assert(get(s, name)->spec->kind == SETTING_BOOL);
        return get(s, name)->number;
}

uint64_t settings_number(const struct settings *s, const char *name)
{
        assert(get(s, name)->spec->kind == SETTING_NUMBER || get(s, name)->spec->kind == SETTING_SIZE);
        return get(s, name)->number;
}

unsigned settings_choice(const struct settings *s, const char *name)
{
        assert(get(s, name)->spec->kind == SETTING_CHOICE && get(s, name)->n_texts > 0);
        return (unsigned) get(s, name)->number;
}
