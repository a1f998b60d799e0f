/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "runtime/bundle.h"
#include "runtime/plan.h"
#include "runtime/plan-words.h"
#include "runtime/system.h"

static const char bundle_text[] =
        "{ \"ociVersion\": \"1.3.0\", \"hostname\": \"pc\","
        "\"vm\": { \"kernel\": { \"path\": \"k\", \"parameters\": \"quiet\" }, \"arch\": \"amd64\", \"devices\": ["
        "{ \"id\": \"root\", \"type\": \"blk\", \"image\": \"a,b\", \"readOnly\": true, \"serial\": \"s\", "
        "\"queues\": 2 },"
        "{ \"id\": \"eth0\", \"type\": \"net\", \"network\": \"lan\", \"mac\": \"02:00:00:00:00:01\" },"
        "{ \"id\": \"eth1\", \"type\": \"net\", \"network\": \"lan\" },"
        "{ \"id\": \"rng0\", \"type\": \"rng\", \"bytesPerSecond\": 4096 },"
        "{ \"id\": \"console\", \"type\": \"console\" } ] } }";

static struct bundle *make_bundle(const char *text)
{
        struct bundle *b = NULL;
        char *error = NULL;

        if (bundle_parse("config.json", text, strlen(text), &b, &error) < 0)
                fail_msg("%s", error);
        return b;
}

static struct system *make_system(const char *text, const char *bundle)
{
        struct system *s = NULL;
        char *error = NULL;

        if (system_parse("/etc/car.json", text, strlen(text), &s, &error) < 0)
                fail_msg("%s", error);
        for (size_t i = 0; i < s->n_machines; i++)
                s->machines[i].bundle = make_bundle(bundle);
        return s;
}

static const struct planned_server *find(const struct plan *p, const char *name)
{
        for (size_t i = 0; i < p->n_servers; i++)
                if (strcmp(p->servers[i].name, name) == 0)
                        return &p->servers[i];
        fail_msg("no server %s", name);
        return NULL;
}

static void assert_words(const struct planned_server *s, const char *expected)
{
        char text[1024] = "";

        for (size_t i = 0; s->argv[i]; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "", s->argv[i]);
        assert_string_equal(text, expected);
}

