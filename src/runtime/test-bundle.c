/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/test-folder.h"

#define HEAD "{ \"ociVersion\": \"1.3.0\",\n"

static struct bundle *parsed(const char *text)
{
        struct bundle *b = NULL;
        char *error = NULL;

        if (bundle_parse("config.json", text, strlen(text), &b, &error) < 0)
                fail_msg("%s", error);
        return b;
}

/* Parses what must fail; true if the error has @part in it. */
static void assert_refused(const char *text, size_t n, const char *part)
{
        auto_cleanup(bundle_freep) struct bundle *b = NULL;
        auto_cleanup(freep) char *error = NULL;

        assert_int_equal(bundle_parse("config.json", text, n, &b, &error), -EINVAL);
        assert_null(b);
        assert_non_null(error);
        if (!strstr(error, part))
                fail_msg("\"%s\" is not in: %s", part, error);
}

static void minimal_bundle_has_defaults(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b =
                parsed(HEAD "\"vm\": { \"kernel\": { \"path\": \"k\" }, \"arch\": \"arm64\" } }");

        assert_int_equal(b->arch, ARCH_AARCH64);
        assert_int_equal(b->n_vcpus, 1);
        assert_int_equal(b->memory_bytes, 256 << 20);
        assert_string_equal(b->kernel, "k");
        assert_null(b->initrd);
        assert_null(b->parameters);
        assert_int_equal(b->n_devices, 0);
}

static void every_member_is_taken(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *b = parsed(
                HEAD "\"hostname\": \"cluster\", \"annotations\": { \"a\": \"b\" },"
                     "\"vm\": { \"kernel\": { \"path\": \"k\", \"initrd\": \"i\", "
                     "\"parameters\": [\"quiet\", \"a=b\"] },"
                     "\"hwConfig\": { \"vcpus\": 3, \"memory\": 1073741824, \"deviceTree\": \"d\" }, "
                     "\"arch\": \"amd64\","
                     "\"image\": { \"path\": \"r\", \"format\": \"raw\" }, \"devices\": ["
                     "{ \"id\": \"data\", \"type\": \"blk\", \"image\": \"x\", \"readOnly\": true, \"serial\": \"s\","
                     "  \"queues\": 4, \"queueSize\": 128, \"packed\": false, \"transport\": \"mmio\" },"
                     "{ \"id\": \"eth0\", \"type\": \"net\", \"network\": \"n\", \"mac\": \"02:aB:00:00:00:01\" },"
                     "{ \"id\": \"rng0\", \"type\": \"rng\", \"bytesPerSecond\": 1000 } ] } }");
        const struct bundle_device *d;

        assert_string_equal(b->name, "cluster");
        assert_string_equal(b->annotations, "{\"a\":\"b\"}");
        assert_string_equal(b->parameters, "quiet a=b");
        assert_string_equal(b->device_tree, "d");
        assert_int_equal(b->arch, ARCH_X86_64);
        assert_int_equal(b->n_vcpus, 3);
        assert_int_equal(b->memory_bytes, 1 << 30);
        assert_int_equal(b->n_devices, 4);
        assert_string_equal(b->devices[0].id, "image");
        assert_string_equal(b->devices[0].image, "r");
        d = bundle_find_device(b, "data");
        assert_true(d->read_only && !d->packed && d->transport == TRANSPORT_MMIO);
        assert_string_equal(d->serial, "s");
        assert_int_equal(d->n_queues, 4);
        assert_int_equal(d->queue_size, 128);
        d = bundle_find_device(b, "eth0");
        assert_true(d->has_mac && d->packed && d->transport == TRANSPORT_PCI);
        assert_memory_equal(d->mac, ((uint8_t[]) { 2, 0xab, 0, 0, 0, 1 }), 6);
        assert_int_equal(bundle_find_device(b, "rng0")->bytes_per_second, 1000);
        assert_null(bundle_find_device(b, "none"));
}

static void architecture_comes_from_the_oci_annotation_unless_stated(void **state)
{
        auto_cleanup(bundle_freep) struct bundle *annotated =
                parsed(HEAD "\"annotations\": { \"org.opencontainers.image.architecture\": \"arm64\" },"
                            "\"vm\": { \"kernel\": { \"path\": \"k\" } } }");
        auto_cleanup(bundle_freep) struct bundle *stated =
                parsed(HEAD "\"annotations\": { \"org.opencontainers.image.architecture\": \"arm64\" },"
                            "\"vm\": { \"kernel\": { \"path\": \"k\" }, \"arch\": \"amd64\" } }");

        assert_int_equal(annotated->arch, ARCH_AARCH64);
        assert_int_equal(stated->arch, ARCH_X86_64);
}

