/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/control-client.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"

char *access_root(const struct invocation *inv)
{
        char *root;
        int r = run_root_path(inv->globals->root, &root);

        if (r == 0)
                return root;
        log_error(inv->command->name, "%s: %s", inv->globals->root, strerror(-r));
        return NULL;
}

bool access_load(const char *root, const char *id, struct machine_state *ret)
{
        int r = store_load(root, id, ret);

        if (r == -ENOENT || r == -ENOTUNIQ)
                log_error(id, "there is no machine of this name below %s", root);
        else if (r == -EAGAIN)
                log_error(id, "it is being made or removed at this moment");
        else if (r < 0)
                log_error(id, "its state cannot be read: %s", r == -EINVAL ? "state.json is damaged" : strerror(-r));
        return r == 0;
}

int access_request(const struct invocation *inv, const char *id, json_t *request_take)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = NULL;
        auto_cleanup(freep) char *path = NULL;
        auto_cleanup(freep) char *error = NULL;
        int r = -ENOMEM;

        machine_state_init(&state);
        if (!root || !access_load(root, id, &state)) {
                json_decref(request_take);
                return STATUS_FAILED;
        }
        if (state.status == MACHINE_STOPPED) {
                json_decref(request_take);
                log_error(id, "it is stopped");
                return STATUS_FAILED;
        }
        folder = path_join(root, id);
        path = folder ? path_join(folder, CONTROL_SOCKET) : NULL;
        if (path)
                r = control_call(path, request_take, REQUEST_TIMEOUT_MS, NULL, &error);
        else
                json_decref(request_take);
        if (r == 0)
                return STATUS_OK;
        if (r == -ECONNREFUSED || r == -ENOENT || r == -ECONNRESET)
                log_error(id, "it has just ended");
        else
                log_error(id, "%s", error ? error : strerror(-r));
        return STATUS_FAILED;
}

static bool is_up(const char *root, const char *name)
{
        auto_cleanup(freep) char *folder = NULL;

        return run_name_valid(name) && asprintf(&folder, "%s/@%s", root, name) >= 0 && run_dir_in_use(folder);
}

char *access_system_name(const char *root, const char *operand)
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

int print_json(json_t *json_take)
{
        bool is_printed = json_take && json_dumpf(json_take, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;

        json_decref(json_take);
        if (is_printed && fflush(stdout) == 0)
                return STATUS_OK;
        log_error("busbar", "cannot write to standard output: %s", strerror(errno));
        return STATUS_FAILED;
}

void complete_machine(const struct globals *globals, unsigned index, FILE *out)
{
        auto_cleanup(store_list_deinit) struct store_list list = { 0 };
        auto_cleanup(freep) char *root = NULL;

        if (index > 0 || run_root_path(globals->root, &root) < 0 || store_list(root, &list) < 0)
                return;
        for (size_t i = 0; i < list.n_machines; i++)
                fprintf(out, "%s\n", list.machines[i].id);
}

void complete_system(const struct globals *globals, unsigned index, FILE *out)
{
        auto_cleanup(store_list_deinit) struct store_list list = { 0 };
        auto_cleanup(freep) char *root = NULL;

        if (index > 0 || run_root_path(globals->root, &root) < 0 || store_list(root, &list) < 0)
                return;
        for (size_t i = 0; i < list.n_systems; i++)
                fprintf(out, "%s\n", list.systems[i]);
}
