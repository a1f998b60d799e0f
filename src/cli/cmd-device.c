/* SPDX-License-Identifier: MPL-2.0 */
/* busbar device TYPE: the words after the type belong to the device server (src/server/). */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"
#include "server/server.h"

static void print_help(void)
{
        fputs("usage: busbar device TYPE [OPTION]...\n\n"
              "Serve VIRTIO devices of one type to one or several guests over vhost-user.\n\n"
              "Types ('busbar device TYPE --help' lists the options of one):\n",
              stdout);
        for (size_t i = 0; server_types[i]; i++)
                printf("  %-12s %s\n", server_types[i]->name, server_types[i]->summary);
}

static int device_run(const struct invocation *inv)
{
        const struct server_type *type;
        const char *name = inv->operands[0];

        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
                print_help();
                return STATUS_OK;
        }
        type = server_type_find(name);
        if (!type)
                return usage_error("device", "unknown type '%s'", name);
        return server_main(type, inv->operands + 1, inv->n_operands - 1);
}

static void device_complete(char *const *words, size_t n_words, FILE *out)
{
        const struct server_type *type = n_words > 1 ? server_type_find(words[0]) : NULL;

        if (type)
                server_complete(type, words + 1, n_words - 1, out);
        for (size_t i = 0; n_words == 1 && server_types[i]; i++)
                fprintf(out, "%s\n", server_types[i]->name);
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
