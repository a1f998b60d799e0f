/* SPDX-License-Identifier: MPL-2.0 */
/* busbar features: the features document of the OCI runtime specification. */
#include <limits.h>

#include "cli/access.h"
#include "cli/device-programs.h"
#include "platform/platform.h"
#include "server/server.h"

static void put_device(json_t *annotations, const char *type, const char *how)
{
        char name[64];

        (void) snprintf(name, sizeof(name), "io.busbar.device.%s", type);
        (void) json_object_set_new(annotations, name, json_string(how));
}

static int features_run(const struct invocation *inv)
{
        char path[PATH_MAX];
        json_t *annotations = json_pack("{ss}", "io.busbar.version", BUSBAR_VERSION);

        for (size_t i = 0; platforms[i]; i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "io.busbar.platform.%s", platforms[i]->name);
                (void) json_object_set_new(annotations, name, json_string("built-in"));
        }
        for (size_t i = 0; server_types[i]; i++)
                put_device(annotations, server_types[i]->name, "built-in");
        for (const struct device_program *p = device_programs; p->type; p++)
                if (device_program_path(inv->globals->program, p->type, path, sizeof(path)))
                        put_device(annotations, p->type, "program");
        /* Of the members that concern containers only those that are required are there, and say "none". */
        return print_json(json_pack("{ss, ss, s[], s[], so*, s[]}", "ociVersionMin", "1.0.0", "ociVersionMax",
                                    OCI_VERSION, "hooks", "mountOptions", "annotations", annotations,
                                    "potentiallyUnsafeConfigAnnotations"));
}

const struct command command_features = {
        .name = "features",
        .summary = "Print what this runtime can do, as OCI wants it",
        .usage = "",
        .run = features_run,
};
