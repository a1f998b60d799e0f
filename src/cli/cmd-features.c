/* SPDX-License-Identifier: MPL-2.0 */
/* busbar features: the features document of the OCI runtime specification. */
#include "cli/access.h"
#include "platform/platform.h"

static int features_run(const struct invocation *inv)
{
        json_t *annotations = json_pack("{ss}", "io.busbar.version", BUSBAR_VERSION);

        for (size_t i = 0; platforms[i]; i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "io.busbar.platform.%s", platforms[i]->name);
                (void) json_object_set_new(annotations, name, json_string("built-in"));
        }
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
