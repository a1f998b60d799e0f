/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define HELP_COLUMN 28

static const struct command_option help_option = { .name = "help", .letter = 'h', .help = "print this help" };

static const struct command_option *find_long(const struct command_option *table, const char *name, size_t n)
{
        if (strlen(help_option.name) == n && memcmp(help_option.name, name, n) == 0)
                return &help_option;
        for (; table && table->name; table++)
                if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
                        return table;
        return NULL;
}

static const struct command_option *find_letter(const struct command_option *table, char letter)
{
        if (letter == help_option.letter)
                return &help_option;
        for (; table && table->name; table++)
                if (table->letter && table->letter == letter)
                        return table;
        return NULL;
}

static bool choice_allowed(const struct command_option *option, const char *text)
{
        for (size_t i = 0; option->choices && option->choices[i]; i++)
                if (strcmp(option->choices[i], text) == 0)
                        return true;
        return !option->choices;
}

static int add_value(const char *subject, struct option_list *list, const struct command_option *option,
                     const char *text)
{
        if (option == &help_option) {
                list->help = true;
                return 0;
        }
        if (!choice_allowed(option, text)) {
                char expected[256] = "";

                for (size_t i = 0; option->choices[i]; i++) {
                        size_t used = strlen(expected);

                        (void) snprintf(expected + used, sizeof(expected) - used, "%s%s", i > 0 ? ", " : "",
                                        option->choices[i]);
                }
                (void) usage_error(subject, "--%s=%s: expected one of %s", option->name, text, expected);
                return -EINVAL;
        }
        list->values[list->n_values++] = (struct option_value) { option, text };
        return 0;
}

/* One word that begins with a dash; *i moves on when the value is the next word. */
static int parse_option(const char *subject, const struct command_option *table, char *const *words, size_t n_words,
                        size_t *i, struct option_list *list)
{
        const char *word = words[*i], *value = NULL;
        const struct command_option *option;
        bool is_long = word[1] == '-';

        if (is_long) {
                value = strchr(word, '=');
                option = find_long(table, word + 2, value ? (size_t) (value - word - 2) : strlen(word + 2));
                value = value ? value + 1 : NULL;
        } else {
                option = find_letter(table, word[1]);
                value = word[2] ? word + 2 : NULL;
        }
        if (!option) {
                (void) usage_error(subject, "unknown option '%s'", word);
                return -EINVAL;
        }
        if (!option->argument && value) {
                (void) usage_error(subject, "option --%s takes no value, but '%s' gives one", option->name, word);
                return -EINVAL;
        }
        if (option->argument && !value) {
                if (*i + 1 >= n_words) {
                        (void) usage_error(subject, "option '%s' needs a value (%s)", word, option->argument);
                        return -EINVAL;
                }
                value = words[++*i];
        }
        return add_value(subject, list, option, value ? value : "");
}

int options_parse(const char *subject, const struct command_option *table, char *const *words, size_t n_words,
                  bool stop_early, struct option_list *ret)
{
        struct option_list list = {
                .values = calloc(n_words + 1, sizeof(*list.values)),
                .operands = calloc(n_words + 1, sizeof(*list.operands)),
        };
        bool only_operands = false;
        int r = list.values && list.operands ? 0 : -ENOMEM;

        for (size_t i = 0; i < n_words && r == 0; i++) {
                if (!only_operands && strcmp(words[i], "--") == 0)
                        only_operands = true;
                else if (!only_operands && words[i][0] == '-' && words[i][1] && !isdigit((unsigned char) words[i][1]))
                        r = parse_option(subject, table, words, n_words, &i, &list);
                else {
                        list.operands[list.n_operands++] = words[i];
                        only_operands |= stop_early;
                }
        }
        if (r < 0) {
                option_list_deinit(&list);
                return r;
        }
        *ret = list;
        return 0;
}

void option_list_deinit(struct option_list *list)
{
        free(list->values);
        free(list->operands);
        *list = (struct option_list) { 0 };
}

const char *invocation_value_at(const struct invocation *inv, const char *option, size_t i)
{
        for (size_t k = 0; k < inv->n_values; k++)
                if (strcmp(inv->values[k].option->name, option) == 0 && i-- == 0)
                        return inv->values[k].text;
        return NULL;
}

const char *invocation_value(const struct invocation *inv, const char *option)
{
        for (size_t k = inv->n_values; k > 0; k--)
                if (strcmp(inv->values[k - 1].option->name, option) == 0)
                        return inv->values[k - 1].text;
        return NULL;
}

bool invocation_has(const struct invocation *inv, const char *option)
{
        return invocation_value(inv, option) != NULL;
}

static void print_option(const struct command_option *option, FILE *out)
{
        char left[128];
        int n;

        n = snprintf(left, sizeof(left), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
                     option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
                     option->argument ? " " : "", option->argument ? option->argument : "");
        if (n >= HELP_COLUMN)
                fprintf(out, "  %s\n  %*s%s\n", left, HELP_COLUMN, "", option->help);
        else
                fprintf(out, "  %-*s%s\n", HELP_COLUMN, left, option->help);
}

void options_print(const struct command_option *table, FILE *out)
{
        for (const struct command_option *o = table; o && o->name; o++)
                if (!o->hidden)
                        print_option(o, out);
        print_option(&help_option, out);
}

void command_print_help(const struct command *command, FILE *out)
{
        bool operands = command->usage && command->usage[0];

        fprintf(out, "usage: busbar %s [OPTION]...%s%s\n\n%s.\n", command->name, operands ? " " : "",
                operands ? command->usage : "", command->summary);
        if (command->description)
                fprintf(out, "\n%s\n", command->description);
        fputs("\nOptions:\n", out);
        options_print(command->options, out);
}

void program_print_help(FILE *out)
{
        fputs("usage: busbar [OPTION]... VERB [ARGUMENT]...\n\n"
              "Runs virtual-machine bundles on any hypervisor and shares devices among them over VIRTIO.\n\n"
              "Verbs ('busbar VERB --help' says more):\n",
              out);
        for (size_t i = 0; commands[i]; i++)
                if (!commands[i]->hidden)
                        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
        fputs("\nOptions before the verb:\n", out);
        options_print(global_options, out);
        fputs("\nExit status: 0 done; 1 failed, the reason is on stderr; 2 the command line is wrong.\n", out);
}
