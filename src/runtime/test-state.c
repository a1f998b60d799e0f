/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"
#include "runtime/state.h"
#include "runtime/store.h"

static char root[64];

static int make_root(void **state)
{
        (void) snprintf(root, sizeof(root), "/tmp/busbar-test.XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) { return run_dir_remove(root); }

static void fill(struct machine_state *s, const char *id)
{
        machine_state_init(s);
        assert_int_equal(state_set_text(&s->id, id), 0);
        assert_int_equal(state_set_text(&s->bundle, "/bundles/alpha"), 0);
        assert_int_equal(state_set_text(&s->annotations, "{\"org.example\": \"1\"}"), 0);
        s->status = MACHINE_RUNNING;
        s->pid = 12;
        s->supervisor_pid = 13;
        s->created_ms = 130;
        (void) snprintf(s->created, sizeof(s->created), "2026-11-21T00:00:00Z");
        s->devices = calloc(1, sizeof(*s->devices));
        s->devices[s->n_devices++] =
                (struct state_device){ strdup("root"), strdup("blk"), strdup("alpha.root"), 14, 2 };
        s->consoles = calloc(1, sizeof(*s->consoles));
        s->consoles[s->n_consoles++] = (struct state_console){ strdup("console"), strdup("/run/x"), NULL };
}

static void state_survives_json(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        struct machine_state back;
        json_t *json;

        fill(&s, "alpha");
        json = machine_state_to_json(&s);
        assert_string_equal(json_string_value(json_object_get(json, "ociVersion")), OCI_VERSION);
        assert_string_equal(json_string_value(json_object_get(json, "status")), "running");
        assert_int_equal(json_integer_value(json_object_get(json, "pid")), 12);
        assert_int_equal(machine_state_from_json(json, &back), 0);
        assert_string_equal(back.id, "alpha");
        assert_int_equal(back.status, MACHINE_RUNNING);
        assert_int_equal(back.supervisor_pid, 13);
        assert_int_equal(back.created_ms, 130);
        assert_int_equal(back.running_ms, -1);
        assert_int_equal(back.n_devices, 1);
        assert_int_equal(back.devices[0].server_pid, 14);
        assert_int_equal(back.n_consoles, 1);
        assert_null(back.consoles[0].log_path);
        assert_non_null(strstr(back.annotations, "org.example"));
        machine_state_deinit(&back);
        json_decref(json);
}

static void stopped_state_has_no_pid(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        json_t *json;

        fill(&s, "alpha");
        s.status = MACHINE_STOPPED;
        json = machine_state_to_json(&s);
        assert_null(json_object_get(json, "pid"));
        json_decref(json);
}

static void damaged_state_is_an_error(void **unused)
{
        static const char *const texts[] = { "", "{", "[]", "{\"id\": 1}", "{\"id\": \"x\", \"status\": \"flying\"}" };
        struct machine_state s;
        char path[128];

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                (void) snprintf(path, sizeof(path), "%s/" STATE_FILE, root);
                assert_int_equal(fd_write_file_atomic(path, texts[i], strlen(texts[i]), 0600), 0);
                assert_int_equal(machine_state_load(root, &s), -EINVAL);
        }
}

static void folder_is_locked_while_its_owner_lives(void **unused)
{
        struct run_dir d, other;

        assert_int_equal(store_create(root, "alpha", &d), 0);
        assert_true(run_dir_in_use(d.path));
        assert_int_equal(store_create(root, "alpha", &other), -EEXIST);
        assert_int_equal(run_dir_wait(d.path, 10), -ETIMEDOUT);
        assert_int_equal(store_delete(root, "alpha"), -EAGAIN);
        run_dir_deinit(&d);
}

static void unfinished_stale_folder_makes_way(void **unused)
{
        struct machine_state s;
        struct run_dir d;

        assert_int_equal(store_create(root, "alpha", &d), 0);
        run_dir_deinit(&d);
        assert_int_equal(store_load(root, "alpha", &s), -ENOENT);
        assert_int_equal(store_create(root, "alpha", &d), 0);
        run_dir_deinit(&d);
}

static void stale_machine_is_stopped_and_stripped(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s, seen;
        struct run_dir d;
        char path[256];
        int fd;

        fill(&s, "alpha");
        assert_int_equal(store_create(root, "alpha", &d), 0);
        assert_int_equal(machine_state_save(&s, d.path), 0);
        (void) snprintf(path, sizeof(path), "%s/control", d.path);
        fd = fd_unix_listen(path, 1);
        assert_true(fd >= 0);
        (void) close(fd);
        run_dir_deinit(&d);

        assert_int_equal(store_load(root, "alpha", &seen), 0);
        assert_int_equal(seen.status, MACHINE_STOPPED);
        assert_string_equal(seen.end, "failed");
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(store_create(root, "alpha", &d), -EEXIST);
        assert_int_equal(store_delete(root, "alpha"), 0);
        assert_int_equal(store_delete(root, "alpha"), -ENOENT);
}

static void stale_transient_machine_is_removed(void **unused)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        struct machine_state seen;
        struct store_list list;
        struct run_dir d, system;

        fill(&s, "alpha");
        s.is_transient = true;
        assert_int_equal(store_create(root, "alpha", &d), 0);
        assert_int_equal(store_create(root, "@pair", &system), 0);
        assert_int_equal(machine_state_save(&s, d.path), 0);
        assert_int_equal(store_list(root, &list), 0);
        assert_int_equal(list.n_machines, 1);
        assert_int_equal(list.n_systems, 1);
        store_list_deinit(&list);

        run_dir_deinit(&d);
        run_dir_deinit(&system);
        assert_int_equal(store_load(root, "alpha", &seen), -ENOENT);
        assert_int_equal(store_list(root, &list), 0);
        assert_int_equal(list.n_machines, 0);
        assert_int_equal(list.n_systems, 0);
        store_list_deinit(&list);
}