/* bad-input 17. */
static void every_truncation_of_a_bundle_is_refused(void **state)
{
        static const char text[] = HEAD "\"vm\": { \"kernel\": { \"path\": \"k\" },\n\"devices\": [\n"
                                        "{ \"id\": \"a\", \"type\": \"rng\" } ] } }";

        for (size_t n = 0; n < strlen(text); n++)
                assert_refused(text, n, "config.json:");
}

static void huge_text_is_refused_by_its_size(void **state)
{
        size_t n = BUNDLE_CONFIG_MAX_BYTES + 1;
        auto_cleanup(freep) char *text = malloc(n);

        memset(text, ' ', n);
        assert_refused(text, n, "more than the 1048576 allowed");
}

static void deep_text_is_refused_without_deep_recursion(void **state)
{
        size_t n = BUNDLE_CONFIG_MAX_BYTES;
        auto_cleanup(freep) char *text = malloc(n);

        memset(text, '[', n);
        assert_refused(text, n, "nested deeper than 64 levels");
}

static void many_unknown_members_are_read_in_time(void **state)
{
        auto_cleanup(freep) char *text = malloc(BUNDLE_CONFIG_MAX_BYTES);
        size_t n = (size_t) sprintf(text, "{");

        for (unsigned i = 0; n < BUNDLE_CONFIG_MAX_BYTES - 200; i++)
                n += (size_t) sprintf(text + n, "\"m%u\":%u,", i, i);
        n += (size_t) sprintf(text + n, "\n\"ociVersion\": 7, \"vm\": {} }");
        assert_refused(text, n, "config.json:2: ociVersion: expected a version");
}

static void error_tells_the_line_behind_strings_that_look_like_json(void **state)
{
        static const char text[] = HEAD "\"x\": \"}]\\\"{[\\\\\",\n\"y\": { \"]\": [1, [2], \"\\\"\"] },\n"
                                        "\"vm\":\n{ \"kernel\":\n{ \"path\" :\n 7 } } }";

        assert_refused(text, strlen(text), "config.json:6: vm.kernel.path: expected a string, got 7");
}

struct fixture {
        struct test_folder folder;
        struct bundle *bundle;
        char *error;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        test_folder_init(&f->folder);
        test_folder_write(&f->folder, "b/vmlinuz", "kernel");
        test_folder_write(&f->folder, "b/images/root.img", "disk");
        test_folder_write(&f->folder, "secret", "host");
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        test_folder_deinit(&f->folder);
        bundle_free(f->bundle);
        free(f->error);
        free(f);
        return 0;
}

static int load_with_image(struct fixture *f, const char *image)
{
        char text[512];

        (void) snprintf(text, sizeof(text),
                        HEAD "\"vm\": { \"kernel\": { \"path\": \"vmlinuz\" }, \"devices\": [\n"
                             "{ \"id\": \"root\", \"type\": \"blk\", \"image\": \"%s\" } ] } }",
                        image);
        test_folder_write(&f->folder, "b/config.json", text);
        return bundle_load(test_folder_path(&f->folder, "b"), &f->bundle, &f->error);
}

static void assert_error(const struct fixture *f, const char *part)
{
        assert_null(f->bundle);
        assert_non_null(f->error);
        if (!strstr(f->error, part))
                fail_msg("\"%s\" is not in: %s", part, f->error);
}

static void loaded_paths_are_absolute(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(load_with_image(f, "images/./root.img"), 0);
        assert_string_equal(f->bundle->path, test_folder_path(&f->folder, "b"));
        assert_string_equal(f->bundle->kernel, test_folder_path(&f->folder, "b/vmlinuz"));
        assert_string_equal(f->bundle->devices[0].image, test_folder_path(&f->folder, "b/images/root.img"));
        assert_string_equal(f->bundle->name, "b");
}

static void symlinks_inside_the_bundle_are_followed(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("images/../images/root.img", test_folder_path(&f->folder, "b/link")), 0);
        assert_int_equal(load_with_image(f, "link"), 0);
        assert_string_equal(f->bundle->devices[0].image, test_folder_path(&f->folder, "b/images/root.img"));
}

