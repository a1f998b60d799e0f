/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json-reader.h"
#include "scene/scene.h"

#define SCREEN "\"screens\": { \"main\": { \"size\": [1920, 720] } }"
#define GUARD(members) \
        "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\", \"region\": [0, 0, 100, 50],\n\"guards\": [" \
        members "] } } }"

struct fixture {
        struct json_document document;
        struct scene scene;
};

static int set_up(void **state)
{
        *state = calloc(1, sizeof(struct fixture));
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        scene_deinit(&f->scene);
        document_deinit(&f->document);
        free(f);
        return 0;
}

static int parse(struct fixture *f, const char *text)
{
        struct json_node root;

        scene_deinit(&f->scene);
        document_deinit(&f->document);
        assert_int_equal(document_parse(&f->document, "car.json", text, strlen(text), 1 << 20), 0);
        root = document_root(&f->document);
        return scene_parse(&root, "/etc/car", &f->scene);
}

static void assert_parsed(struct fixture *f, const char *text)
{
        if (parse(f, text) != 0)
                fail_msg("refused: %s", f->document.error);
        assert_null(f->document.error);
}

static void assert_refused(struct fixture *f, const char *text, const char *error)
{
        assert_int_equal(parse(f, text), -EINVAL);
        assert_string_equal(f->document.error, error);
}

static void a_file_without_a_scene_is_empty(void **state)
{
        struct fixture *f = *state;

        assert_parsed(f, "{ \"machines\": {} }");
        assert_int_equal(f->scene.n_screens + f->scene.n_displays + f->scene.n_speakers + f->scene.n_audio, 0);
        assert_null(scene_find_display(&f->scene, "d"));
        assert_null(scene_find_audio(&f->scene, "a"));
}

static void a_screen_has_defaults(void **state)
{
        struct fixture *f = *state;
        const struct scene_screen *s;

        assert_parsed(f, "{ \"screens\": { \"main\": {} } }");
        s = f->scene.screens;
        assert_string_equal(s->name, "main");
        assert_int_equal(s->output, OUTPUT_HEADLESS);
        assert_int_equal(s->width, 1280);
        assert_int_equal(s->height, 720);
        assert_int_equal(s->rate_hz, 60);
        assert_int_equal(s->background, 0);
        assert_true(s->focus_follows_touch);
        assert_null(s->key_focus);
}

static void a_vnc_screen_has_all_its_members(void **state)
{
        struct fixture *f = *state;
        const struct scene_screen *s;

        assert_parsed(f, "{ \"screens\": { \"main\": { \"output\": \"vnc\", \"size\": [1920, 720], \"rate\": 30,"
                         "\"background\": \"#101418\", \"listen\": \"0.0.0.0:5900\", \"passwordFile\": \"secret\","
                         "\"tls\": { \"certificate\": \"/c.pem\", \"key\": \"k.pem\" },"
                         "\"input\": { \"sources\": [\"/dev/input/event3\"], \"keyFocus\": \"d\","
                         "\"focusFollowsTouch\": false } } },"
                         "\"displays\": { \"d\": { \"screen\": \"main\" } } }");
        s = f->scene.screens;
        assert_int_equal(s->output, OUTPUT_VNC);
        assert_int_equal(s->width, 1920);
        assert_int_equal(s->height, 720);
        assert_int_equal(s->rate_hz, 30);
        assert_int_equal(s->background, 0x101418);
        assert_string_equal(s->listen, "0.0.0.0:5900");
        assert_string_equal(s->password_file, "/etc/car/secret");
        assert_string_equal(s->tls_certificate, "/c.pem");
        assert_string_equal(s->tls_key, "/etc/car/k.pem");
        assert_int_equal(s->n_sources, 1);
        assert_string_equal(s->sources[0], "/dev/input/event3");
        assert_string_equal(s->key_focus, "d");
        assert_false(s->focus_follows_touch);
}

