/* SPDX-License-Identifier: MPL-2.0 */
/* busbar state: what OCI wants to know of a machine, and more. */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/access.h"
#include "runtime/control-client.h"
#include "runtime/run-dir.h"
#include "runtime/supervisor.h"

/* "@car": what the system's supervisor knows. */
static int print_system(const char *root, const char *name)
{
        auto_cleanup(freep) char *folder = path_join(root, name);
        auto_cleanup(freep) char *path = folder ? path_join(folder, CONTROL_SOCKET) : NULL;
        auto_cleanup(freep) char *error = NULL;
        json_t *json = NULL;
        int r;

        if (!path)
                return STATUS_FAILED;
        if (!run_name_valid(name + 1) || !run_dir_in_use(folder)) {
                log_error(name + 1, "no system of this name is up below %s", root);
                return STATUS_FAILED;
        }
        r = control_call(path, json_pack("{ss}", "op", "state"), REQUEST_TIMEOUT_MS, &json, &error);
        if (r == 0)
                return print_json(json);
        log_error(name + 1, "%s", error ? error : strerror(-r));
        return STATUS_FAILED;
}

static int state_run(const struct invocation *inv)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = NULL;
        auto_cleanup(freep) char *path = NULL;
        auto_cleanup(freep) char *error = NULL;
        json_t *json = NULL;

        machine_state_init(&state);
        if (root && inv->operands[0][0] == '@')
                return print_system(root, inv->operands[0]);
        if (!root || !access_load(root, inv->operands[0], &state))
                return STATUS_FAILED;
        folder = path_join(root, inv->operands[0]);
        path = folder ? path_join(folder, CONTROL_SOCKET) : NULL;
        /* The file can be behind while the disk is full; the supervisor is not. */
        if (!path || state.status == MACHINE_STOPPED ||
            control_call(path, json_pack("{ss}", "op", "state"), REQUEST_TIMEOUT_MS, &json, &error) < 0)
                json = machine_state_to_json(&state);
        return print_json(json);
}

const struct command command_state = {
        .name = "state",
        .summary = "Print the state of a machine or system as JSON",
        .usage = "ID|@SYSTEM",
        .description =
                "The members are those of the OCI runtime specification; annotations \"io.busbar.*\" tell platform, "
                "end and\n"
                "reason, and \"busbar\" the processes behind the devices, where the consoles are, and times.\n"
                "Besides OCI's states there is \"paused\". Of a system it is which of its machines live, "
                "the servers that\n"
                "they share, and the guards that were violated.",
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = state_run,
        .complete = complete_machine,
};
