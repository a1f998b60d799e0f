/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar __complete WORD...: candidates for the last word, one a line, for completions/busbar.bash. They come
 * from the tables that parse the command line, so they cannot be out of date. "<file>" stands for any path.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static const struct command_option *find_option(const struct command_option *table, const char *word, size_t n)
{
        for (; table && table->name; table++)
                if (strlen(table->name) == n && memcmp(table->name, word, n) == 0)
                        return table;
        return NULL;
}

static void print_choices(const struct command_option *option, const char *prefix, size_t n_prefix, FILE *out)
{
        static const char *const paths[] = { "FILE", "DIR", "PATH", "SOCKET", NULL };

        for (size_t i = 0; option->choices && option->choices[i]; i++)
                fprintf(out, "%.*s%s\n", (int) n_prefix, prefix, option->choices[i]);
        for (size_t i = 0; !option->choices && option->argument && paths[i]; i++)
                if (strcmp(option->argument, paths[i]) == 0)
                        fputs("<file>\n", out);
}

static void print_options(const struct command_option *table, FILE *out)
{
        fputs("--help\n", out);
        for (; table && table->name; table++)
                if (!table->hidden)
                        fprintf(out, "--%s%s\n", table->name, table->argument ? "=" : "");
}

/* The option whose value is @words[i], given as a word of its own; NULL if it is none. */
static const struct command_option *value_of(const struct command_option *table, char *const *words, size_t i)
{
        const struct command_option *option;

        if (i == 0 || strncmp(words[i - 1], "--", 2) != 0)
                return NULL;
        option = find_option(table, words[i - 1] + 2, strlen(words[i - 1] + 2));
        return option && option->argument ? option : NULL;
}

/* Return: true if the last word was an option or an option's value. */
static bool complete_option(const struct command_option *table, char *const *words, size_t n_words, FILE *out)
{
        const char *last = words[n_words - 1], *equals = strchr(last, '=');
        const struct command_option *option = value_of(table, words, n_words - 1);

        if (option) {
                print_choices(option, "", 0, out);
                return true;
        }
        if (last[0] != '-')
                return false;
        if (equals && strncmp(last, "--", 2) == 0) {
                option = find_option(table, last + 2, (size_t) (equals - last - 2));
                if (option)
                        print_choices(option, last, (size_t) (equals + 1 - last), out);
        } else
                print_options(table, out);
        return true;
}

static void complete_verb(const struct invocation *inv, const struct command *command, char *const *words,
                          size_t n_words, FILE *out)
{
        unsigned index = 0;

        if (command->raw) {
                if (command->complete_raw)
                        command->complete_raw(inv->globals, words, n_words, out);
                return;
        }
        if (complete_option(command->options, words, n_words, out))
                return;
        for (size_t i = 0; i + 1 < n_words; i++)
                index += words[i][0] != '-' && !value_of(command->options, words, i);
        if (command->complete)
                command->complete(inv->globals, index, out);
}

static int complete_run(const struct invocation *inv)
{
        char *const *words = inv->operands;
        size_t n = inv->n_operands;

        for (size_t i = 0; i + 1 < n; i++) {
                const struct command *command;

                if (words[i][0] == '-' || value_of(global_options, words, i))
                        continue;
                command = command_find(words[i]);
                if (command)
                        complete_verb(inv, command, words + i + 1, n - i - 1, stdout);
                return STATUS_OK;
        }
        if (!complete_option(global_options, words, n, stdout))
                for (size_t i = 0; commands[i]; i++)
                        if (!commands[i]->hidden)
                                printf("%s\n", commands[i]->name);
        return STATUS_OK;
}

const struct command command_complete = {
        .name = "__complete",
        .summary = "Print completion candidates for the last word",
        .usage = "WORD...",
        .n_operands_min = 1,
        .n_operands_max = ~0U,
        .run = complete_run,
        .raw = true,
        .hidden = true,
};
