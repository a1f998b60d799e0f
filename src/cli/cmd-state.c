/* SPDX-License-Identifier: MPL-2.0 */
/* busbar state: what OCI wants to know of a machine, and more. */
#include "base/cleanup.h"
#include "cli/access.h"
#include "runtime/control-client.h"
#include "runtime/run-dir.h"
#include "runtime/supervisor.h"

static int state_run(const struct invocation *inv)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = NULL;
        auto_cleanup(freep) char *path = NULL;
        auto_cleanup(freep) char *error = NULL;
        json_t *json = NULL;

        machine_state_init(&state);
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
        .summary = "Print the state of a machine as JSON",
        .usage = "ID",
        .description =
                "The members are those of the OCI runtime specification; annotations \"io.busbar.*\" tell platform, end and\n"
                "reason, and \"busbar\" the processes behind the devices, where the consoles are, and times.\n"
                "Besides OCI's states there is \"paused\".",
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = state_run,
        .complete = complete_machine,
};
