/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/system.h"
#include "runtime/test-folder.h"

#define BUNDLE(devices) \
        "{ \"ociVersion\": \"1.3.0\", \"vm\": { \"kernel\": { \"path\": \"vmlinuz\" },\n\"devices\": [" devices "] } }"

struct fixture {
        struct test_folder folder;
        struct system *system;
        char *error;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        test_folder_init(&f->folder);
        test_folder_write(&f->folder, "a/vmlinuz", "kernel");
        test_folder_write(&f->folder, "a/disk", "disk");
        test_folder_write(&f->folder, "a/config.json",
                          BUNDLE("{ \"id\": \"eth0\", \"type\": \"net\", \"network\": \"lan\" },\n"
                                 "{ \"id\": \"root\", \"type\": \"blk\", \"image\": \"disk\" },\n"
                                 "{ \"id\": \"console\", \"type\": \"console\" }"));
        test_folder_write(&f->folder, "b/vmlinuz", "kernel");
        test_folder_write(&f->folder, "b/config.json", BUNDLE(""));
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        test_folder_deinit(&f->folder);
        system_free(f->system);
        free(f->error);
        free(f);
        return 0;
}

static int load(struct fixture *f, const char *text)
{
        test_folder_write(&f->folder, "car.json", text);
        return system_load(test_folder_path(&f->folder, "car.json"), &f->system, &f->error);
}

static void assert_refused(struct fixture *f, const char *text, const char *part)
{
        assert_int_equal(load(f, text), -EINVAL);
        assert_null(f->system);
        assert_non_null(f->error);
        if (!strstr(f->error, part))
                fail_msg("\"%s\" is not in: %s", part, f->error);
}

static void a_system_is_loaded_with_its_bundles(void **state)
{
        struct fixture *f = *state;
        const struct system_machine *m;

        assert_int_equal(load(f, "{ \"networks\": { \"lan\": { \"uplink\": { \"tap\": \"tap7\" }, \"vlan\": 9 } },"
                                 "\"machines\": {"
                                 "\"one\": { \"bundle\": \"a\", \"restart\": \"always\", "
                                 "\"parameters\": [\"x\", \"y\"],"
                                 "\"dependsOn\": [\"two\"], \"consoles\": { \"console\": { \"log\": \"l\", "
                                 "\"pty\": true,"
                                 "\"logBytes\": 8192, \"logFiles\": 7 } } },"
                                 "\"two\": { \"bundle\": \"./b/\", \"platform\": \"qemu\" } } }"),
                         0);
        assert_string_equal(f->system->name, "car");
        assert_int_equal(f->system->n_machines, 2);
        m = system_find_machine(f->system, "one");
        assert_int_equal(m->restart, RESTART_ALWAYS);
        assert_string_equal(m->parameters, "x y");
        assert_string_equal(m->platform, "auto");
        assert_string_equal(m->depends_on[0], "two");
        assert_string_equal(m->consoles[0].log, test_folder_path(&f->folder, "l"));
        assert_true(m->consoles[0].pty && !m->consoles[0].no_log);
        assert_int_equal(m->consoles[0].log_bytes, 8192);
        assert_int_equal(m->consoles[0].n_logs, 7);
        assert_int_equal(m->bundle->n_devices, 3);
        m = system_find_machine(f->system, "two");
        assert_int_equal(m->restart, RESTART_NEVER);
        assert_string_equal(m->platform, "qemu");
        assert_string_equal(m->bundle->path, test_folder_path(&f->folder, "b"));
        assert_int_equal(system_find_network(f->system, "lan")->uplink, UPLINK_TAP);
        assert_string_equal(system_find_network(f->system, "lan")->tap, "tap7");
        assert_int_equal(system_find_network(f->system, "lan")->vlan, 9);
}

static void networks_that_bundles_use_have_to_be_there(void **state)
{
        assert_refused(*state, "{ \"networks\": { \"wan\": {} },\n\"machines\": {\n\"one\": { \"bundle\": \"a\" } } }",
                       "car.json:3: machines.one: its device \"eth0\"");
}

static void consoles_that_are_bound_have_to_be_there(void **state)
{
        assert_refused(*state,
                       "{ \"networks\": { \"lan\": {} }, \"machines\": { \"one\": { \"bundle\": \"a\","
                       "\"consoles\": { \"root\": {} } } } }",
                       "car.json:1: machines.one.consoles.root: ");
}

static void an_image_has_one_writer(void **state)
{
        assert_refused(*state,
                       "{ \"networks\": { \"lan\": {} }, \"machines\": {\n\"one\": { \"bundle\": \"a\" },\n"
                       "\"two\": { \"bundle\": \"b/../a\" } } }",
                       "car.json:2: machines.one: its device \"root\" writes to ");
}

#define SCENE \
        "\"screens\": { \"main\": {} }, \"displays\": { \"left\": { \"screen\": \"main\" }, \"right\": {" \
        "\"screen\": \"main\" } }, \"speakers\": { \"cabin\": { \"backend\": \"null\" } }," \
        "\"audio\": { \"chime\": { \"speakers\": \"cabin\" } },"
#define GPU(display) "{ \"id\": \"dash\", \"type\": \"gpu\", \"display\": \"" display "\" }"
#define TOUCH(display) \
        "{ \"id\": \"touch\", \"type\": \"input\", \"kind\": \"touch\", \"display\": \"" display "\" }"
