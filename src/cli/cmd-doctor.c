/* SPDX-License-Identifier: MPL-2.0 */
/* busbar doctor: what this host can and cannot do, why not, and what would help. */
#include <limits.h>
#include <string.h>

#include "base/macros.h"
#include "cli/access.h"
#include "cli/build-parts.h"
#include "cli/device-programs.h"
#include "cli/doctor-checks.h"
#include "platform/platform.h"
#include "server/server.h"

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

/* What a build has of an optional type, and what would bring the rest. */
static void add_parts(json_t *entry, const char *type)
{
        json_t *has = json_array(), *lacks = json_object();

        for (const struct build_part *p = build_parts; p->type; p++) {
                if (strcmp(p->type, type) != 0)
                        continue;
                if (p->is_there)
                        (void) json_array_append_new(has, json_string(p->name));
                else
                        (void) json_object_set_new(lacks, p->name, json_string(p->needs));
        }
        (void) json_object_set_new(entry, "has", has);
        (void) json_object_set_new(entry, "lacks", lacks);
}

static json_t *examine_devices(const struct globals *globals)
{
        json_t *all = json_array();
        char path[PATH_MAX];

        for (size_t i = 0; server_types[i]; i++)
                (void) json_array_append_new(all, json_pack("{ss, sb}", "type", server_types[i]->name, "there", 1));
        for (const struct device_program *p = device_programs; p->type; p++) {
                bool there = device_program_path(globals->program, p->type, path, sizeof(path));
                json_t *entry = json_pack("{ss, sb}", "type", p->type, "there", (int) there);

                if (there)
                        add_parts(entry, p->type);
                else
                        (void) json_object_set_new(entry, "needs", json_string(p->needs));
                (void) json_array_append_new(all, entry);
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

static void print_devices(const json_t *all)
{
        printf("devices\n");
        for (size_t i = 0; i < json_array_size(all); i++) {
                json_t *d = json_array_get(all, i), *has = json_object_get(d, "has"), *needs;
                const char *name;

                printf("  %-9s %s", text(d, "type"), holds(d, "there") ? "yes" : "no");
                for (size_t k = 0; k < json_array_size(has); k++)
                        printf("%s%s", k == 0 ? " with " : ", ", json_string_value(json_array_get(has, k)));
                printf("\n");
                if (!holds(d, "there"))
                        printf("  %-18s fix: a build with %s\n", "", text(d, "needs"));
                json_object_foreach(json_object_get(d, "lacks"), name, needs)
                        printf("  %-18s without %s: a build with %s has it\n", "", name, json_string_value(needs));
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
        json_t *found = examine_platforms(), *host = examine_host(), *devices = examine_devices(inv->globals);
        bool usable = is_usable(found, host);

        if (invocation_has(inv, "json")) {
                (void) print_json(json_pack("{sb, so, so, so}", "usable", (int) usable, "platforms", found, "host",
                                            host, "devices", devices));
                return usable ? STATUS_OK : STATUS_FAILED;
        }
        print_platforms(found);
        print_host(host);
        print_devices(devices);
        printf("%s\n", usable ? "Machines can run on this host." : "No machine can run on this host.");
        json_decref(found);
        json_decref(host);
        json_decref(devices);
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
