/* SPDX-License-Identifier: MPL-2.0 */
/* Walks the tables as a guest would; iasl reads the AML, where it is installed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "monitor/layout.h"
#include "monitor/registers.h"
#include "monitor/x86_64/acpi.h"

#define AT 0xe0000
#define BYTES 0x20000

static const struct layout test_layout = {
        .ecam = 0xe0000000,
        .ecam_bytes = 1 << 20,
        .pci_window = 0xc0000000,
        .pci_window_bytes = 512 << 20,
        .mmio_slots = 0xfea00000,
        .mmio_line = 6,
        .n_mmio_slots = 18,
        .serial = 0x3f8,
        .serial_line = 4,
        .watchdog = 0xfea20000,
        .power = 0x600,
        .power_line = 5,
        .panic = 0x505,
};

static uint8_t tables[BYTES];

static void write_tables(unsigned n_cpus, size_t n_mmio)
{
        const struct acpi_machine machine = { .layout = &test_layout, .n_cpus = n_cpus, .n_mmio = n_mmio };

        memset(tables, 0, sizeof(tables));
        assert_int_equal(acpi_write(&machine, AT, tables, sizeof(tables)), 0);
}

static uint64_t get(const uint8_t *at, unsigned n_bytes)
{
        uint64_t value = 0;

        while (n_bytes-- > 0)
                value = value << 8 | at[n_bytes];
        return value;
}

static const uint8_t *at_address(uint64_t address)
{
        assert_in_range(address, AT, AT + BYTES - 36);
        return tables + (address - AT);
}

static uint8_t sum(const uint8_t *bytes, size_t n_bytes)
{
        uint8_t s = 0;

        while (n_bytes-- > 0)
                s = (uint8_t) (s + *bytes++);
        return s;
}

/* A table whose length and checksum are right. */
static const uint8_t *checked(uint64_t address, const char *signature)
{
        const uint8_t *table = at_address(address);

        assert_memory_equal(table, signature, 4);
        assert_in_range(get(table + 4, 4), 36, AT + BYTES - address);
        assert_int_equal(sum(table, get(table + 4, 4)), 0);
        return table;
}

static const uint8_t *find_table(const char *signature)
{
        const uint8_t *xsdt = checked(get(tables + 24, 8), "XSDT");

        for (size_t i = 36; i < get(xsdt + 4, 4); i += 8)
                if (memcmp(at_address(get(xsdt + i, 8)), signature, 4) == 0)
                        return checked(get(xsdt + i, 8), signature);
        fail_msg("no table %s", signature);
        return NULL;
}

static void the_root_pointer_is_at_the_start_and_adds_up(void **state)
{
        write_tables(1, 0);
        assert_memory_equal(tables, "RSD PTR ", 8);
        assert_int_equal(sum(tables, 20), 0);
        assert_int_equal(sum(tables, 36), 0);
}

static void all_tables_add_up(void **state)
{
        write_tables(64, 18);
        find_table("APIC");
        find_table("MCFG");
        find_table("WDAT");
        checked(get(find_table("FACP") + 140, 8), "DSDT");
}

static void the_fixed_table_is_of_reduced_hardware(void **state)
{
        const uint8_t *fadt;

        write_tables(1, 0);
        fadt = find_table("FACP");
        assert_int_equal(get(fadt + 4, 4), 276);
        assert_true(get(fadt + 112, 4) & 1 << 20);
        assert_true(get(fadt + 112, 4) & 1 << 10);
        assert_int_equal(fadt[116], 1); /* reset register: an I/O port */
        assert_int_equal(get(fadt + 120, 8), test_layout.power + 2);
        assert_int_equal(fadt[128], 1);
        assert_int_equal(get(fadt + 248, 8), test_layout.power);     /* sleep control */
        assert_int_equal(get(fadt + 260, 8), test_layout.power + 1); /* sleep status */
}

static void each_cpu_has_an_interrupt_controller(void **state)
{
        const uint8_t *madt;
        unsigned n_cpus = 0, n_others = 0;

        write_tables(5, 0);
        madt = find_table("APIC");
        for (size_t i = 44; i < get(madt + 4, 4); i += madt[i + 1]) {
                if (madt[i] != 0) {
                        n_others++;
                        continue;
                }
                assert_int_equal(madt[i + 3], n_cpus++);
        }
        assert_int_equal(n_cpus, 5);
        assert_int_equal(n_others, 1);
}