static void a_kms_screen_leaves_its_size_open(void **state)
{
        struct fixture *f = *state;

        assert_parsed(f, "{ \"screens\": { \"main\": { \"output\": \"kms\", \"connector\": \"HDMI-A-1\" } },"
                         "\"displays\": { \"d\": { \"screen\": \"main\", \"region\": [4000, 0, 640, 480] } } }");
        assert_int_equal(f->scene.screens[0].width, 0);
        assert_int_equal(f->scene.screens[0].height, 0);
        assert_string_equal(f->scene.screens[0].device, "/dev/dri/card0");
        assert_string_equal(f->scene.screens[0].connector, "HDMI-A-1");
        assert_int_equal(f->scene.displays[0].region.x, 4000);

        assert_refused(f, "{ \"screens\": { \"main\": { \"output\": \"kms\" } },\n"
                          "\"displays\": { \"d\": { \"screen\": \"main\" } } }",
                       "car.json:2: displays.d: member \"region\" is missing: screen \"main\" has no size of its own");
        assert_refused(f, "{ \"screens\": { \"main\": { \"output\": \"kms\", \"device\": \"/dev/dri/../mem\" } } }",
                       "car.json:1: screens.main.device: expected a path below /dev/dri, got \"/dev/dri/../mem\"");
}

static void a_display_has_all_its_members(void **state)
{
        struct fixture *f = *state;
        const struct scene_display *d;

        assert_parsed(f, "{ \"screens\": { \"a\": {}, \"b\": { \"size\": [1920, 720] } }, \"displays\": {"
                         "\"left\": { \"screen\": \"b\" },"
                         "\"right\": { \"screen\": \"b\", \"region\": [1280, 0, 640, 720], \"order\": -3,"
                         "\"scaling\": \"stretch\", \"size\": [320, 360],"
                         "\"fallback\": { \"colour\": \"#200000\", \"image\": \"f.png\" } } } }");
        d = scene_find_display(&f->scene, "left");
        assert_int_equal(d->screen, 1);
        assert_int_equal(d->region.width, 1920);
        assert_int_equal(d->width, 1920);
        assert_int_equal(d->height, 720);
        assert_int_equal(d->scaling, SCALING_NONE);
        assert_null(d->fallback_image);
        d = scene_find_display(&f->scene, "right");
        assert_int_equal(d->region.x, 1280);
        assert_int_equal(d->region.height, 720);
        assert_int_equal(d->order, -3);
        assert_int_equal(d->scaling, SCALING_STRETCH);
        assert_int_equal(d->width, 320);
        assert_int_equal(d->height, 360);
        assert_int_equal(d->fallback_colour, 0x200000);
        assert_string_equal(d->fallback_image, "/etc/car/f.png");
        assert_null(scene_find_display(&f->scene, "middle"));
}

static void a_guard_has_all_its_members(void **state)
{
        struct fixture *f = *state;
        const struct scene_guard *g;

        assert_parsed(f, GUARD("{ \"name\": \"telltale\", \"region\": [90, 40, 10, 10], \"rule\": \"oneOf\","
                               "\"limitMs\": 200, \"allowed\": [\"1a2b3c4d\", \"FFFFFFFF\"],"
                               "\"cover\": { \"colour\": \"#00ff00\", \"image\": \"/c.png\" } },"
                               "{ \"name\": \"speed\", \"region\": [0, 0, 100, 50], \"rule\": \"fresh\", "
                               "\"limitMs\": 20 },"
                               "{ \"name\": \"lamp\", \"region\": [0, 0, 1, 1], \"rule\": \"lit\", "
                               "\"limitMs\": 60000 }"));
        g = f->scene.displays[0].guards;
        assert_int_equal(f->scene.displays[0].n_guards, 3);
        assert_string_equal(g[0].name, "telltale");
        assert_int_equal(g[0].rule, RULE_ONE_OF);
        assert_int_equal(g[0].region.x, 90);
        assert_int_equal(g[0].limit_ms, 200);
        assert_int_equal(g[0].n_allowed, 2);
        assert_int_equal(g[0].allowed[0], 0x1a2b3c4d);
        assert_int_equal(g[0].allowed[1], 0xffffffff);
        assert_int_equal(g[0].cover_colour, 0x00ff00);
        assert_string_equal(g[0].cover, "/c.png");
        assert_int_equal(g[1].rule, RULE_FRESH);
        assert_int_equal(g[1].cover_colour, 0xff0000);
        assert_null(g[1].cover);
        assert_int_equal(g[2].rule, RULE_LIT);
}

