/* SPDX-License-Identifier: MPL-2.0 */
/* Ends of a machine that a guest can bring about: sleep and reset. Its watchdog is in test-arm-registers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "monitor/layout.h"
#include "monitor/test-vm.h"
#include "monitor/x86_64/x86.h"

static struct monitor m;
static struct power power;

static int setup(void **state)
{
        m = (struct monitor){ 0 };
        assert_int_equal(loop_new(&m.loop), 0);
        assert_int_equal(vm_new(&m.vm), 0);
        assert_int_equal(power_add(&power, &m), 0);
        return 0;
}

static int teardown(void **state)
{
        bus_deinit(&m.ports);
        m.vm = vm_free(m.vm);
        m.loop = loop_free(m.loop);
        return 0;
}

static void out(uint64_t port, uint32_t value, unsigned n_bytes) { (void) bus_write(&m.ports, port, &value, n_bytes); }

static uint32_t in(uint64_t port, unsigned n_bytes)
{
        uint32_t value = 0;

        (void) bus_read(&m.ports, port, &value, n_bytes);
        return value;
}

static void sleep_type_five_powers_off(void **state)
{
        out(layout.power, 5 << 2, 1); /* not enabled */
        out(layout.power, 3 << 2 | 0x20, 1);
        out(layout.power + 1, 0x80, 1);
        assert_false(monitor_is_over(&m));
        out(layout.power, 5 << 2 | 0x20, 1);
        assert_true(monitor_is_over(&m));
        assert_int_equal(m.end.how, MONITOR_POWERED_OFF);
}

static void the_reset_register_resets(void **state)
{
        out(layout.power + POWER_RESET, 0, 1);
        assert_false(monitor_is_over(&m));
        out(layout.power + POWER_RESET, POWER_RESET_VALUE, 1);
        assert_int_equal(m.end.how, MONITOR_RESET);
        assert_true(monitor_is_over(&m));
}

static void the_keyboard_controller_resets_and_does_nothing_else(void **state)
{
        assert_int_equal(in(0x64, 1), 0xff);
        assert_int_equal(in(0x60, 1), 0xff);
        out(0x64, 0xd1, 1);
        out(0x60, 0xfe, 1);
        assert_false(monitor_is_over(&m));
        out(0x64, 0xfe, 1);
        assert_true(monitor_is_over(&m));
        assert_int_equal(m.end.how, MONITOR_RESET);
}

static void the_chipset_resets_too(void **state)
{
        assert_int_equal(in(0xcf9, 1), 0xff);
        assert_int_equal(in(0xcf8, 4), 0xffffffff); /* no configuration space here */
        out(0xcf8, 0x80000600, 4);
        out(0xcf9, 0x02, 1);
        assert_false(monitor_is_over(&m));
        out(0xcf9, 0x06, 1);
        assert_true(monitor_is_over(&m));
        assert_int_equal(m.end.how, MONITOR_RESET);
}

static void the_power_button_is_told_until_it_is_read(void **state)
{
        struct test_vm *record = test_vm(m.vm);

        assert_int_equal(in(layout.power + POWER_EVENTS, 1), 0);
        assert_int_equal(power_press_button(&power), 0);
        assert_true(record->levels[layout.power_line]);
        assert_int_equal(in(layout.power, 1), 0);
        assert_true(record->levels[layout.power_line]);
        assert_int_equal(in(layout.power, 4), POWER_EVENT_BUTTON << 24);
        assert_false(record->levels[layout.power_line]);
        assert_int_equal(in(layout.power + POWER_EVENTS, 1), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(sleep_type_five_powers_off),
                CASE(the_reset_register_resets),
                CASE(the_keyboard_controller_resets_and_does_nothing_else),
                CASE(the_chipset_resets_too),
                CASE(the_power_button_is_told_until_it_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
