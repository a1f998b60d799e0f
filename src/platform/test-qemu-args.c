/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "platform/qemu-args.h"

static struct machine_device devices[] = {
        { .id = "root",
          .type = DEVICE_BLK,
          .socket_path = "/run/a,b/root",
          .n_queues = 2,
          .queue_size = 256,
          .packed = true },
        { .id = "eth0",
          .type = DEVICE_NET,
          .socket_path = "/run/eth0",
          .n_queues = 1,
          .packed = true,
          .mac = { 2, 0, 0, 0, 0, 1 } },
        { .id = "rng", .type = DEVICE_RNG, .socket_path = "/run/rng" },
        { .id = "tty", .type = DEVICE_CONSOLE, .socket_path = "/run/tty", .stream = true },
};

static struct machine machine = {
        .id = "cluster",
        .kernel = "/b/vmlinuz",
        .parameters = "quiet a=1,2",
        .n_vcpus = 2,
        .memory_bytes = 256 << 20,
        .devices = devices,
        .n_devices = 4,
};

static bool has(const struct argv *a, const char *option, const char *value)
{
        for (size_t i = 0; i + 1 < a->n; i++)
                if (strcmp(a->items[i], option) == 0 && strcmp(a->items[i + 1], value) == 0)
                        return true;
        return false;
}

static void every_device_is_a_front_end_at_a_fixed_slot(void **state)
{
        struct qemu_build build = { .binary = "q", .version = 1000, .qmp_fd = 3 };
        struct argv a = { 0 };

        assert_int_equal(qemu_args(&machine, &build, &a), 0);
        assert_true(has(&a, "-chardev", "socket,id=c0,path=/run/a,,b/root,reconnect-ms=20"));
        assert_true(has(
                &a, "-device",
                "vhost-user-blk-pci,bus=pcie.0,addr=0x3,disable-legacy=on,chardev=c0,num-queues=2,queue-size=256,"
                "packed=on"));
        assert_true(has(&a, "-netdev", "vhost-user,id=n1,chardev=c1,queues=1"));
        assert_true(has(
                &a, "-device",
                "virtio-net-pci,bus=pcie.0,addr=0x4,disable-legacy=on,netdev=n1,mac=02:00:00:00:00:01,mq=off,"
                "packed=off,romfile="));
        assert_true(has(&a, "-chardev", "socket,id=c2,path=/run/rng")); /* it does not survive a second connection */
        assert_true(has(&a, "-device", "vhost-user-rng-pci,bus=pcie.0,addr=0x5,chardev=c2"));
        assert_true(has(&a, "-chardev", "pipe,id=c3,path=/run/tty"));
        assert_true(has(&a, "-device", "virtconsole,bus=s3.0,chardev=c3"));
        assert_true(has(&a, "-append", "quiet a=1,2"));
        assert_true(has(&a, "-no-user-config", "-nodefaults"));
        argv_deinit(&a);
}

static void old_versions_get_the_options_they_know(void **state)
{
        struct qemu_build build = { .binary = "q", .version = 702, .qmp_fd = 3 };
        struct argv a = { 0 };

        assert_int_equal(qemu_args(&machine, &build, &a), 0);
        assert_true(has(&a, "-chardev", "socket,id=c1,path=/run/eth0,reconnect=1"));
        for (size_t i = 0; i < a.n; i++)
                assert_null(strstr(a.items[i], "i8042"));
        argv_deinit(&a);
}

static struct machine_device cockpit[] = {
        { .id = "dash", .type = DEVICE_GPU, .socket_path = "/run/dash", .packed = true, .n_displays = 2 },
        { .id = "touch", .type = DEVICE_INPUT, .socket_path = "/run/touch" },
        { .id = "bell", .type = DEVICE_SOUND, .socket_path = "/run/bell" },
};

