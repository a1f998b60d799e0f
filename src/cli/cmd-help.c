/* SPDX-License-Identifier: MPL-2.0 */
/* busbar help [VERB] */
#include "cli/command.h"
#include "cli/options.h"

static int help_run(const struct invocation *inv)
{
        const struct command *command;

        if (inv->n_operands == 0) {
                program_print_help(stdout);
                return STATUS_OK;
        }
        command = command_find(inv->operands[0]);
        if (!command)
                return usage_error("help", "unknown verb '%s'", inv->operands[0]);
        if (command->raw) {
                char *const words[] = { (char *) "--help" };
                struct invocation help = { .command = command, .globals = inv->globals, .operands = words,
                                           .n_operands = 1 };

                return command->run(&help);
        }
        command_print_help(command, stdout);
        return STATUS_OK;
}

static void help_complete(const struct globals *globals, unsigned index, FILE *out)
{
        for (size_t i = 0; index == 0 && commands[i]; i++)
                if (!commands[i]->hidden)
                        fprintf(out, "%s\n", commands[i]->name);
}

const struct command command_help = {
        .name = "help",
        .summary = "Say what busbar, or one of its verbs, takes",
        .usage = "[VERB]",
        .n_operands_max = 1,
        .run = help_run,
        .complete = help_complete,
};
