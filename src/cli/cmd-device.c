/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar device TYPE: the words after the type belong to the device server (src/server/).
 *
 * A type that is a program of its own (device-programs.h) is executed with our own words, and it is this same file that
 * then finds the type built in.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/device-programs.h"
#include "server/server.h"

/* Becomes the type's program. Returns only if that cannot be. */
static int execute_other_program(const struct globals *globals, const char *type)
{
        char path[PATH_MAX];

        if (!device_program_path(globals->program, type, path, sizeof(path))) {
                log_error("device", "there is no busbar-device-%s beside %s: it needs %s when it is built", type,
                          globals->program, device_program_find(type)->needs);
                return STATUS_FAILED;
        }
        execv(path, globals->argv);
        log_error("device", "%s: %s", path, strerror(errno));
        return STATUS_FAILED;
}

static void print_help(const struct globals *globals)
{
        char path[PATH_MAX];

        fputs("usage: busbar device TYPE [OPTION]...\n\n"
              "Serve VIRTIO devices of one type to one or several guests over vhost-user.\n\n"
              "Types ('busbar device TYPE --help' lists the options of one):\n",
              stdout);
        for (size_t i = 0; server_types[i]; i++)
                printf("  %-12s %s\n", server_types[i]->name, server_types[i]->summary);
        for (const struct device_program *p = device_programs; p->type; p++)
                if (!server_type_find(p->type))
                        printf("  %-12s %s%s\n", p->type, p->summary,
                               device_program_path(globals->program, p->type, path, sizeof(path)) ?
                                       "" :
                                       " (not in this build)");
}

static int device_run(const struct invocation *inv)
{
        const struct server_type *type;
        const char *name = inv->operands[0];

        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
                print_help(inv->globals);
                return STATUS_OK;
        }
        type = server_type_find(name);
        if (type)
                return server_main(type, inv->operands + 1, inv->n_operands - 1);
        if (device_program_find(name))
                return execute_other_program(inv->globals, name);
        return usage_error("device", "unknown type '%s'", name);
}

static void device_complete(const struct globals *globals, char *const *words, size_t n_words, FILE *out)
{
        const struct server_type *type = n_words > 1 ? server_type_find(words[0]) : NULL;
        char path[PATH_MAX];

        if (type)
                server_complete(type, words + 1, n_words - 1, out);
        else if (n_words > 1 && device_program_find(words[0]))
                execute_other_program(globals, words[0]);
        for (size_t i = 0; n_words == 1 && server_types[i]; i++)
                fprintf(out, "%s\n", server_types[i]->name);
        for (const struct device_program *p = device_programs; n_words == 1 && p->type; p++)
                if (device_program_path(globals->program, p->type, path, sizeof(path)))
                        fprintf(out, "%s\n", p->type);
}

const struct command command_device = {
        .name = "device",
        .summary = "Serve VIRTIO devices of one type over vhost-user",
        .usage = "TYPE [OPTION]...",
        .n_operands_min = 1,
        .n_operands_max = ~0U,
        .run = device_run,
        .raw = true,
        .complete_raw = device_complete,
};
