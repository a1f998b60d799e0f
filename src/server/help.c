/* SPDX-License-Identifier: MPL-2.0 */
/* What a device server says of itself: --help, --print-capabilities and shell completion, all from its tables. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "server/arguments.h"
#include "server/server.h"
#include "virtio/features.h"

#define HELP_COLUMN 26

static const char *argument_word(const struct setting_spec *spec)
{
        static const char *const words[] = {
                [SETTING_STRING] = "TEXT", [SETTING_PATH] = "PATH", [SETTING_BOOL] = "on|off",
                [SETTING_NUMBER] = "N",    [SETTING_SIZE] = "BYTES", [SETTING_CHOICE] = "WORD",
        };

        return spec->argument ? spec->argument : words[spec->kind];
}

static void print_details(const struct setting_spec *spec)
{
        const char *mark = " (";

        if (spec->kind == SETTING_CHOICE) {
                for (size_t i = 0; spec->choices[i]; i++)
                        printf("%s%s", i == 0 ? ": " : ", ", spec->choices[i]);
        }
        if (spec->required) {
                printf("%srequired", mark);
                mark = "; ";
        }
        if (spec->repeatable) {
                printf("%smay be repeated", mark);
                mark = "; ";
        }
        if ((spec->kind == SETTING_NUMBER || spec->kind == SETTING_SIZE) && spec->max < UINT64_MAX &&
            spec->max != 65535) {
                printf("%s%" PRIu64 " to %" PRIu64, mark, spec->min, spec->max);
                mark = "; ";
        }
        if (spec->default_text) {
                printf("%sdefault: %s", mark, spec->default_text);
                mark = "; ";
        }
        if (spec->alias) {
                printf("%salso --%s", mark, spec->alias);
                mark = "; ";
        }
        puts(mark[0] == ';' ? ")" : "");
}

static void print_scope(const struct setting_spec *const *tables, enum setting_scope scope)
{
        for (size_t i = 0; tables[i]; i++) {
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++) {
                        char left[96];

                        if (spec->scope != scope)
                                continue;
                        (void) snprintf(left, sizeof(left), "--%s%s%s", spec->name,
                                        spec->kind == SETTING_BOOL ? "" : "=",
                                        spec->kind == SETTING_BOOL ? "" : argument_word(spec));
                        if (strlen(left) > HELP_COLUMN)
                                printf("  %s\n  %*s %s", left, HELP_COLUMN, "", spec->help);
                        else
                                printf("  %-*s %s", HELP_COLUMN, left, spec->help);
                        print_details(spec);
                }
        }
}

static void print_features(const struct server_type *type)
{
        printf("\nFeatures that features-off can name:");
        for (const struct feature_name *f = ring_feature_names; f->name; f++)
                printf(" %s", f->name);
        for (const struct feature_name *f = type->features; f && f->name; f++)
                printf(" %s", f->name);
        puts("");
}

void server_print_help(const struct server_type *type)
{
        const struct setting_spec *tables[SERVER_TABLES_MAX];

        server_tables(type, tables);
        printf("usage: busbar device %s [OPTION]...\n\n%s.\n\n"
               "Settings of a guest; with several guests, --guest NAME=VALUE[,NAME=VALUE]... once for each\n"
               "(\",,\" is a comma within a value):\n",
               type->name, type->summary);
        print_scope(tables, SETTING_GUEST);
        puts("\nSettings of the server:");
        print_scope(tables, SETTING_SERVER);
        printf("  %-*s %s\n  %-*s %s\n", HELP_COLUMN, "--print-capabilities", "say what this type can do, as JSON",
               HELP_COLUMN, "--help", "print this help");
        print_features(type);
}

static int append_names(json_t *array, const struct feature_name *names)
{
        int r = 0;

        for (; names && names->name && r == 0; names++)
                r = json_array_append_new(array, json_string(names->name));
        return r;
}

/*
 * "type" and "features" are those of the vhost-user back-end program conventions (vhost-user.json); the
 * member with our name tells which VIRTIO features can be offered.
 */
