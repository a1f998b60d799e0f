/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/spec.h"

static void device_is_read_with_defaults(void **state)
{
        struct monitor_spec spec;
        char *error = NULL;

        monitor_spec_init(&spec);
        assert_int_equal(monitor_spec_add_device(&spec, "id=root,type=blk,socket=/run/root.sock", &error), 0);
        assert_int_equal(spec.n_devices, 1);
        assert_string_equal(spec.devices[0].id, "root");
        assert_string_equal(spec.devices[0].socket_path, "/run/root.sock");
        assert_int_equal(spec.devices[0].virtio_id, 2);
        assert_int_equal(spec.devices[0].transport, MONITOR_PCI);
        assert_int_equal(spec.devices[0].n_queues, 0);
        assert_int_equal(spec.devices[0].queue_size_max, 256);
        assert_true(spec.devices[0].packed);
        assert_false(spec.devices[0].has_mac);
        monitor_spec_deinit(&spec);
}

static void device_takes_all_of_its_settings(void **state)
{
        static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0xfe };
        struct monitor_spec spec;
        char *error = NULL;

        monitor_spec_init(&spec);
        assert_int_equal(monitor_spec_add_device(&spec, "packed=off,queue-size=1024,queues=3,transport=mmio,id=n,"
                                                 "type=net,mac=02:00:00:00:00:fe,socket=/run/a,,b", &error), 0);
        assert_string_equal(spec.devices[0].socket_path, "/run/a,b");
        assert_int_equal(spec.devices[0].transport, MONITOR_MMIO);
        assert_int_equal(spec.devices[0].n_queues, 3);
        assert_int_equal(spec.devices[0].queue_size_max, 1024);
        assert_false(spec.devices[0].packed);
        assert_true(spec.devices[0].has_mac);
        assert_memory_equal(spec.devices[0].mac, mac, 6);
        assert_int_equal(monitor_spec_add_device(&spec, "id=x,type=45,socket=s", &error), 0);
        assert_int_equal(spec.devices[1].virtio_id, 45);
        monitor_spec_deinit(&spec);
}

static void wrong_device_is_refused_with_what_is_wrong(void **state)
{
        static const struct {
                const char *text, *said;
        } cases[] = {
                { "", "not NAME=VALUE" },
                { "blk", "not NAME=VALUE" },
                { "id=a,,type=blk", "socket= is missing" },
                { "id=a,type=blk,", "not NAME=VALUE" },
                { "type=blk,socket=s", "id= is missing" },
                { "id=a,socket=s", "type= is missing" },
                { "id=,type=blk,socket=s", "expected a value" },
                { "id=a,type=disk,socket=s", "VIRTIO device type" },
                { "id=a,type=0,socket=s", "VIRTIO device type" },
                { "id=a,type=64,socket=s", "VIRTIO device type" },
                { "id=a,type=blk,socket=s,color=red", "no 'color'" },
                { "id=a,type=blk,socket=s,transport=isa", "pci or mmio" },
                { "id=a,type=blk,socket=s,queues=0", "1 to 256" },
                { "id=a,type=blk,socket=s,queues=-1", "1 to 256" },
                { "id=a,type=blk,socket=s,queues=99999999999999999999", "1 to 256" },
                { "id=a,type=blk,socket=s,queue-size=3", "power of two" },
                { "id=a,type=blk,socket=s,queue-size=65536", "power of two" },
                { "id=a,type=blk,socket=s,packed=yes", "on or off" },
                { "id=a,type=net,socket=s,mac=02:00:00:00:00", "address of one card" },
                { "id=a,type=net,socket=s,mac=02:00:00:00:00:01:02", "address of one card" },
                { "id=a,type=net,socket=s,mac=03:00:00:00:00:01", "address of one card" },
                { "id=a,type=net,socket=s,mac=2:0:0:0:0:1", "address of one card" },
                { "id=first,type=net,socket=s", "given twice" },
        };
        struct monitor_spec spec;
        char *first_error = NULL;

        monitor_spec_init(&spec);
        assert_int_equal(monitor_spec_add_device(&spec, "id=first,type=rng,socket=s", &first_error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                auto_cleanup(freep) char *error = NULL;

                assert_true(monitor_spec_add_device(&spec, cases[i].text, &error) < 0);
                assert_non_null(error);
                if (!strstr(error, cases[i].said))
                        fail_msg("'%s' said '%s', not '%s'", cases[i].text, error, cases[i].said);
                assert_int_equal(spec.n_devices, 1);
        }
        monitor_spec_deinit(&spec);
}

static void devices_are_limited(void **state)
{
        struct monitor_spec spec;
        char *error = NULL;
        char text[64];

        monitor_spec_init(&spec);
        for (int i = 0; i < MONITOR_DEVICES_MAX; i++) {
                (void) snprintf(text, sizeof(text), "id=d%d,type=rng,socket=s", i);
                assert_int_equal(monitor_spec_add_device(&spec, text, &error), 0);
        }
        assert_true(monitor_spec_add_device(&spec, "id=more,type=rng,socket=s", &error) < 0);
        assert_non_null(strstr(error, "at most 30"));
        freep(&error);
        monitor_spec_deinit(&spec);
}

static void sizes_have_units(void **state)
{
        static const char *const wrong[] = { "", "M", "1m", "-1", "1.5G", "1KM", "1 M", "99999999999999999999",
                                             "16777216T", "00000000000000000000000000000000001" };
        uint64_t n;

        assert_int_equal(monitor_parse_bytes("4096", &n), 0);
        assert_int_equal(n, 4096);
        assert_int_equal(monitor_parse_bytes("512M", &n), 0);
        assert_int_equal(n, 512U << 20);
        assert_int_equal(monitor_parse_bytes("6G", &n), 0);
        assert_int_equal(n, UINT64_C(6) << 30);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_true(monitor_parse_bytes(wrong[i], &n) < 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(device_is_read_with_defaults),
                cmocka_unit_test(device_takes_all_of_its_settings),
                cmocka_unit_test(wrong_device_is_refused_with_what_is_wrong),
                cmocka_unit_test(devices_are_limited),
                cmocka_unit_test(sizes_have_units),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
