/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "monitor/registers.h"
#include "monitor/test-vm.h"

#define LINE 4

static struct vm *vm;
static struct serial_16550 serial;
static struct bus bus;
static int reader, writer;

static void out(unsigned reg, uint8_t value) { assert_true(bus_write(&bus, 0x3f8 + reg, &value, 1)); }

static uint8_t in(unsigned reg)
{
        uint8_t value = 0xee;

        assert_true(bus_read(&bus, 0x3f8 + reg, &value, 1));
        return value;
}

static int setup(void **state)
{
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        reader = fds[0];
        writer = fds[1];
        assert_int_equal(fd_set_nonblock(reader, 1), 0);
        assert_int_equal(vm_new(&vm), 0);
        serial = (struct serial_16550){ .wire = { .vm = vm, .line = LINE }, .fd = writer };
        return serial_16550_add(&serial, &bus, 0x3f8);
}

static int teardown(void **state)
{
        bus_deinit(&bus);
        vm = vm_free(vm);
        (void) close(reader);
        (void) close(writer);
        return 0;
}

static void characters_are_sent_at_once(void **state)
{
        char text[8] = { 0 };

        for (const char *c = "hello"; *c; c++) {
                assert_int_equal(in(5) & 0x60, 0x60);
                out(0, (uint8_t) *c);
        }
        assert_int_equal(read(reader, text, sizeof(text)), 5);
        assert_string_equal(text, "hello");
}

static void a_reader_that_is_slow_loses_characters_and_holds_nobody_up(void **state)
{
        char buf[4096];
        ssize_t n;

        for (unsigned i = 0; i < (1U << 20); i++)
                out(0, 'x');
        do
                n = read(reader, buf, sizeof(buf));
        while (n > 0);
        assert_int_equal(errno, EAGAIN);
        out(0, 'y');
        assert_int_equal(read(reader, buf, sizeof(buf)), 1);
        assert_int_equal(buf[0], 'y');
}

static void nobody_needs_to_listen(void **state)
{
        serial.fd = -1;
        out(0, 'x');
        assert_int_equal(in(5) & 0x60, 0x60);
}

static void an_interrupt_says_that_the_next_character_can_come(void **state)
{
        struct test_vm *record = test_vm(vm);

        out(2, 1); /* FIFOs on */
        assert_int_equal(in(2), 0xc1);
        out(1, 2);
        assert_true(record->levels[LINE]);
        assert_int_equal(in(2), 0xc2);
        assert_false(record->levels[LINE]); /* told */
        assert_int_equal(in(2), 0xc1);
        out(0, 'x');
        assert_true(record->levels[LINE]);
        out(1, 0);
        assert_false(record->levels[LINE]);
        assert_int_equal(in(2), 0xc1);
}

static void drivers_recognise_it(void **state)
{
        /* The scratch register of an 8250A; outputs of the modem control register come back in loop mode. */
        out(7, 0xa5);
        assert_int_equal(in(7), 0xa5);
        out(4, 0x1a);
        assert_int_equal(in(6) & 0xf0, 0x90);
        out(0, 'x'); /* goes nowhere */
        assert_int_equal(read(reader, &(char){ 0 }, 1), -1);
        out(4, 0);
        assert_int_equal(in(6) & 0xf0, 0xb0);
        out(1, 0xff);
        assert_int_equal(in(1), 0x0f);
}

static void the_divisor_shares_registers_with_data(void **state)
{
        out(3, 0x83);
        out(0, 0x12);
        out(1, 0x34);
        assert_int_equal(in(0), 0x12);
        assert_int_equal(in(1), 0x34);
        out(3, 0x03);
        assert_int_equal(in(0), 0);
        assert_int_equal(in(1), 0);
        assert_int_equal(in(3), 0x03);
        assert_int_equal(read(reader, &(char){ 0 }, 1), -1);
}

static void wide_accesses_are_one_to_each_register(void **state)
{
        uint32_t value = 0;

        assert_true(bus_write(&bus, 0x3fc, "\x10\xff\xff\x77", 4));
        assert_true(bus_read(&bus, 0x3fc, &value, 4));
        assert_int_equal(value, 0x77006010);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(characters_are_sent_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(a_reader_that_is_slow_loses_characters_and_holds_nobody_up, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(nobody_needs_to_listen, setup, teardown),
                cmocka_unit_test_setup_teardown(an_interrupt_says_that_the_next_character_can_come, setup, teardown),
                cmocka_unit_test_setup_teardown(drivers_recognise_it, setup, teardown),
                cmocka_unit_test_setup_teardown(the_divisor_shares_registers_with_data, setup, teardown),
                cmocka_unit_test_setup_teardown(wide_accesses_are_one_to_each_register, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