int server_print_capabilities(const struct server_type *type)
{
        json_t *features = json_array(), *virtio = json_array(), *root;
        int r = 0;

        for (size_t i = 0; type->capabilities && type->capabilities[i] && r == 0; i++)
                r = json_array_append_new(features, json_string(type->capabilities[i]));
        if (r == 0)
                r = append_names(virtio, ring_feature_names);
        if (r == 0)
                r = append_names(virtio, type->features);
        root = json_pack("{s:s, s:o, s:{s:s, s:o}}", "type", type->vhost_type, "features", features, "busbar", "device",
                         type->name, "virtio-features", virtio);
        if (r < 0 || !root || json_dumpf(root, stdout, JSON_INDENT(2)) < 0)
                r = -ENOMEM;
        else
                puts("");
        json_decref(root);
        return r;
}

static const struct setting_spec *find_spec(const struct setting_spec *const *tables, const char *name, size_t n)
{
        for (size_t i = 0; tables[i]; i++)
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++)
                        if (strlen(spec->name) == n && memcmp(spec->name, name, n) == 0)
                                return spec;
        return NULL;
}

static void complete_value(const struct setting_spec *spec, const char *prefix, size_t n_prefix, FILE *out)
{
        static const char *const words[] = { "on", "off", NULL };
        const char *const *choices = spec->kind == SETTING_BOOL ? words : spec->choices;

        if (spec->kind == SETTING_PATH)
                fputs("<file>\n", out);
        for (size_t i = 0; choices && choices[i]; i++)
                fprintf(out, "%.*s%s\n", (int) n_prefix, prefix, choices[i]);
}

/* The last pair of --guest A=B,C=D. */
static void complete_guest(const struct setting_spec *const *tables, const char *text, const char *prefix, FILE *out)
{
        const char *pair = strrchr(text, ',') ? strrchr(text, ',') + 1 : text;
        const char *equals = strchr(pair, '=');
        const struct setting_spec *found = equals ? find_spec(tables, pair, (size_t) (equals - pair)) : NULL;

        if (found)
                complete_value(found, prefix, (size_t) (equals + 1 - prefix), out);
        if (equals)
                return;
        for (size_t i = 0; tables[i]; i++)
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++)
                        if (spec->scope == SETTING_GUEST)
                                fprintf(out, "%.*s%s=\n", (int) (pair - prefix), prefix, spec->name);
}

void server_complete(const struct server_type *type, char *const *words, size_t n_words, FILE *out)
{
        const struct setting_spec *tables[SERVER_TABLES_MAX], *spec;
        const char *last = words[n_words - 1], *equals = strchr(last, '=');
        const char *before = n_words > 1 ? words[n_words - 2] : "";

        server_tables(type, tables);
        if (strcmp(before, "--guest") == 0) {
                complete_guest(tables, last, last, out);
                return;
        }
        if (strncmp(last, "--guest=", 8) == 0) {
                complete_guest(tables, last + 8, last, out);
                return;
        }
        if (strncmp(last, "--", 2) == 0 && equals) {
                spec = find_spec(tables, last + 2, (size_t) (equals - last - 2));
                if (spec)
                        complete_value(spec, last, (size_t) (equals + 1 - last), out);
                return;
        }
        spec = strncmp(before, "--", 2) == 0 ? find_spec(tables, before + 2, strlen(before + 2)) : NULL;
        if (spec && spec->kind != SETTING_BOOL) {
                complete_value(spec, "", 0, out);
                return;
        }
        fputs("--guest\n--help\n--print-capabilities\n", out);
        for (size_t i = 0; tables[i]; i++)
                for (spec = tables[i]; spec->name; spec++)
                        fprintf(out, "--%s%s\n", spec->name, spec->kind == SETTING_BOOL ? "" : "=");
}
