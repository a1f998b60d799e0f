/* SPDX-License-Identifier: MPL-2.0 */
/* busbar down: ends a system, orderly first. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/access.h"
#include "runtime/control-client.h"
#include "runtime/keeper.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"

/* What all ends take once the grace period is over. */
#define FORCED_END_MS 30000

static const struct command_option options[] = {
        { .name = "timeout",
          .letter = 't',
          .argument = "SECONDS",
          .help = "how long guests have for powering down (default: 20); 0 ends them at once" },
        { .name = NULL },
};

static int parse_timeout(const char *text, unsigned *ret_ms)
{
        char *end;
        unsigned long seconds;

        *ret_ms = STOP_GRACE_MS;
        if (!text)
                return 0;
        errno = 0;
        seconds = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end || *text == '-' || seconds > 3600)
                return -EINVAL;
        *ret_ms = (unsigned) seconds * 1000;
        return 0;
}

static int down_run(const struct invocation *inv)
{
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *name = root ? access_system_name(root, inv->operands[0]) : NULL;
        auto_cleanup(freep) char *folder = NULL;
        auto_cleanup(freep) char *path = NULL;
        auto_cleanup(freep) char *error = NULL;
        unsigned grace_ms;
        int r;

        if (parse_timeout(invocation_value(inv, "timeout"), &grace_ms) < 0)
                return usage_error("down", "--timeout: expected seconds up to 3600");
        if (!root || !name || asprintf(&folder, "%s/@%s", root, name) < 0 ||
            !(path = path_join(folder, CONTROL_SOCKET)))
                return STATUS_FAILED;
        if (!run_name_valid(name) || !run_dir_in_use(folder)) {
                log_error(name, "no system of this name is up below %s", root);
                return STATUS_FAILED;
        }
        r = control_call(path, json_pack("{ss, si}", "op", "down", "graceMs", (int) grace_ms), REQUEST_TIMEOUT_MS, NULL,
                         &error);
        /* Whoever looks after it may be gone by now; that it ends is what counts. */
        if (r < 0 && run_dir_in_use(folder) && r != -ECONNRESET && r != -ECONNREFUSED && r != -ENOENT) {
                log_error(name, "%s", error ? error : strerror(-r));
                return STATUS_FAILED;
        }
        r = run_dir_wait(folder, grace_ms + FORCED_END_MS);
        if (r == 0)
                return STATUS_OK;
        log_error(name, "it has not ended: %s", strerror(-r));
        return STATUS_FAILED;
}

const struct command command_down = {
        .name = "down",
        .summary = "End a system",
        .usage = "SYSTEM",
        .description =
                "SYSTEM is its name or its file. All guests are asked to power down, "
                "those that depend on others first; what\n"
                "still runs after the grace period ends at once. Returns when nothing of the system is left.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = down_run,
        .complete = complete_system,
};
