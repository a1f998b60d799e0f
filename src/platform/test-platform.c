/* SPDX-License-Identifier: MPL-2.0 */
/* Which platform a machine gets, from a table of this test's own: one like kvm, one like qemu. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "platform/platform.h"

static struct platform_probe monitor_probe, emulator_probe;

static int probe_monitor(enum machine_arch arch, struct platform_probe *ret)
{
        *ret = monitor_probe;
        return 0;
}

static int probe_emulator(enum machine_arch arch, struct platform_probe *ret)
{
        *ret = emulator_probe;
        return 0;
}

static char *check_monitor(const struct machine *m, const struct platform_probe *probe)
{
        return m->firmware ? strdup("no firmware\nand more\n") : NULL;
}
static char *check_emulator(const struct machine *m, const struct platform_probe *probe)
{
        return m->device_tree ? strdup("no overlay\n") : NULL;
}

static const struct platform_ops monitor = { .name = "monitor", .probe = probe_monitor, .check = check_monitor };
static const struct platform_ops emulator = { .name = "emulator", .probe = probe_emulator, .check = check_emulator };

const struct platform_ops *const platforms[] = { &monitor, &emulator, NULL };

static void expect(struct machine m, int expected, const char *name, const char *expected_why)
{
        auto_cleanup(freep) char *why = NULL;
        const struct platform_ops *chosen = NULL;
        struct platform_probe probe;

        m.platform = m.platform ?: (char *) "auto";
        assert_int_equal(platform_select(&m, &chosen, &probe, &why), expected);
        if (name)
                assert_string_equal(chosen->name, name);
        else
                assert_null(chosen);
        if (expected_why)
                assert_string_equal(why, expected_why);
        else
                assert_null(why);
}

static int set_up(void **state)
{
        monitor_probe = (struct platform_probe){ .usable = true, .accelerated = true };
        emulator_probe = (struct platform_probe){ .usable = true, .accelerated = true };
        return 0;
}

static void the_first_that_is_usable_is_chosen(void **state)
{
        expect((struct machine){ 0 }, 0, "monitor", NULL);
        monitor_probe = (struct platform_probe){ .why = "no progress" };
        expect((struct machine){ 0 }, 0, "emulator", NULL);
        emulator_probe = (struct platform_probe){ .why = "not installed" };
        expect((struct machine){ 0 }, -ENODEV, NULL,
               "no platform can run x86_64 here; `busbar doctor` says why and what helps");
}

static void an_accelerated_one_is_preferred(void **state)
{
        monitor_probe.accelerated = false;
        expect((struct machine){ 0 }, 0, "emulator", NULL);
        emulator_probe.accelerated = false;
        expect((struct machine){ 0 }, 0, "monitor", NULL);
}

static void one_that_cannot_do_what_is_needed_is_passed_over(void **state)
{
        expect((struct machine){ .firmware = (char *) "f" }, 0, "emulator",
               "platform monitor cannot run this machine: no firmware");
        expect((struct machine){ .device_tree = (char *) "d" }, 0, "monitor", NULL);
        expect((struct machine){ .firmware = (char *) "f", .device_tree = (char *) "d" }, -ENOTSUP, NULL,
               "platform emulator cannot run this machine: no overlay");
}

static void one_that_is_named_is_taken_or_refused(void **state)
{
        expect((struct machine){ .platform = (char *) "emulator" }, 0, "emulator", NULL);
        expect((struct machine){ .platform = (char *) "vax" }, -ENOENT, NULL,
               "there is no platform called 'vax'; `busbar doctor` lists them");
        expect((struct machine){ .platform = (char *) "monitor", .firmware = (char *) "f" }, -ENOTSUP, NULL,
               "platform monitor cannot run this machine: no firmware");
        monitor_probe = (struct platform_probe){ .why = "no progress" };
        expect((struct machine){ .platform = (char *) "monitor" }, -ENODEV, NULL,
               "platform monitor cannot run x86_64 here: no progress");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(the_first_that_is_usable_is_chosen, set_up),
                cmocka_unit_test_setup(an_accelerated_one_is_preferred, set_up),
                cmocka_unit_test_setup(one_that_cannot_do_what_is_needed_is_passed_over, set_up),
                cmocka_unit_test_setup(one_that_is_named_is_taken_or_refused, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