static void displays_input_and_sound_are_front_ends_that_connect_once(void **state)
{
        struct qemu_build build = { .binary = "q", .version = 1000, .qmp_fd = 3 };
        struct machine m = { .id = "m", .n_vcpus = 1, .memory_bytes = 16 << 20, .devices = cockpit, .n_devices = 3 };
        struct argv a = { 0 };

        assert_int_equal(qemu_args(&m, &build, &a), 0);
        assert_true(has(&a, "-chardev", "socket,id=c0,path=/run/dash"));
        assert_true(has(&a, "-device",
                        "vhost-user-gpu-pci,bus=pcie.0,addr=0x3,disable-legacy=on,chardev=c0,max_outputs=2,packed=on"));
        assert_true(has(&a, "-chardev", "socket,id=c1,path=/run/touch"));
        assert_true(has(&a, "-device", "vhost-user-input-pci,bus=pcie.0,addr=0x4,disable-legacy=on,chardev=c1"));
        assert_true(has(&a, "-chardev", "socket,id=c2,path=/run/bell"));
        assert_true(has(&a, "-device", "vhost-user-snd-pci,bus=pcie.0,addr=0x5,chardev=c2,controls=on"));
        assert_true(has(&a, "-display", "none"));
        argv_deinit(&a);

        build.relay_fd = 9;
        assert_int_equal(qemu_args(&m, &build, &a), 0);
        assert_true(has(&a, "-chardev", "socket,id=c0,fd=9"));
        assert_true(has(&a, "-chardev", "socket,id=c2,fd=11"));
        argv_deinit(&a);
        build.relay_fd = 0;

        m.arch = ARCH_AARCH64;
        for (size_t i = 0; i < m.n_devices; i++)
                cockpit[i].transport = TRANSPORT_MMIO;
        assert_int_equal(qemu_args(&m, &build, &a), 0);
        assert_true(has(&a, "-device", "vhost-user-gpu,bus=virtio-mmio-bus.31,chardev=c0,max_outputs=2,packed=on"));
        assert_true(has(&a, "-device", "vhost-user-input,bus=virtio-mmio-bus.30,chardev=c1"));
        assert_true(has(&a, "-device", "vhost-user-snd,bus=virtio-mmio-bus.29,chardev=c2,controls=on"));
        argv_deinit(&a);
}

static void displays_input_and_sound_need_a_new_qemu(void **state)
{
        struct machine m = { .memory_bytes = 16 << 20, .devices = cockpit, .n_devices = 3, .arch = ARCH_AARCH64 };
        auto_cleanup(freep) char *fine = qemu_args_check(&m, 1000);
        auto_cleanup(freep) char *old = qemu_args_check(&m, 902);

        assert_null(fine);
        assert_string_equal(old, "device dash: type gpu needs QEMU 10.0 or later\n"
                                 "device touch: type input needs QEMU 10.0 or later\n"
                                 "device bell: type sound needs QEMU 10.0 or later\n");
}

static void boot_files_are_those_that_were_opened(void **state)
{
        struct machine m = machine;
        struct argv a = { 0 };

        m.initrd = (char *) "/b/initrd";
        assert_int_equal(qemu_args(&m, &(struct qemu_build) { .binary = "q", .qmp_fd = 3, .boot_fd = 4 }, &a), 0);
        assert_true(has(&a, "-kernel", "/proc/self/fd/4"));
        assert_true(has(&a, "-initrd", "/proc/self/fd/5"));
        argv_deinit(&a);
        assert_int_equal(qemu_args(&m, &(struct qemu_build) { .binary = "q", .qmp_fd = 3 }, &a), 0);
        assert_true(has(&a, "-kernel", "/b/vmlinuz"));
        argv_deinit(&a);
}

static void what_cannot_be_attached_is_said_before_the_start(void **state)
{
        auto_cleanup(freep) char *fine = qemu_args_check(&machine, 702);
        auto_cleanup(freep) char *text = NULL;
        struct machine_device bad[] = {
                { .id = "disk", .type = DEVICE_BLK, .transport = TRANSPORT_MMIO },
        };
        struct machine m = { .memory_bytes = 1000, .devices = bad, .n_devices = 1 };

        assert_null(fine);
        text = qemu_args_check(&m, 1000);
        assert_non_null(strstr(text, "MiB"));
        assert_non_null(strstr(text, "disk"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_device_is_a_front_end_at_a_fixed_slot),
                cmocka_unit_test(old_versions_get_the_options_they_know),
                cmocka_unit_test(displays_input_and_sound_are_front_ends_that_connect_once),
                cmocka_unit_test(displays_input_and_sound_need_a_new_qemu),
                cmocka_unit_test(boot_files_are_those_that_were_opened),
                cmocka_unit_test(what_cannot_be_attached_is_said_before_the_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
