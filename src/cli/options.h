/* SPDX-License-Identifier: MPL-2.0 */
/* Reads options by a table, and prints tables as help. Only the frame needs this; verbs see struct invocation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/command.h"

struct option_list {
        struct option_value *values; /* owned; texts are borrowed from argv */
        size_t n_values;
        char **operands;             /* owned array, borrowed texts */
        size_t n_operands;
        bool help;                   /* --help or -h was given */
};

/**
 * options_parse() - split words into options and operands
 * @subject:     for error messages
 * @table:       options besides --help; NULL: none
 * @stop_early:  everything from the first operand on is an operand (options of the program, before the verb)
 *
 * Forms: --name VALUE, --name=VALUE, -x VALUE, -xVALUE, and "--" before operands that begin with a dash. A negative
 * number is an operand.
 *
 * Return: 0, *ret to be freed by option_list_deinit(); -EINVAL after an error was logged; -ENOMEM.
 */
int options_parse(const char *subject, const struct command_option *table, char *const *words, size_t n_words,
                  bool stop_early, struct option_list *ret);
void option_list_deinit(struct option_list *list);

void options_print(const struct command_option *table, FILE *out);

/* Help of one verb. */
void command_print_help(const struct command *command, FILE *out);
/* Help of the program. */
void program_print_help(FILE *out);
