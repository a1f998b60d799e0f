/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "platform/kvm-args.h"

static struct machine_device devices[] = {
        { .id = "root",
          .type = DEVICE_BLK,
          .socket_path = (char *) "/run/a,b/0.blk",
          .n_queues = 2,
          .queue_size = 256,
          .packed = true },
        { .id = "eth0",
          .type = DEVICE_NET,
          .transport = TRANSPORT_MMIO,
          .socket_path = (char *) "/run/1.net",
          .n_queues = 1,
          .mac = { 2, 0, 0, 0, 0, 0xfe } },
        { .id = "tty", .type = DEVICE_CONSOLE, .socket_path = (char *) "/run/2.console", .queue_size = 64 },
};

static const struct platform_probe probe = { .usable = true };

static struct machine machine = {
        .id = (char *) "cluster",
        .kernel = (char *) "/b/vmlinuz",
        .initrd = (char *) "/b/initrd.img",
        .parameters = (char *) "quiet a=1,2 b=\"c d\"",
        .n_vcpus = 2,
        .memory_bytes = 256 << 20,
        .devices = devices,
        .n_devices = 3,
};

static void assert_words(const struct argv *a, const char *const *expected)
{
        size_t n = 0;

        for (; expected[n]; n++) {
                assert_true(n < a->n);
                assert_string_equal(a->items[n], expected[n]);
        }
        assert_int_equal(a->n, n);
}

static void a_machine_is_all_on_the_command_line(void **state)
{
        static const char *const expected[] = {
                "busbar",
                "monitor",
                "--name=cluster",
                "--control-fd=3",
                "--serial=4",
                "--vcpus=2",
                "--memory=268435456",
                "--no-symlinks",
                "--kernel=/b/vmlinuz",
                "--initrd=/b/initrd.img",
                "--parameters=quiet a=1,2 b=\"c d\"",
                "--device",
                "id=root,type=blk,socket=/run/a,,b/0.blk,transport=pci,packed=on,queues=2,queue-size=256",
                "--device",
                "id=eth0,type=net,socket=/run/1.net,transport=mmio,packed=off,mac=02:00:00:00:00:fe",
                "--device",
                "id=tty,type=console,socket=/run/2.console,transport=pci,packed=off,queue-size=64",
                NULL
        };
        struct kvm_fds fds = { .control = 3, .serial = 4 };
        struct argv a = { 0 };

        assert_int_equal(kvm_args(&machine, &fds, &a), 0);
        assert_words(&a, expected);
        argv_deinit(&a);
}

static void what_is_absent_is_not_mentioned(void **state)
{
        static const char *const expected[] = {
                "busbar",        "monitor",       "--name=m",    "--control-fd=3",        "--serial=4", "--vcpus=1",
                "--memory=4096", "--no-symlinks", "--kernel=/k", "--device-tree=/d.dtbo", NULL
        };
        struct kvm_fds fds = { .control = 3, .serial = 4 };
        struct machine m = { .id = (char *) "m",
                             .kernel = (char *) "/k",
                             .parameters = (char *) "",
                             .device_tree = (char *) "/d.dtbo",
                             .n_vcpus = 1,
                             .memory_bytes = 4096 };
        struct argv a = { 0 };

        assert_int_equal(kvm_args(&m, &fds, &a), 0);
        assert_words(&a, expected);
        argv_deinit(&a);
}

static void displays_input_and_sound_are_devices_like_others(void **state)
{
        static struct machine_device cockpit[] = {
                { .id = "dash", .type = DEVICE_GPU, .socket_path = (char *) "/run/0.gpu", .queue_size = 256,
                  .packed = true },
                { .id = "touch", .type = DEVICE_INPUT, .socket_path = (char *) "/run/1.input", .queue_size = 64 },
                { .id = "bell", .type = DEVICE_SOUND, .socket_path = (char *) "/run/2.sound", .queue_size = 64 },
        };
        static const char *const expected[] = {
                "busbar", "monitor", "--name=m", "--control-fd=3", "--serial=4", "--vcpus=1", "--memory=16777216",
                "--no-symlinks",
                "--device", "id=dash,type=gpu,socket=/run/0.gpu,transport=pci,packed=on,queue-size=256",
                "--device", "id=touch,type=input,socket=/run/1.input,transport=pci,packed=off,queue-size=64",
                "--device", "id=bell,type=sound,socket=/run/2.sound,transport=pci,packed=off,queue-size=64",
                NULL,
        };
        struct machine m = {
                .id = (char *) "m", .n_vcpus = 1, .memory_bytes = 16 << 20, .devices = cockpit, .n_devices = 3
        };
        struct kvm_fds fds = { .control = 3, .serial = 4 };
        struct argv a = { 0 };

        assert_int_equal(kvm_args(&m, &fds, &a), 0);
        assert_words(&a, expected);
        argv_deinit(&a);
        assert_null(kvm_args_check(&m, &probe));
}

static void what_cannot_be_done_is_said_before_the_start(void **state)
{
        auto_cleanup(freep) char *fine = kvm_args_check(&machine, &probe);
        auto_cleanup(freep) char *text = NULL;
        struct machine m = { .firmware = (char *) "/b/edk2.fd",
                             .device_tree = (char *) "/b/o.dtbo",
                             .n_vcpus = 65,
                             .memory_bytes = 1000,
                             .n_devices = 31 };

        struct machine_device many[19];
        auto_cleanup(freep) char *too_many = NULL;

        for (size_t i = 0; i < 19; i++)
                many[i] = (struct machine_device){ .transport = TRANSPORT_MMIO };
        too_many = kvm_args_check(&(struct machine){ .devices = many, .n_devices = 19 }, &probe);
        assert_non_null(strstr(too_many, "19 devices of transport mmio"));
        assert_null(fine);
        text = kvm_args_check(&m, &probe);
        assert_non_null(strstr(text, "UEFI firmware"));
        assert_non_null(strstr(text, "overlay"));
        assert_non_null(strstr(text, "1000 bytes"));
        assert_non_null(strstr(text, "65 vCPUs"));
        assert_non_null(strstr(text, "31 devices"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_machine_is_all_on_the_command_line),
                cmocka_unit_test(what_is_absent_is_not_mentioned),
                cmocka_unit_test(displays_input_and_sound_are_devices_like_others),
                cmocka_unit_test(what_cannot_be_done_is_said_before_the_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
