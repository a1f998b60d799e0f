/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

/*
 * With the root's lock held: nobody looks after @path. Return: 0 with the final state; -ENOENT if it was removed;
 * -ENOTUNIQ if it is none of ours; -EINVAL if its state is damaged, then it is left as it is.
 */
static int clean_stale(const char *path, struct machine_state *ret)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        int r;

        machine_state_init(&state);
        r = machine_state_load(path, &state);
        if (r == -ENOENT) {
                r = run_dir_remove_remains(path);
                return r == -ENOTEMPTY ? -ENOTUNIQ : r < 0 ? r : -ENOENT;
        }
        if (r < 0)
                return r;
        if (state.is_transient || state.status == MACHINE_CREATING) {
                r = run_dir_remove(path);
                return r < 0 ? r : -ENOENT;
        }
        if (state.status != MACHINE_STOPPED) {
                run_dir_strip(path, NULL);
                state.status = MACHINE_STOPPED;
                for (size_t i = 0; i < state.n_devices; i++)
                        state.devices[i].server_pid = 0;
                r = state_set_text(&state.end, "failed");
                if (r == 0)
                        r = state_set_text(&state.reason, "its supervisor and janitor were killed");
                if (r < 0)
                        return r;
                /* On a full disk the next command finds it stale again, and says the same. */
                if (machine_state_save(&state, path) == -ENOSPC) {
                        run_dir_make_room(path);
                        (void) machine_state_save(&state, path);
                }
        }
        *ret = state;
        machine_state_init(&state);
        return 0;
}

static int load_settled(const char *path, struct machine_state *ret)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        int r;

        machine_state_init(&state);
        r = machine_state_load(path, &state);
        if (r < 0)
                return r == -ENOENT ? -EAGAIN : r;
        *ret = state;
        machine_state_init(&state);
        return 0;
}

static int load_path(const char *root, const char *path, struct machine_state *ret)
{
        auto_cleanup(closep) int lock = -1;
        struct stat st;

        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOENT;
        if (run_dir_in_use(path))
                return load_settled(path, ret);
        lock = run_root_lock(root);
        if (lock < 0)
                return lock;
        if (lstat(path, &st) < 0)
                return -errno;
        return run_dir_in_use(path) ? load_settled(path, ret) : clean_stale(path, ret);
}

int store_load(const char *root, const char *id, struct machine_state *ret)
{
        auto_cleanup(freep) char *path = NULL;

        if (!run_name_valid(id))
                return -ENOENT;
        path = path_join(root, id);
        return path ? load_path(root, path, ret) : -ENOMEM;
}

/* With the root's lock held. */
static int make_way(const char *path)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        const char *name = strrchr(path, '/') + 1;
        struct stat st;

        machine_state_init(&state);
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (run_dir_in_use(path))
                return -EEXIST;
        if (name[0] == '@')
                return run_dir_remove_remains(path);
        return clean_stale(path, &state) == -ENOENT ? 0 : -EEXIST;
}

int store_create(const char *root, const char *name, struct run_dir *ret)
{
        auto_cleanup(freep) char *path = path_join(root, name);
        auto_cleanup(closep) int lock = -1;
        int r;

        if (!path)
                return -ENOMEM;
        r = run_root_prepare(root);
        if (r < 0)
                return r;
        lock = run_root_lock(root);
        if (lock < 0)
                return lock;
        r = make_way(path);
        return r < 0 ? r : run_dir_create(root, name, ret);
}

int store_delete(const char *root, const char *id)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *path = path_join(root, id);
        auto_cleanup(closep) int lock = -1;
        int r;

        machine_state_init(&state);
        r = store_load(root, id, &state);
        if (r < 0 && r != -EINVAL) /* a damaged state is ours all the same */
                return r;
        if (!path)
                return -ENOMEM;
        lock = run_root_lock(root);
        if (lock < 0)
                return lock;
        return run_dir_in_use(path) ? -EBUSY : run_dir_remove(path);
}

static int compare_machines(const void *a, const void *b)
{
        return strcmp(((const struct machine_state *) a)->id, ((const struct machine_state *) b)->id);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

static int add_machine(struct store_list *list, const char *root, const char *name)
{
        struct machine_state *bigger = reallocarray(list->machines, list->n_machines + 1, sizeof(*bigger));
        int r;

        if (!bigger)
                return -ENOMEM;
        list->machines = bigger;
        r = store_load(root, name, &list->machines[list->n_machines]);
        if (r == 0)
                list->n_machines++;
        return r == -ENOMEM ? r : 0; /* one that just went, or is not one of ours */
}

static int add_system(struct store_list *list, const char *root, const char *name)
{
        auto_cleanup(freep) char *path = path_join(root, name);
        auto_cleanup(closep) int lock = -1;
        char **bigger;

        if (!path)
                return -ENOMEM;
        if (!run_dir_in_use(path)) {
                lock = run_root_lock(root);
                if (lock >= 0 && !run_dir_in_use(path))
                        (void) run_dir_remove_remains(path);
                return 0;
        }
        bigger = reallocarray(list->systems, list->n_systems + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        list->systems = bigger;
        list->systems[list->n_systems] = strdup(name + 1);
        return list->systems[list->n_systems++] ? 0 : -ENOMEM;
}

int store_list(const char *root, struct store_list *ret)
{
        auto_cleanup(store_list_deinit) struct store_list list = { 0 };
        struct dirent *entry;
        DIR *dir;
        int r = 0;

        dir = opendir(root);
        if (!dir && errno != ENOENT)
                return -errno;
        while (dir && r == 0 && (entry = readdir(dir))) {
                if (run_name_valid(entry->d_name))
                        r = add_machine(&list, root, entry->d_name);
                else if (entry->d_name[0] == '@')
                        r = add_system(&list, root, entry->d_name);
        }
        if (dir)
                (void) closedir(dir);
        if (r < 0)
                return r;
        if (list.n_machines > 0)
                qsort(list.machines, list.n_machines, sizeof(*list.machines), compare_machines);
        if (list.n_systems > 0)
                qsort(list.systems, list.n_systems, sizeof(*list.systems), compare_names);
        *ret = list;
        list = (struct store_list){ 0 };
        return 0;
}

void store_list_deinit(struct store_list *list)
{
        for (size_t i = 0; i < list->n_machines; i++)
                machine_state_deinit(&list->machines[i]);
        for (size_t i = 0; i < list->n_systems; i++)
                free(list->systems[i]);
        free(list->machines);
        free(list->systems);
        *list = (struct store_list){ 0 };
}