static void speakers_and_audio_have_all_their_members(void **state)
{
        struct fixture *f = *state;
        const struct scene_speakers *s;
        const struct scene_audio *a;

        assert_parsed(f, "{ \"speakers\": { \"cabin\": { \"backend\": \"wav\", \"file\": \"out.wav\", \"rate\": 44100,"
                         "\"channels\": 6, \"periodUs\": 10000 }, \"rear\": { \"backend\": \"alsa\","
                         "\"device\": \"hw:1,0\" } },"
                         "\"audio\": { \"chime\": { \"speakers\": \"rear\", \"priority\": 10, \"over\": \"duck\","
                         "\"duckDb\": 30, \"capture\": true, \"controls\": false },"
                         "\"media\": { \"speakers\": \"cabin\" } } }");
        s = f->scene.speakers;
        assert_int_equal(s[0].backend, SOUND_WAV);
        assert_string_equal(s[0].file, "/etc/car/out.wav");
        assert_int_equal(s[0].rate_hz, 44100);
        assert_int_equal(s[0].n_channels, 6);
        assert_int_equal(s[0].period_us, 10000);
        assert_int_equal(s[1].backend, SOUND_ALSA);
        assert_string_equal(s[1].device, "hw:1,0");
        assert_int_equal(s[1].rate_hz, 48000);
        assert_int_equal(s[1].n_channels, 2);
        assert_int_equal(s[1].period_us, 5000);
        a = scene_find_audio(&f->scene, "chime");
        assert_int_equal(a->speakers, 1);
        assert_int_equal(a->priority, 10);
        assert_int_equal(a->over, OVER_DUCK);
        assert_int_equal(a->duck_db, 30);
        assert_true(a->capture);
        assert_false(a->controls);
        a = scene_find_audio(&f->scene, "media");
        assert_int_equal(a->speakers, 0);
        assert_int_equal(a->over, OVER_MIX);
        assert_int_equal(a->duck_db, 20);
        assert_false(a->capture);
        assert_true(a->controls);
}

static void a_wrong_screen_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, "{ \"screens\": { \"main\": { \"outptu\": \"vnc\" } } }",
                       "car.json:1: screens.main.outptu: unknown member, did you mean \"output\"?");
        assert_refused(f, "{ \"screens\": { \"a/b\": {} } }",
                       "car.json:1: screens.a/b: expected a name of 1 to 31 letters, digits, '-' and '_' that begins "
                       "with a letter or digit");
        assert_refused(f, "{ \"screens\": { \"main\": { \"output\": \"hdmi\" } } }",
                       "car.json:1: screens.main.output: expected one of headless, vnc, window, kms, got \"hdmi\"");
        assert_refused(f, "{ \"screens\": { \"main\": { \"listen\": \"127.0.0.1:5900\" } } }",
                       "car.json:1: screens.main.listen: unknown member");
        assert_refused(f, "{ \"screens\": { \"main\": { \"size\": [1280] } } }",
                       "car.json:1: screens.main.size: expected an array of 2 integers");
        assert_refused(f, "{ \"screens\": { \"main\": {\n\"size\": [1280,\n0] } } }",
                       "car.json:3: screens.main.size[1]: expected an integer from 1 to 16384, got 0");
        assert_refused(f, "{ \"screens\": { \"main\": { \"rate\": 0 } } }",
                       "car.json:1: screens.main.rate: expected an integer from 1 to 240, got 0");
        assert_refused(f, "{ \"screens\": { \"main\": { \"background\": \"red\" } } }",
                       "car.json:1: screens.main.background: expected a colour such as \"#20c040\", got \"red\"");
        assert_refused(f, "{ \"screens\": { \"main\": { \"input\": { \"keyFocus\": \"d\" } } } }",
                       "car.json:1: screens.main.input.keyFocus: expected the name of a display of this screen, "
                       "got \"d\"");
        assert_refused(f, "{ \"screens\": { \"main\": { \"input\": { \"sources\": [\"/dev/input/event1\","
                          "\"/etc/passwd\"] } } } }",
                       "car.json:1: screens.main.input.sources[1]: expected a path below /dev/input, "
                       "got \"/etc/passwd\"");
        assert_refused(f, "{ \"screens\": { \"a\": { \"input\": { \"sources\": [\"/dev/input/event1\"] } },"
                          "\"b\": { \"input\": { \"sources\": [\"/dev/input/event1\"] } } } }",
                       "car.json:1: screens.b.input.sources[0]: expected a source that is named once, "
                       "got \"/dev/input/event1\"");
}

