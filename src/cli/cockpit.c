/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/cockpit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/access.h"
#include "runtime/control-client.h"
#include "runtime/report.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"

/* Asks the system's supervisor where its scene is. Return: owned by the caller; NULL after an error was logged. */
static char *scene_of_system(const struct cockpit *c)
{
        auto_cleanup(freep) char *path = path_join(c->folder, CONTROL_SOCKET);
        auto_cleanup(freep) char *error = NULL;
        json_t *state = NULL;
        char *scene;

        if (!path || control_call(path, json_pack("{ss}", "op", "state"), REQUEST_TIMEOUT_MS, &state, &error) < 0) {
                log_error(c->name, "%s", error ? error : "out of memory");
                return NULL;
        }
        scene = strdup(report_text(state, "scene"));
        json_decref(state);
        return scene;
}

/* A machine alone has its scene in its folder. Return: as scene_of_system(). */
static char *scene_of_machine(const char *root, const struct cockpit *c)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *path = NULL;

        machine_state_init(&state);
        if (!run_name_valid(c->name) || store_load(root, c->name, &state) < 0) {
                log_error(c->name, "there is no system or machine of this name below %s", root);
                return NULL;
        }
        if (state.status == MACHINE_STOPPED) {
                log_error(c->name, "it is stopped");
                return NULL;
        }
        if (state.system) {
                log_error(c->name, "its screens are those of its system: name \"%s\" instead", state.system);
                return NULL;
        }
        path = path_join(c->folder, "scene.json");
        if (!path || access(path, R_OK) < 0) {
                log_error(c->name, "it has no displays, input or sound");
                return NULL;
        }
        return take_ptr(&path);
}

static int find(const char *root, const char *operand, struct cockpit *c, char **ret_scene)
{
        auto_cleanup(freep) char *system = access_system_name(root, operand);
        auto_cleanup(freep) char *folder = NULL;

        if (!system || asprintf(&folder, "%s/@%s", root, system) < 0)
                return -1;
        if (run_name_valid(system) && run_dir_in_use(folder)) {
                c->name = take_ptr(&system);
                c->folder = take_ptr(&folder);
                *ret_scene = scene_of_system(c);
        } else {
                c->name = strdup(operand);
                c->folder = path_join(root, operand);
                *ret_scene = c->name && c->folder ? scene_of_machine(root, c) : NULL;
        }
        return *ret_scene ? 0 : -1;
}

int cockpit_open(const struct invocation *inv, const char *operand, struct cockpit *ret)
{
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *scene = NULL;
        auto_cleanup(freep) char *error = NULL;

        if (!root || find(root, operand, ret, &scene) < 0)
                return STATUS_FAILED;
        if (scene_load(scene, &ret->scene, &error) == 0)
                return STATUS_OK;
        log_error(ret->name, "%s", error ? error : "out of memory");
        return STATUS_FAILED;
}

void cockpit_deinit(struct cockpit *c)
{
        scene_deinit(&c->scene);
        free(c->name);
        free(c->folder);
        *c = (struct cockpit){ 0 };
}

const struct scene_screen *cockpit_find_screen(const struct cockpit *c, const char *name)
{
        auto_cleanup(freep) char *names = NULL;
        size_t n = 0;
        FILE *out;

        for (size_t i = 0; i < c->scene.n_screens; i++)
                if (!name || strcmp(c->scene.screens[i].name, name) == 0)
                        return &c->scene.screens[i];
        if (c->scene.n_screens == 0) {
                log_error(c->name, "it has no screens");
                return NULL;
        }
        out = open_memstream(&names, &n);
        for (size_t i = 0; out && i < c->scene.n_screens; i++)
                (void) fprintf(out, "%s%s", i > 0 ? ", " : "", c->scene.screens[i].name);
        if (out)
                (void) fclose(out);
        log_error(c->name, "it has no screen \"%s\"; its screens: %s", name, names ? names : "?");
        return NULL;
}

void complete_cockpit(const struct globals *globals, unsigned index, FILE *out)
{
        complete_system(globals, index, out);
        complete_machine(globals, index, out);
}