#define SOUND(audio) "{ \"id\": \"bell\", \"type\": \"sound\", \"audio\": \"" audio "\" }"
#define TWO "{ " SCENE "\"machines\": {\n\"one\": { \"bundle\": \"b\" },\n\"two\": { \"bundle\": \"c\" } } }"

/* Machine "one" of folder b, "two" of folder c. */
static void write_pair(struct fixture *f, const char *one, const char *two)
{
        test_folder_write(&f->folder, "b/config.json", one);
        test_folder_write(&f->folder, "c/vmlinuz", "kernel");
        test_folder_write(&f->folder, "c/config.json", two);
}

static void machines_share_a_scene(void **state)
{
        struct fixture *f = *state;

        write_pair(f, BUNDLE(GPU("left") "," TOUCH("left") "," SOUND("chime")),
                   BUNDLE(GPU("right") "," TOUCH("right") "," SOUND("chime")));
        if (load(f, TWO) < 0)
                fail_msg("%s", f->error);
        assert_int_equal(f->system->scene.n_displays, 2);
        assert_string_equal(f->system->machines[1].bundle->devices[0].displays[0], "right");
        assert_string_equal(f->system->machines[1].bundle->devices[2].audio, "chime");
}

static void displays_and_audio_that_bundles_use_have_to_be_there(void **state)
{
        struct fixture *f = *state;

        write_pair(f, BUNDLE(GPU("left")), BUNDLE(SOUND("chime") "," TOUCH("middle")));
        assert_refused(f, TWO, "car.json:3: machines.two: its device \"touch\" (");
        assert_non_null(
                strstr(f->error, "/c/config.json:2) is on display \"middle\", which is not among \"displays\""));
        free(f->error);
        f->error = NULL;
        write_pair(f, BUNDLE(SOUND("bell")), BUNDLE(""));
        assert_refused(f, TWO, "plays on \"bell\", which is not among \"audio\"");
}

static void a_display_is_one_guests(void **state)
{
        write_pair(*state, BUNDLE(GPU("left")), BUNDLE(GPU("left")));
        assert_refused(*state, TWO, "is on display \"left\", on which device \"dash\" of machine \"two\" is too");
}

static void input_goes_to_one_device_of_the_guest_that_is_seen(void **state)
{
        struct fixture *f = *state;

        write_pair(f, BUNDLE(TOUCH("left")), BUNDLE(TOUCH("left")));
        assert_refused(f, TWO, "gets touch of display \"left\", which device \"touch\" of machine \"two\" gets too");
        free(f->error);
        f->error = NULL;
        write_pair(f, BUNDLE(TOUCH("left")), BUNDLE(GPU("left")));
        assert_refused(f, TWO, "gets touch of display \"left\", on which machine \"two\" is");
}

static void errors_of_a_bundle_name_the_bundle(void **state)
{
        struct fixture *f = *state;

        test_folder_write(&f->folder, "b/config.json",
                          BUNDLE("{ \"id\": \"x\", \"type\": \"blk\", \"image\": \"no\" }"));
        assert_refused(f, "{ \"machines\": { \"two\": { \"bundle\": \"b\" } } }",
                       "/b/config.json:2: vm.devices[0].image: \"no\" does not exist");
}

static void a_missing_bundle_or_system_is_an_error(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(load(f, "{ \"machines\": { \"two\": { \"bundle\": \"none\" } } }"), -ENOENT);
        assert_non_null(strstr(f->error, "/none: does not exist"));
        free(f->error);
        f->error = NULL;
        assert_int_equal(system_load(test_folder_path(&f->folder, "none.json"), &f->system, &f->error), -ENOENT);
        assert_non_null(f->error);
}

/* bad-input 17. */
static void every_truncation_of_a_system_is_refused(void **state)
{
        static const char text[] = "{ \"networks\": { \"n\": { \"uplink\": \"user\" } },\n"
                                   "\"machines\": { \"a\": { \"bundle\": \"a\", \"dependsOn\": [] } } }";

        for (size_t n = 0; n < strlen(text); n++) {
                auto_cleanup(freep) char *error = NULL;
                struct system *s = NULL;

                assert_int_equal(system_parse("s.json", text, n, &s, &error), -EINVAL);
                assert_non_null(error);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_system_is_loaded_with_its_bundles, set_up, tear_down),
                cmocka_unit_test_setup_teardown(networks_that_bundles_use_have_to_be_there, set_up, tear_down),
                cmocka_unit_test_setup_teardown(consoles_that_are_bound_have_to_be_there, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_image_has_one_writer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(machines_share_a_scene, set_up, tear_down),
                cmocka_unit_test_setup_teardown(displays_and_audio_that_bundles_use_have_to_be_there, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_display_is_one_guests, set_up, tear_down),
                cmocka_unit_test_setup_teardown(input_goes_to_one_device_of_the_guest_that_is_seen, set_up, tear_down),
                cmocka_unit_test_setup_teardown(errors_of_a_bundle_name_the_bundle, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_missing_bundle_or_system_is_an_error, set_up, tear_down),
                cmocka_unit_test(every_truncation_of_a_system_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