static void a_vnc_address_is_checked(void **state)
{
        static const char *const good[] = { "127.0.0.1:5900", "[::1]:65535", "/run/car/vnc", "127.1.2.3:1" };
        static const char *const bad[] = { "5900",       ":5900",    "localhost:5900", "127.0.0.1:0", "127.0.0.1:65536",
                                           "127.0.0.1:", "::1:5900", "[::1]",          "[::1:5900",   "127.0.0.1:59x",
                                           "vnc.sock" };
        static const char *const open[] = { "0.0.0.0:5900", "[::]:5900", "192.168.1.7:5900" };
        struct fixture *f = *state;
        char text[256];

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                (void) snprintf(text, sizeof(text),
                                "{ \"screens\": { \"m\": { \"output\": \"vnc\", \"listen\": \"%s\" } } }", good[i]);
                assert_parsed(f, text);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                (void) snprintf(text, sizeof(text),
                                "{ \"screens\": { \"m\": { \"output\": \"vnc\", \"listen\": \"%s\" } } }", bad[i]);
                assert_int_equal(parse(f, text), -EINVAL);
                assert_non_null(strstr(f->document.error, "expected ADDRESS:PORT"));
        }
        for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
                (void) snprintf(text, sizeof(text),
                                "{ \"screens\": { \"m\": { \"output\": \"vnc\", \"listen\": \"%s\" } } }", open[i]);
                assert_int_equal(parse(f, text), -EINVAL);
                assert_non_null(strstr(f->document.error, "needs \"passwordFile\""));
        }
        assert_refused(f, "{ \"screens\": { \"m\": { \"output\": \"vnc\" } } }",
                       "car.json:1: screens.m: member \"listen\" is missing");
        assert_refused(f, "{ \"screens\": { \"a\": { \"output\": \"vnc\", \"listen\": \"/v\" },"
                          "\"b\": { \"output\": \"vnc\", \"listen\": \"/v\" } } }",
                       "car.json:1: screens.b.listen: expected what no other screen has, got \"/v\"");
        assert_refused(f, "{ \"screens\": { \"m\": { \"output\": \"vnc\", \"listen\": \"/v\","
                          "\"tls\": { \"key\": \"k\" } } } }",
                       "car.json:1: screens.m.tls: member \"certificate\" is missing");
}

static void a_wrong_display_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, "{ " SCREEN ",\n\"displays\": { \"d\": { \"screen\": \"mian\" } } }",
                       "car.json:2: displays.d.screen: expected the name of a screen among \"screens\", got \"mian\"");
        assert_refused(f, "{ \"displays\": { \"d\": {} } }", "car.json:1: displays.d: member \"screen\" is missing");
        assert_refused(f, "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\",\n"
                          "\"region\": [1000, 0, 921, 720] } } }",
                       "car.json:2: displays.d.region: is not inside the 1920 by 720 pixels of screen \"main\"");
        assert_refused(f, "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\","
                          "\"region\": [0, 0, 0, 720] } } }",
                       "car.json:1: displays.d.region[2]: expected an integer from 1 to 16384, got 0");
        assert_refused(f, "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\","
                          "\"region\": [4294967296, 0, 1, 1] } } }",
                       "car.json:1: displays.d.region[0]: expected an integer from 0 to 16384, got 4294967296");
        assert_refused(f, "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\", \"order\": 1.5 } } }",
                       "car.json:1: displays.d.order: expected an integer from -1000 to 1000, got 1.5");
        assert_refused(f, "{ " SCREEN ", \"displays\": { \"d\": { \"screen\": \"main\","
                          "\"fallback\": { \"color\": \"#000000\" } } } }",
                       "car.json:1: displays.d.fallback.color: unknown member, did you mean \"colour\"?");
}

static void a_wrong_guard_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"fresh\" }"),
                       "car.json:2: displays.d.guards[0]: member \"limitMs\" is missing");
        assert_refused(f,
                       GUARD("{ \"name\": \"g\", \"region\": [91, 0, 10, 1], \"rule\": \"fresh\", \"limitMs\": 99 }"),
                       "car.json:2: displays.d.guards[0].region: is not inside the display's 100 by 50 pixels");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"fresh\", \"limitMs\": 9 }"),
                       "car.json:2: displays.d.guards[0].limitMs: expected an integer from 20 to 60000, got 9");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"oneOf\", \"limitMs\": 99 }"),
                       "car.json:2: displays.d.guards[0]: member \"allowed\" is missing");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"oneOf\", \"limitMs\": 99,"
                                "\"allowed\": [] }"),
                       "car.json:2: displays.d.guards[0].allowed: expected at least one checksum");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"oneOf\", \"limitMs\": 99,"
                                "\"allowed\": [\"12345\"] }"),
                       "car.json:2: displays.d.guards[0].allowed[0]: expected a checksum of 8 hexadecimal digits, "
                       "got \"12345\"");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"lit\", \"limitMs\": 99,"
                                "\"allowed\": [\"12345678\"] }"),
                       "car.json:2: displays.d.guards[0].allowed: is for rule \"oneOf\" only");
        assert_refused(f, GUARD("{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"lit\", \"limitMs\": 99 },"
                                "{ \"name\": \"g\", \"region\": [0, 0, 1, 1], \"rule\": \"lit\", \"limitMs\": 99 }"),
                       "car.json:2: displays.d.guards[1].name: expected a name that no other guard of the display "
                       "has, got \"g\"");
        assert_refused(f, GUARD("7"), "car.json:2: displays.d.guards[0]: expected an object, got 7");
}