static void symlinks_that_leave_the_bundle_are_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("../secret", test_folder_path(&f->folder, "b/link")), 0);
        assert_int_equal(load_with_image(f, "link"), -EINVAL);
        assert_error(f, "config.json:3: vm.devices[0].image: \"link\" leads out of the bundle");
}

static void absolute_symlinks_are_refused(void **state)
{
        struct fixture *f = *state;
        char target[256];

        (void) snprintf(target, sizeof(target), "%s/b/images/root.img", f->folder.path);
        assert_int_equal(symlink(target, test_folder_path(&f->folder, "b/link")), 0);
        assert_int_equal(load_with_image(f, "link"), -EINVAL);
        assert_error(f, "leads out of the bundle");
}

static void symlinked_folders_that_leave_the_bundle_are_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("..", test_folder_path(&f->folder, "b/up")), 0);
        assert_int_equal(load_with_image(f, "up/secret"), -EINVAL);
        assert_error(f, "leads out of the bundle");
}

static void a_config_that_is_a_symlink_out_of_the_bundle_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("../secret", test_folder_path(&f->folder, "b/config.json")), 0);
        assert_int_equal(bundle_load(test_folder_path(&f->folder, "b"), &f->bundle, &f->error), -EXDEV);
        assert_error(f, "/b/config.json: leads out of the bundle");
}

static void missing_files_are_named(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(load_with_image(f, "none.img"), -EINVAL);
        assert_error(f, "b/config.json:3: vm.devices[0].image: \"none.img\" does not exist");
}

static void a_missing_bundle_is_named(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(bundle_load(test_folder_path(&f->folder, "none"), &f->bundle, &f->error), -ENOENT);
        assert_error(f, "/none: does not exist");
}

static void images_that_are_no_regular_files_are_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(load_with_image(f, "images"), -EINVAL);
        assert_error(f, "\"images\" is a folder");
        free(f->error);
        f->error = NULL;
        assert_int_equal(mkfifo(test_folder_path(&f->folder, "b/fifo"), 0600), 0);
        assert_int_equal(load_with_image(f, "fifo"), -EINVAL);
        assert_error(f, "\"fifo\" is not a regular file");
}

static void a_huge_config_is_refused(void **state)
{
        struct fixture *f = *state;

        test_folder_write(&f->folder, "b/config.json", "");
        assert_int_equal(truncate(test_folder_path(&f->folder, "b/config.json"), INT64_C(1) << 40), 0);
        assert_int_equal(bundle_load(test_folder_path(&f->folder, "b/"), &f->bundle, &f->error), -EINVAL);
        assert_error(f, "/b/config.json:1: 1048577 bytes are more than the 1048576 allowed");
}

static void a_name_is_made_valid(void **state)
{
        struct fixture *f = *state;

        test_folder_write(&f->folder, "b/config.json",
                          HEAD "\"hostname\": \"-my.host, of \\u00e4 very long name indeed\", "
                               "\"vm\": { \"kernel\": { \"path\": \"vmlinuz\" } } }");
        assert_int_equal(bundle_load(test_folder_path(&f->folder, "b"), &f->bundle, &f->error), 0);
        assert_string_equal(f->bundle->name, "my-host--of----very-long-name-i");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(minimal_bundle_has_defaults),
                cmocka_unit_test(every_member_is_taken),
                cmocka_unit_test(architecture_comes_from_the_oci_annotation_unless_stated),
                cmocka_unit_test(every_truncation_of_a_bundle_is_refused),
                cmocka_unit_test(huge_text_is_refused_by_its_size),
                cmocka_unit_test(deep_text_is_refused_without_deep_recursion),
                cmocka_unit_test(many_unknown_members_are_read_in_time),
                cmocka_unit_test(error_tells_the_line_behind_strings_that_look_like_json),
                cmocka_unit_test_setup_teardown(loaded_paths_are_absolute, set_up, tear_down),
                cmocka_unit_test_setup_teardown(symlinks_inside_the_bundle_are_followed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(symlinks_that_leave_the_bundle_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(absolute_symlinks_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(symlinked_folders_that_leave_the_bundle_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_config_that_is_a_symlink_out_of_the_bundle_is_refused, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(missing_files_are_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_missing_bundle_is_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(images_that_are_no_regular_files_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_huge_config_is_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_name_is_made_valid, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
