/* SPDX-License-Identifier: MPL-2.0 */
/* busbar doctor: what this host can and cannot do, why not, and what would help. */
#include <string.h>

#include "base/macros.h"
#include "cli/access.h"
#include "cli/doctor-checks.h"
#include "platform/platform.h"

static const struct command_option options[] = {
        { .name = "json", .help = "print JSON" },
        { .name = NULL },
};

static const enum machine_arch archs[] = { ARCH_X86_64, ARCH_AARCH64 };

static json_t *examine_platforms(void)
{
        json_t *all = json_array();

        for (size_t i = 0; platforms[i]; i++) {
                for (size_t k = 0; k < ARRAY_SIZE(archs); k++) {
                        struct platform_probe probe = { 0 };
                        int r = platforms[i]->probe(archs[k], &probe);

                        if (r < 0)
                                (void) snprintf(probe.why, sizeof(probe.why), "%s", strerror(-r));
                        (void) json_array_append_new(
                                all, json_pack("{ss, ss, sb, sb, ss, ss}", "platform", platforms[i]->name, "arch",
                                               machine_arch_name(archs[k]), "usable", (int) probe.usable, "accelerated",
                                               (int) probe.accelerated, "version", probe.version, "why", probe.why));
                }
        }
        return all;
}

static json_t *examine_host(void)
{
        json_t *all = json_array();

        for (const struct doctor_check *c = doctor_checks; c->name; c++) {
                char detail[256] = "";
                bool there = c->run(detail, sizeof(detail));

                (void) json_array_append_new(all, json_pack("{ss, sb, sb, ss, ss, ss}", "name", c->name, "there",
                                                            (int) there, "required", (int) c->required, "for", c->why,
                                                            "detail", detail, "fix", there ? "" : c->fix));
        }
        return all;
}

static const char *text(const json_t *object, const char *member)
{
        return json_string_value(json_object_get(object, member));
}

static bool holds(const json_t *object, const char *member) { return json_is_true(json_object_get(object, member)); }

static void print_platforms(const json_t *all)
{
        printf("platforms\n");
        for (size_t i = 0; i < json_array_size(all); i++) {
                const json_t *p = json_array_get(all, i);

                printf("  %-4s %-8s %-8s %s%s%s\n", text(p, "platform"), text(p, "arch"),
                       !holds(p, "usable")       ? "no"
                       : holds(p, "accelerated") ? "fast"
                                                 : "emulated",
                       text(p, "version"), *text(p, "version") && *text(p, "why") ? ": " : "", text(p, "why"));
        }
}

static void print_host(const json_t *all)
{
        printf("host\n");
        for (size_t i = 0; i < json_array_size(all); i++) {
                const json_t *c = json_array_get(all, i);

                printf("  %-9s %-8s %s%s%s\n", text(c, "name"),
                       holds(c, "there")      ? "yes"
                       : holds(c, "required") ? "MISSING"
                                              : "no",
                       text(c, "for"), *text(c, "detail") ? ": " : "", text(c, "detail"));
                if (!holds(c, "there"))
                        printf("  %-18s fix: %s\n", "", text(c, "fix"));
        }
}

/* Return: true if some machine can run here. */
static bool is_usable(const json_t *found, const json_t *host)
{
        bool usable = false;

        for (size_t i = 0; i < json_array_size(found); i++)
                usable |= holds(json_array_get(found, i), "usable");
        for (size_t i = 0; i < json_array_size(host); i++) {
                const json_t *c = json_array_get(host, i);

                usable &= holds(c, "there") || !holds(c, "required");
        }
        return usable;
}

static int doctor_run(const struct invocation *inv)
{
        json_t *found = examine_platforms(), *host = examine_host();
        bool usable = is_usable(found, host);

        if (invocation_has(inv, "json")) {
                (void) print_json(json_pack("{sb, so, so}", "usable", (int) usable, "platforms", found, "host", host));
                return usable ? STATUS_OK : STATUS_FAILED;
        }
        print_platforms(found);
        print_host(host);
        printf("%s\n", usable ? "Machines can run on this host." : "No machine can run on this host.");
        json_decref(found);
        json_decref(host);
        return usable ? STATUS_OK : STATUS_FAILED;
}

const struct command command_doctor = {
        .name = "doctor",
        .summary = "Say what this host can and cannot do, and why",
        .usage = "",
        .description = "Exit status 0 says that some machine can run here.",
        .options = options,
        .run = doctor_run,
};
