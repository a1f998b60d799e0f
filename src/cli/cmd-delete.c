/* SPDX-License-Identifier: MPL-2.0 */
/* busbar delete: removes what is left of a stopped machine. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/access.h"
#include "runtime/control-client.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"

#define FORCED_END_MS 30000

static const struct command_option options[] = {
        { .name = "force", .letter = 'f',
          .help = "end the machine at once if it is not stopped; none, or a damaged state, is no error" },
        { .name = NULL },
};

/* An error here shows up as a machine that does not end. */
static void end_at_once(const char *folder)
{
        auto_cleanup(freep) char *path = path_join(folder, CONTROL_SOCKET);
        auto_cleanup(freep) char *error = NULL;

        if (path)
                (void) control_call(path, json_pack("{ss, si}", "op", "stop", "graceMs", 0), REQUEST_TIMEOUT_MS, NULL,
                                    &error);
        (void) run_dir_wait(folder, FORCED_END_MS);
}

static int delete_run(const struct invocation *inv)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = NULL;
        const char *id = inv->operands[0];
        bool force = invocation_has(inv, "force");
        int r;

        machine_state_init(&state);
        folder = root ? path_join(root, id) : NULL;
        if (!folder)
                return STATUS_FAILED;
        r = store_load(root, id, &state);
        if (r == -ENOENT && force)
                return STATUS_OK;
        if (r == 0 && state.system) {
                log_error(id, "it belongs to system %s, which ends by `busbar down %s`", state.system, state.system);
                return STATUS_FAILED;
        }
        if (force && (r == -EAGAIN || (r == 0 && state.status != MACHINE_STOPPED)))
                end_at_once(folder);
        else if (r < 0 && !(force && r == -EINVAL)) {
                (void) access_load(root, id, &state);
                return STATUS_FAILED;
        } else if (r == 0 && state.status != MACHINE_STOPPED) {
                log_error(id, "it is %s, not stopped; --force ends it first", machine_status_name(state.status));
                return STATUS_FAILED;
        }
        /* Stopped is what the janitor writes last; its lock goes a moment later. */
        (void) run_dir_wait(folder, FORCED_END_MS);
        r = store_delete(root, id);
        if (r == 0 || (r == -ENOENT && force))
                return STATUS_OK;
        log_error(id, "cannot be deleted: %s", strerror(-r));
        return STATUS_FAILED;
}

const struct command command_delete = {
        .name = "delete",
        .summary = "Remove what is left of a stopped machine",
        .usage = "ID",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = delete_run,
        .complete = complete_machine,
};
