/* SPDX-License-Identifier: MPL-2.0 */
/* busbar down: ends a system, orderly first. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static bool is_up(const char *root, const char *name)
{
        auto_cleanup(freep) char *folder = NULL;

        return run_name_valid(name) && asprintf(&folder, "%s/@%s", root, name) >= 0 && run_dir_in_use(folder);
}

/*
 * "pair", "pair.json", "examples/pair/pair.json", or a folder with a system.json → its name; owned by the caller. A
 * system that is called like a folder here comes first.
 */
static char *system_name(const char *root, const char *operand)
{
        const char *base = strrchr(operand, '/');
        struct stat st;
        size_t n;

        if (stat(operand, &st) == 0 && S_ISDIR(st.st_mode) && !is_up(root, operand))
                return strdup("system");
        base = base ? base + 1 : operand;
        n = strlen(base);
        if (n > 5 && strcmp(base + n - 5, ".json") == 0)
                n -= 5;
        return strndup(base, n);
}

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
        auto_cleanup(freep) char *name = root ? system_name(root, inv->operands[0]) : NULL;
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

static void down_complete(const struct globals *globals, unsigned index, FILE *out)
{
        auto_cleanup(store_list_deinit) struct store_list list = { 0 };
        auto_cleanup(freep) char *root = NULL;

        if (index > 0 || run_root_path(globals->root, &root) < 0 || store_list(root, &list) < 0)
                return;
        for (size_t i = 0; i < list.n_systems; i++)
                fprintf(out, "%s\n", list.systems[i]);
}

const struct command command_down = {
        .name = "down",
        .summary = "End a system",
        .usage = "SYSTEM",
        .description =
                "SYSTEM is its name or its file. All guests are asked to power down, those that depend on others first; what\n"
                "still runs after the grace period ends at once. Returns when nothing of the system is left.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = down_run,
        .complete = down_complete,
};