static void a_single_bundle_gets_servers_of_its_own(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/run/bb", .id = "m1", .parameters = "more" };
        const struct planned_server *s;
        const struct machine *m;
        char *error = NULL, expected[512];
        uint8_t mac[6];

        assert_int_equal(plan_new_single(b, &options, &p, &error), 0);
        assert_int_equal(p->n_machines, 1);
        assert_int_equal(p->n_servers, 4);
        m = &p->machines[0].machine;
        assert_string_equal(m->id, "m1");
        assert_string_equal(m->platform, "auto");
        assert_string_equal(m->parameters, "quiet more");
        assert_string_equal(m->run_dir, "/run/bb/m1");
        assert_int_equal(m->n_devices, 5);

        s = find(p, "m1.root");
        assert_string_equal(s->machine, "m1");
        assert_words(s, "device blk --guest id=m1.root,fd=3,image=a,,b,no-symlinks=on,read-only=on,serial=s,queues=2");
        assert_string_equal(s->sockets[0].path, "/run/bb/m1/0.blk");
        assert_string_equal(m->devices[0].socket_path, s->sockets[0].path);

        s = find(p, "network.lan");
        assert_string_equal(s->machine, "m1");
        assert_int_equal(s->n_sockets, 2);
        mac_from_names("", "m1", "eth1", mac);
        assert_memory_equal(m->devices[2].mac, mac, 6);
        (void) snprintf(expected, sizeof(expected),
                        "device net --backend switch --uplink user "
                        "--guest id=m1.eth0,fd=3,mac=02:00:00:00:00:01,queues=1 "
                        "--guest id=m1.eth1,fd=4,mac=%02x:%02x:%02x:%02x:%02x:%02x,queues=1",
                        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        assert_words(s, expected);

        assert_words(find(p, "m1.rng0"), "device rng --guest id=m1.rng0,fd=3,rate=4096");
        assert_ptr_equal(plan_find_server(p, m->devices[3].socket_path), find(p, "m1.rng0"));
        assert_null(plan_find_server(p, "/run/bb/m1/9.blk"));
}

static void a_console_is_a_device_with_socket_and_log(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/run/bb", .platform = "kvm" };
        const struct planned_server *s;
        char *error = NULL;

        assert_int_equal(plan_new_single(b, &options, &p, &error), 0);
        s = find(p, "pc.console");
        assert_words(s, "device console --guest id=pc.console,socket-fd=3,log=/run/bb/pc/console/console.log,"
                        "log-bytes=1048576,log-files=4,fd=4");
        assert_true(s->is_console);
        assert_false(find(p, "pc.root")->is_console);
        assert_int_equal(s->n_sockets, 2);
        assert_int_equal(planned_server_n_fds(s), 2);
        assert_false(p->machines[0].machine.devices[4].stream);
        assert_string_equal(p->machines[0].machine.devices[4].socket_path, s->sockets[1].path);
        assert_int_equal(p->machines[0].n_consoles, 1);
        assert_string_equal(p->machines[0].consoles[0].device, "console");
        assert_string_equal(p->machines[0].consoles[0].socket_path, s->sockets[0].path);
        assert_string_equal(p->machines[0].consoles[0].log_path, "/run/bb/pc/console/console.log");
        assert_null(p->machines[0].consoles[0].pty_path);
}

static void a_platform_with_a_console_of_its_own_gets_a_stream(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/run/bb", .platform = "qemu" };
        const struct planned_server *s;
        char *error = NULL;

        assert_int_equal(plan_new_single(b, &options, &p, &error), 0);
        assert_int_equal(plan_stream_consoles(p, &p->machines[0]), 0);
        s = find(p, "pc.console");
        assert_words(s, "device console --guest id=pc.console,socket-fd=3,log=/run/bb/pc/console/console.log,"
                        "log-bytes=1048576,log-files=4,fd=4,input-fd=5,stream=on");
        assert_false(s->sockets[0].fifos);
        assert_true(s->sockets[1].fifos);
        assert_int_equal(planned_server_n_fds(s), 3);
        assert_true(p->machines[0].machine.devices[4].stream);
        assert_false(p->machines[0].machine.devices[0].stream);
        assert_words(find(p, "pc.rng0"), "device rng --guest id=pc.rng0,fd=3,rate=4096");
}

static void machines_of_a_system_share_a_switch_and_start_in_order(void **state)
{
        auto_cleanup(system_freep) struct system *s =
                make_system("{ \"networks\": { \"lan\": { \"uplink\": { \"tap\": \"t0\" }, \"vlan\": 5 }, "
                            "\"idle\": {} },"
                            "\"machines\": { \"c\": { \"bundle\": \"c\", \"dependsOn\": [\"b\", \"a\"] },"
                            "\"b\": { \"bundle\": \"b\", \"dependsOn\": [\"a\"], \"restart\": \"on-failure\","
                            "  \"consoles\": { \"con\": { \"log\": false, \"pty\": true } } },"
                            "\"a\": { \"bundle\": \"a\", \"parameters\": \"p\" } } }",
                            "{ \"ociVersion\": \"1.0.0\", \"vm\": { \"kernel\": { \"path\": \"k\" }, \"devices\": ["
                            "{ \"id\": \"eth0\", \"type\": \"net\", \"network\": \"lan\" },"
                            "{ \"id\": \"con\", \"type\": \"console\" } ] } }");
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/r" };
        const struct planned_server *lan;
        char *error = NULL;

        assert_int_equal(plan_new_system(s, &options, &p, &error), 0);
        assert_string_equal(p->machines[0].machine.id, "a");
        assert_string_equal(p->machines[1].machine.id, "b");
        assert_string_equal(p->machines[2].machine.id, "c");
        assert_int_equal(p->machines[2].n_depends_on, 2);
        assert_int_equal(p->machines[2].depends_on[0], 1);
        assert_int_equal(p->machines[2].depends_on[1], 0);
        assert_string_equal(p->machines[0].machine.parameters, "p");
        assert_int_equal(p->machines[1].restart, RESTART_ON_FAILURE);
        assert_null(p->machines[1].consoles[0].log_path);
        assert_string_equal(p->machines[1].consoles[0].pty_path, "/r/b/console/con.pty");

        assert_int_equal(p->n_servers, 4);
        lan = find(p, "network.lan");
        assert_null(lan->machine);
        assert_int_equal(lan->n_sockets, 3);
        assert_string_equal(lan->argv[5], "tap=t0");
        assert_non_null(strstr(lan->argv[7], "vlan=5"));
        assert_string_equal(lan->sockets[1].path, p->machines[1].machine.devices[0].socket_path);
        assert_memory_not_equal(p->machines[0].machine.devices[0].mac, p->machines[1].machine.devices[0].mac, 6);
}

static const char cockpit_text[] =
        "{ \"ociVersion\": \"1.3.0\", \"vm\": { \"kernel\": { \"path\": \"k\" }, \"devices\": ["
        "{ \"id\": \"dash\", \"type\": \"gpu\", \"displays\": [\"left\", \"right\"], \"render3d\": true },"
        "{ \"id\": \"touch\", \"type\": \"input\", \"kind\": \"touch\", \"display\": \"left\" },"
        "{ \"id\": \"bell\", \"type\": \"sound\", \"audio\": \"chime\" } ] } }";

static void machines_of_a_system_share_displays_input_and_sound(void **state)
{
        auto_cleanup(system_freep) struct system *s =
                make_system("{ \"machines\": { \"a\": { \"bundle\": \"a\" }, \"b\": { \"bundle\": \"b\" } } }",
                            cockpit_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/r" };
        const struct planned_server *displays;
        char *error = NULL;

        assert_int_equal(plan_new_system(s, &options, &p, &error), 0);
        assert_string_equal(p->dir, "/r/@car");
        assert_null(p->scene_text);
        assert_int_equal(p->n_servers, 3);
        displays = find(p, "displays");
        assert_null(displays->machine);
        assert_words(displays, "device gpu --scene /etc/car.json --seat /r/@car/seat.sock "
                               "--control /r/@car/displays.control --state /r/@car/displays.state "
                               "--guest id=a.dash,fd=3,display=left,display=right,render3d=on "
                               "--guest id=b.dash,fd=4,display=left,display=right,render3d=on");
        assert_string_equal(displays->sockets[1].path, "/r/b/0.gpu");
        assert_string_equal(displays->sockets[1].path, p->machines[1].machine.devices[0].socket_path);
        assert_int_equal(p->machines[1].machine.devices[0].n_displays, 2);
        assert_words(find(p, "seat"), "device input --scene /etc/car.json --seat /r/@car/seat.sock "
                                      "--guest id=a.touch,fd=3,kind=touch,display=left "
                                      "--guest id=b.touch,fd=4,kind=touch,display=left");
        assert_words(find(p, "sound"), "device sound --scene /etc/car.json --control /r/@car/sound.control "
                                       "--state /r/@car/sound.state "
                                       "--guest id=a.bell,fd=3,audio=chime --guest id=b.bell,fd=4,audio=chime");
}

static void a_bundle_alone_gets_a_scene_of_its_own(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(cockpit_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        struct plan_options options = { .run_dir = "/r", .id = "m" };
        struct json_document document;
        struct scene scene = { 0 };
        struct json_node root;
        char *error = NULL;

        assert_int_equal(plan_new_single(b, &options, &p, &error), 0);
        assert_string_equal(p->scene_path, "/r/m/scene.json");
        assert_string_equal(find(p, "displays")->machine, "m");
        assert_words(find(p, "displays"), "device gpu --scene /r/m/scene.json --seat /r/m/seat.sock "
                                          "--control /r/m/displays.control --state /r/m/displays.state "
                                          "--guest id=m.dash,fd=3,display=left,display=right,render3d=on");

        assert_int_equal(document_parse(&document, "scene.json", p->scene_text, strlen(p->scene_text), 1 << 20), 0);
        root = document_root(&document);
        assert_int_equal(scene_parse(&root, NULL, &scene), 0);
        assert_int_equal(scene.n_screens, 2);
        assert_int_equal(scene.screens[1].output, OUTPUT_HEADLESS);
        assert_string_equal(scene.screens[1].key_focus, "right");
        assert_int_equal(scene_find_display(&scene, "right")->screen, 1);
        assert_int_equal(scene_find_display(&scene, "left")->width, 1280);
        assert_int_equal(scene.speakers[0].backend, SOUND_NULL);
        assert_true(scene_find_audio(&scene, "chime")->capture);
        scene_deinit(&scene);
        document_deinit(&document);
}

static void a_bundle_alone_without_a_cockpit_has_no_scene(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        char *error = NULL;

        assert_int_equal(plan_new_single(b, &(struct plan_options) { .run_dir = "/r" }, &p, &error), 0);
        assert_null(p->scene_path);
        assert_null(p->scene_text);
}

static void two_devices_of_a_bundle_alone_cannot_have_one_display(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(
                "{ \"ociVersion\": \"1.3.0\", \"vm\": { \"kernel\": { \"path\": \"k\" }, \"devices\": ["
                "{ \"id\": \"x\", \"type\": \"gpu\", \"display\": \"d\" },"
                "{ \"id\": \"y\", \"type\": \"gpu\", \"displays\": [\"e\", \"d\"] } ] } }");
        auto_cleanup(plan_freep) struct plan *p = NULL;
        auto_cleanup(freep) char *error = NULL;

        assert_int_equal(plan_new_single(b, &(struct plan_options) { .run_dir = "/r", .id = "m" }, &p, &error),
                         -EINVAL);
        assert_string_equal(error, "m: devices \"x\" and \"y\" are both on display \"d\"");
}

static void addresses_are_stable_local_and_individual(void **state)
{
        uint8_t a[6], b[6], c[6];

        mac_from_names("car", "one", "eth0", a);
        mac_from_names("car", "one", "eth0", b);
        mac_from_names("caro", "ne", "eth0", c);
        assert_memory_equal(a, b, 6);
        assert_memory_not_equal(a, c, 6);
        assert_int_equal(a[0] & 3, 2);
}

static void two_devices_cannot_have_one_address(void **state)
{
        auto_cleanup(system_freep) struct system *s =
                make_system("{ \"networks\": { \"lan\": {} }, \"machines\": { \"a\": { \"bundle\": \"a\" },"
                            "\"b\": { \"bundle\": \"b\" } } }",
                            bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        auto_cleanup(freep) char *error = NULL;

        assert_int_equal(plan_new_system(s, &(struct plan_options) { .run_dir = "/r" }, &p, &error), -EINVAL);
        assert_null(p);
        assert_string_equal(error, "b: device \"eth0\" has the same address 02:00:00:00:00:01 as device \"eth0\" of a");
}

static void socket_paths_that_do_not_fit_are_an_error(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        char folder[120] = "/";

        memset(folder + 1, 'r', 95);
        for (size_t n = 95; n <= 96; n++) {
                auto_cleanup(plan_freep) struct plan *p = NULL;
                auto_cleanup(freep) char *error = NULL;
                int r;

                /* The longest, "/m/4.console", takes 12 of the 107 bytes. */
                folder[n] = '\0';
                r = plan_new_single(b, &(struct plan_options) { .run_dir = folder, .id = "m" }, &p, &error);
                assert_int_equal(r, n == 95 ? 0 : -ENAMETOOLONG);
                assert_true(n == 95 ? !error : strstr(error, "too long for a socket's path") != NULL);
                folder[n] = 'r';
        }
}

static void long_names_stay_unique(void **state)
{
        char a[32], b[32];

        guest_name("a-machine-with-a-long-name-31-b", "eth0", a);
        guest_name("a-machine-with-a-long-name-31-b", "eth1", b);
        assert_int_equal(strlen(a), 31);
        assert_string_not_equal(a, b);
        guest_name("m", "eth0", a);
        assert_string_equal(a, "m.eth0");
}

static void command_lines_that_get_too_long_are_an_error(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = make_bundle(bundle_text);
        auto_cleanup(plan_freep) struct plan *p = NULL;
        auto_cleanup(freep) char *error = NULL;
        char more[2048];

        memset(more, 'x', sizeof(more));
        more[sizeof(more) - 1] = '\0';
        assert_int_equal(plan_new_single(b, &(struct plan_options) { .run_dir = "/r", .parameters = more }, &p, &error),
                         -EINVAL);
        assert_non_null(strstr(error, "2047"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_single_bundle_gets_servers_of_its_own),
                cmocka_unit_test(a_console_is_a_device_with_socket_and_log),
                cmocka_unit_test(a_platform_with_a_console_of_its_own_gets_a_stream),
                cmocka_unit_test(machines_of_a_system_share_a_switch_and_start_in_order),
                cmocka_unit_test(machines_of_a_system_share_displays_input_and_sound),
                cmocka_unit_test(a_bundle_alone_gets_a_scene_of_its_own),
                cmocka_unit_test(a_bundle_alone_without_a_cockpit_has_no_scene),
                cmocka_unit_test(two_devices_of_a_bundle_alone_cannot_have_one_display),
                cmocka_unit_test(addresses_are_stable_local_and_individual),
                cmocka_unit_test(two_devices_cannot_have_one_address),
                cmocka_unit_test(socket_paths_that_do_not_fit_are_an_error),
                cmocka_unit_test(long_names_stay_unique),
                cmocka_unit_test(command_lines_that_get_too_long_are_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