/* bad-input 17: names that would leave the folder */
static void names_cannot_leave_the_root(void **unused)
{
        static const char *const bad[] = { "", ".", "..", "../x", "a/b", "@pair", ".lock", "a b", "\n", "-x" };
        struct machine_state s;
        char longest[RUN_NAME_MAX + 2];

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_false(run_name_valid(bad[i]));
                assert_int_equal(store_load(root, bad[i], &s), -ENOENT);
        }
        memset(longest, 'a', sizeof(longest));
        longest[RUN_NAME_MAX + 1] = '\0';
        assert_false(run_name_valid(longest));
        longest[RUN_NAME_MAX] = '\0';
        assert_true(run_name_valid(longest));
}

static void strip_keeps_logs_and_what_is_named(void **unused)
{
        static const char *const names[] = { "log", "state.json.abc123", "state.json.log", "state.json" };
        const char *const keep[] = { "1.net", NULL };
        char path[128], linked[128];

        for (size_t i = 0; i < 4; i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", root, names[i]);
                assert_int_equal(fd_write_file_atomic(path, "x", 1, 0600), 0);
        }
        (void) snprintf(path, sizeof(path), "%s/1.net", root);
        (void) close(fd_unix_listen(path, 1));
        (void) snprintf(linked, sizeof(linked), "%s/tty.pty", root);
        assert_int_equal(symlink("/dev/null", linked), 0);
        run_dir_strip(root, keep);
        assert_int_equal(access(path, F_OK), 0);
        assert_int_equal(access(linked, F_OK), -1);
        for (size_t i = 0; i < 4; i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", root, names[i]);
                assert_int_equal(access(path, F_OK), i == 1 ? -1 : 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(state_survives_json, make_root, remove_root),
                cmocka_unit_test_setup_teardown(stopped_state_has_no_pid, make_root, remove_root),
                cmocka_unit_test_setup_teardown(damaged_state_is_an_error, make_root, remove_root),
                cmocka_unit_test_setup_teardown(folder_is_locked_while_its_owner_lives, make_root, remove_root),
                cmocka_unit_test_setup_teardown(unfinished_stale_folder_makes_way, make_root, remove_root),
                cmocka_unit_test_setup_teardown(stale_machine_is_stopped_and_stripped, make_root, remove_root),
                cmocka_unit_test_setup_teardown(stale_transient_machine_is_removed, make_root, remove_root),
                cmocka_unit_test_setup_teardown(names_cannot_leave_the_root, make_root, remove_root),
                cmocka_unit_test_setup_teardown(strip_keeps_logs_and_what_is_named, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
