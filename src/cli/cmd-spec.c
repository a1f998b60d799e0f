/* SPDX-License-Identifier: MPL-2.0 */
/* busbar spec: a bundle's config.json to start from, and the schemas of the formats. The texts are in schemas/. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/command.h"

/* Embedded by tools/embed-text. */
extern const char spec_bundle_schema[], spec_system_schema[], spec_bundle_template[];

static const char *const schemas[] = { "bundle", "system", NULL };

static int write_config(const char *folder)
{
        auto_cleanup(freep) char *path = NULL;
        auto_cleanup(closep) int fd = -1;
        int r;

        if (asprintf(&path, "%s/config.json", folder) < 0) {
                path = NULL;
                return STATUS_FAILED;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        r = fd < 0 ? -errno : fd_write_full(fd, spec_bundle_template, strlen(spec_bundle_template));
        if (r < 0) {
                log_error("spec", "%s: %s", path, strerror(-r));
                return STATUS_FAILED;
        }
        return STATUS_OK;
}

static int spec_run(const struct invocation *inv)
{
        const char *schema = invocation_value(inv, "schema"), *folder = invocation_value(inv, "bundle");
        const char *text = spec_bundle_template;

        if (schema && folder)
                return usage_error("spec", "--schema and --bundle do not go together");
        if (folder)
                return write_config(folder);
        if (schema)
                text = strcmp(schema, "bundle") == 0 ? spec_bundle_schema : spec_system_schema;
        if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
                log_error("spec", "standard output: %s", strerror(errno));
                return STATUS_FAILED;
        }
        return STATUS_OK;
}

static const struct command_option options[] = {
        { .name = "bundle", .letter = 'b', .argument = "DIR",
          .help = "write DIR/config.json, which must not be there" },
        { .name = "schema", .argument = "FORMAT", .help = "print the JSON Schema of a format: bundle or system",
          .choices = schemas },
        { .name = NULL },
};

const struct command command_spec = {
        .name = "spec",
        .summary = "Print a bundle's config.json to start from, or a format's schema",
        .usage = "",
        .options = options,
        .run = spec_run,
};
