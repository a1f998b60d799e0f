/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar device TYPE: the words after the type belong to the device server (src/server/).
 *
 * A type whose libraries are large is a program of its own, busbar-device-TYPE, so that neither the monitor nor the other
 * servers carry them. busbar executes it with its own words, and it is this same file that then finds the type built in.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "cli/command.h"
#include "server/server.h"

static const struct {
        const char *name, *summary;
} other_programs[] = {
        { "gpu", "Displays of several guests composed on screens" },
        { "input", "Touch, keys, pointer and rotary knob for the guest whose display is used" },
        { "sound", "Sound of several guests mixed by priority" },
};

static bool is_other_program(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(other_programs); i++)
                if (strcmp(other_programs[i].name, name) == 0)
                        return true;
        return false;
}

/* Beside this program (as built), or where it is installed. Return: false if it is in neither place. */
static bool find_other_program(const char *program, const char *type, char *ret, size_t n)
{
        static const char *const places[] = { "", "../libexec/busbar/" };
        const char *slash = strrchr(program, '/');
        int n_folder = slash ? (int) (slash + 1 - program) : 0;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                if (snprintf(ret, n, "%.*s%sbusbar-device-%s", n_folder, program, places[i], type) < (int) n &&
                    access(ret, X_OK) == 0)
                        return true;
        return false;
}

/* Becomes the type's program. Returns only if that cannot be. */
static int execute_other_program(const struct globals *globals, const char *type)
{
        char path[PATH_MAX];

        if (!find_other_program(globals->program, type, path, sizeof(path))) {
                log_error("device", "there is no busbar-device-%s beside %s: this build lacks a library that it needs", type,
                          globals->program);
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
        for (size_t i = 0; i < ARRAY_SIZE(other_programs); i++)
                if (!server_type_find(other_programs[i].name))
                        printf("  %-12s %s%s\n", other_programs[i].name, other_programs[i].summary,
                               find_other_program(globals->program, other_programs[i].name, path, sizeof(path)) ?
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
        if (is_other_program(name))
                return execute_other_program(inv->globals, name);
        return usage_error("device", "unknown type '%s'", name);
}

static void device_complete(const struct globals *globals, char *const *words, size_t n_words, FILE *out)
{
        const struct server_type *type = n_words > 1 ? server_type_find(words[0]) : NULL;
        char path[PATH_MAX];

        if (type)
                server_complete(type, words + 1, n_words - 1, out);
        else if (n_words > 1 && is_other_program(words[0]))
                execute_other_program(globals, words[0]);
        for (size_t i = 0; n_words == 1 && server_types[i]; i++)
                fprintf(out, "%s\n", server_types[i]->name);
        for (size_t i = 0; n_words == 1 && i < ARRAY_SIZE(other_programs); i++)
                if (find_other_program(globals->program, other_programs[i].name, path, sizeof(path)))
                        fprintf(out, "%s\n", other_programs[i].name);
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