static void the_watchdog_belongs_to_no_pci_device_and_tells_its_countdown(void **state)
{
        const uint8_t *wdat;

        write_tables(1, 0);
        wdat = find_table("WDAT");
        assert_int_equal(get(wdat + 40, 2), 0xff); /* or Linux does not take it */
        assert_int_equal(get(wdat + 42, 3), 0xffffff);
        assert_int_equal(get(wdat + 4, 4), 36 + 32 + 24 * get(wdat + 64, 4));
        for (size_t i = 0; i < get(wdat + 64, 4); i++)
                if (wdat[68 + 24 * i] == 4) { /* what is left is read as it is set */
                        assert_int_equal(wdat[68 + 24 * i + 1], 1);
                        assert_int_equal(get(wdat + 68 + 24 * i + 8, 8), test_layout.watchdog + WATCHDOG_LEFT);
                        assert_int_equal(get(wdat + 68 + 24 * i + 20, 4), get(wdat + 52, 4));
                        return;
                }
        fail();
}

static void tables_that_do_not_fit_are_an_error(void **state)
{
        const struct acpi_machine machine = { .layout = &test_layout, .n_cpus = 64, .n_mmio = 18 };
        uint8_t buf[1024 + 16] = { 0 };

        assert_int_equal(acpi_write(&machine, AT, buf, 1024), -ENOSPC);
        for (size_t i = 0; i < 16; i++)
                assert_int_equal(buf[1024 + i], 0);
}

/* Of an object with n bytes in it. Return: the length that was written. */
static uint64_t written_length(size_t n, size_t *ret_prefix)
{
        static uint8_t buf[1 << 20];
        struct aml a = { .buf = buf, .n_max = sizeof(buf) };
        uint64_t length;
        size_t object;

        object = aml_open(&a, AML_SCOPE, "");
        for (size_t i = 0; i < n; i++)
                aml_put(&a, 0xa3, 1);
        aml_close(&a, object);
        *ret_prefix = 1 + (buf[1] >> 6);
        length = buf[1] >> 6 ? buf[1] & 0xf : buf[1];
        for (unsigned i = 1; i < *ret_prefix; i++)
                length |= (uint64_t) buf[1 + i] << (8 * i - 4);
        assert_int_equal(a.n, 1 + *ret_prefix + n);
        assert_int_equal(buf[1 + *ret_prefix], 0xa3);
        return length;
}

static void lengths_take_as_many_bytes_as_they_need(void **state)
{
        static const size_t cases[][2] = { { 1, 1 },    { 62, 1 },    { 63, 2 },    { 4093, 2 },
                                           { 4094, 3 }, { 65535, 3 }, { 999999, 3 } };
        size_t prefix;

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                assert_int_equal(written_length(cases[i][0], &prefix), cases[i][0] + cases[i][1]);
                assert_int_equal(prefix, cases[i][1]);
        }
}

static void iasl_reads_the_tables(void **state)
{
        static const char *const names[] = { "DSDT", "FACP", "APIC", "MCFG", "WDAT" };
        char folder[] = "/tmp/busbar-acpi-XXXXXX", command[320];

        if (system("iasl -v >/dev/null 2>&1") != 0) {
                print_message("# iasl (Debian: acpica-tools) is not installed\n");
                skip();
        }
        write_tables(4, 18);
        assert_non_null(mkdtemp(folder));
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                const uint8_t *table = i ? find_table(names[i]) : checked(get(find_table("FACP") + 140, 8), "DSDT");
                char path[64];

                (void) snprintf(path, sizeof(path), "%s/%s.aml", folder, names[i]);
                assert_int_equal(fd_write_file_atomic(path, table, get(table + 4, 4), 0600), 0);
        }
        /* What comes out of the DSDT must be ASL that gives the same bytes again. */
        (void) snprintf(
                command, sizeof(command),
                "cd %s && exec >../${PWD##*/}.log 2>&1 && for t in *.aml; do iasl -d $t || exit 1; done && "
                "iasl -oa -oi -p again DSDT.dsl && tail -c +37 DSDT.aml >a && tail -c +37 again.aml >b && cmp a b",
                folder);
        if (system(command) != 0)
                fail_msg("iasl is not content: see %s.log", folder);
        (void) snprintf(command, sizeof(command), "rm -r %s %s.log", folder, folder);
        assert_int_equal(system(command), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_root_pointer_is_at_the_start_and_adds_up),
                cmocka_unit_test(all_tables_add_up),
                cmocka_unit_test(the_fixed_table_is_of_reduced_hardware),
                cmocka_unit_test(each_cpu_has_an_interrupt_controller),
                cmocka_unit_test(the_watchdog_belongs_to_no_pci_device_and_tells_its_countdown),
                cmocka_unit_test(tables_that_do_not_fit_are_an_error),
                cmocka_unit_test(lengths_take_as_many_bytes_as_they_need),
                cmocka_unit_test(iasl_reads_the_tables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