static void a_key_focus_of_another_screen_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, "{ \"screens\": { \"a\": { \"input\": { \"keyFocus\": \"d\" } }, \"b\": {} },"
                          "\"displays\": { \"d\": { \"screen\": \"b\" } } }",
                       "car.json:1: screens.a.input.keyFocus: expected the name of a display of this screen, "
                       "got \"d\"");
}

static void wrong_sound_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, "{ \"speakers\": { \"s\": {} } }", "car.json:1: speakers.s: member \"backend\" is missing");
        assert_refused(f, "{ \"speakers\": { \"s\": { \"backend\": \"wav\" } } }",
                       "car.json:1: speakers.s: member \"file\" is missing");
        assert_refused(f, "{ \"speakers\": { \"s\": { \"backend\": \"null\", \"file\": \"f\" } } }",
                       "car.json:1: speakers.s.file: unknown member");
        assert_refused(f, "{ \"speakers\": { \"s\": { \"backend\": \"null\", \"rate\": 192001 } } }",
                       "car.json:1: speakers.s.rate: expected an integer from 8000 to 192000, got 192001");
        assert_refused(f, "{ \"speakers\": { \"a\": { \"backend\": \"wav\", \"file\": \"f\" },"
                          "\"b\": { \"backend\": \"wav\", \"file\": \"/etc/car/f\" } } }",
                       "car.json:1: speakers.b.file: expected a file that no other speakers write, got \"/etc/car/f\"");
        assert_refused(f, "{ \"audio\": { \"a\": { \"speakers\": \"s\" } } }",
                       "car.json:1: audio.a.speakers: expected a name among \"speakers\", got \"s\"");
        assert_refused(f, "{ \"speakers\": { \"s\": { \"backend\": \"null\" } },\n"
                          "\"audio\": { \"a\": { \"speakers\": \"s\", \"over\": \"duk\" } } }",
                       "car.json:2: audio.a.over: expected one of mix, duck, interrupt, got \"duk\"");
}

static void a_file_is_loaded_with_paths_of_its_folder(void **state)
{
        char dir[] = "/tmp/busbar-test-XXXXXX", path[64], expected[64];
        static const char text[] = "{ \"machines\": {}, \"speakers\": { \"s\": { \"backend\": \"wav\","
                                   "\"file\": \"out/a.wav\" } } }";
        struct scene s = { 0 };
        char *error = NULL;

        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/car.json", dir);
        (void) snprintf(expected, sizeof(expected), "%s/out/a.wav", dir);
        assert_int_equal(fd_write_file_atomic(path, text, strlen(text), 0600), 0);
        assert_int_equal(scene_load(path, &s, &error), 0);
        assert_null(error);
        assert_string_equal(s.speakers[0].file, expected);
        scene_deinit(&s);

        assert_int_equal(fd_write_file_atomic(path, "{\n\"screens\": 7 }", 16, 0600), 0);
        assert_int_equal(scene_load(path, &s, &error), -EINVAL);
        assert_non_null(strstr(error, "/car.json:2: screens: expected an object, got 7"));
        assert_int_equal(s.n_screens, 0);
        free(error);
        error = NULL;

        (void) unlink(path);
        assert_int_equal(scene_load(path, &s, &error), -ENOENT);
        assert_non_null(strstr(error, "No such file"));
        free(error);
        (void) rmdir(dir);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(a_file_without_a_scene_is_empty),
                test(a_screen_has_defaults),
                test(a_vnc_screen_has_all_its_members),
                test(a_kms_screen_leaves_its_size_open),
                test(a_display_has_all_its_members),
                test(a_guard_has_all_its_members),
                test(speakers_and_audio_have_all_their_members),
                test(a_wrong_screen_is_refused),
                test(a_vnc_address_is_checked),
                test(a_wrong_display_is_refused),
                test(a_wrong_guard_is_refused),
                test(a_key_focus_of_another_screen_is_refused),
                test(wrong_sound_is_refused),
                cmocka_unit_test(a_file_is_loaded_with_paths_of_its_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
