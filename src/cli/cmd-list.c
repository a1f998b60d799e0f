/* SPDX-License-Identifier: MPL-2.0 */
/* busbar list: all machines below the root. */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/access.h"
#include "runtime/store.h"

static const char *const formats[] = { "table", "json", NULL };
static const struct command_option options[] = {
        { .name = "format",
          .letter = 'f',
          .argument = "FORMAT",
          .help = "table (default) or json",
          .choices = formats },
        { .name = "json", .help = "same as --format json" },
        { .name = "quiet", .letter = 'q', .help = "ids only" },
        { .name = NULL },
};

static int print_list(const struct store_list *list)
{
        json_t *all = json_array();

        for (size_t i = 0; i < list->n_machines; i++)
                (void) json_array_append_new(all, machine_state_to_json(&list->machines[i]));
        return print_json(all);
}

static void print_table(const struct store_list *list)
{
        int id = 2, status = 6, platform = 8, system = 6;

        for (size_t i = 0; i < list->n_machines; i++) {
                const struct machine_state *m = &list->machines[i];

                id = (int) strlen(m->id) > id ? (int) strlen(m->id) : id;
                platform = m->platform && (int) strlen(m->platform) > platform ? (int) strlen(m->platform) : platform;
                system = m->system && (int) strlen(m->system) > system ? (int) strlen(m->system) : system;
                status = (int) strlen(machine_status_name(m->status)) > status
                                 ? (int) strlen(machine_status_name(m->status))
                                 : status;
        }
        printf("%-*s  %-*s  %8s  %-*s  %-*s  %-20s  %s\n", id, "ID", status, "STATUS", "PID", platform, "PLATFORM",
               system, "SYSTEM", "CREATED", "BUNDLE");
        for (size_t i = 0; i < list->n_machines; i++) {
                const struct machine_state *m = &list->machines[i];

                printf("%-*s  %-*s  %8d  %-*s  %-*s  %-20s  %s\n", id, m->id, status, machine_status_name(m->status),
                       m->status == MACHINE_STOPPED ? 0 : m->pid, platform, m->platform ? m->platform : "-", system,
                       m->system ? m->system : "-", m->created, m->bundle);
        }
}

static int list_run(const struct invocation *inv)
{
        auto_cleanup(store_list_deinit) struct store_list list = { 0 };
        auto_cleanup(freep) char *root = access_root(inv);
        const char *format = invocation_value(inv, "format");
        int r;

        if (!root)
                return STATUS_FAILED;
        r = store_list(root, &list);
        if (r < 0) {
                log_error("list", "%s: %s", root, strerror(-r));
                return STATUS_FAILED;
        }
        if (invocation_has(inv, "json") || (format && strcmp(format, "json") == 0))
                return print_list(&list);
        if (!invocation_has(inv, "quiet")) {
                print_table(&list);
                return STATUS_OK;
        }
        for (size_t i = 0; i < list.n_machines; i++)
                printf("%s\n", list.machines[i].id);
        return STATUS_OK;
}

const struct command command_list = {
        .name = "list",
        .summary = "List machines",
        .usage = "",
        .options = options,
        .run = list_run,
};
