/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/acpi.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/x86_64/x86.h"

#define LOCAL_APIC 0xfee00000
#define IOAPIC 0xfec00000

#define RSDP_BYTES 36
#define HEADER_BYTES 36
#define LENGTH_AT 4
#define CHECKSUM_AT 9

/* The sum of all bytes of a table is zero. */
static uint8_t checksum(const uint8_t *bytes, size_t n_bytes)
{
        uint8_t sum = 0;

        while (n_bytes-- > 0)
                sum = (uint8_t) (sum + *bytes++);
        return (uint8_t) -sum;
}

static size_t begin(struct aml *a, const char *signature, uint8_t revision)
{
        size_t start;

        a->n = (a->n + 15) & ~(size_t) 15;
        start = a->n;
        aml_put_bytes(a, signature, 4);
        aml_put(a, 0, 4); /* length */
        aml_put(a, revision, 2); /* and the checksum */
        aml_put_bytes(a, "BUSBARMONITOR \1\0\0\0BUSB\1\0\0", HEADER_BYTES - 10);
        return start;
}

static size_t end(struct aml *a, size_t start)
{
        aml_set(a, start + LENGTH_AT, a->n - start, 4);
        if (aml_fits(a))
                aml_set(a, start + CHECKSUM_AT, checksum(a->buf + start, a->n - start), 1);
        return start;
}

/* A register of a byte at an I/O port, or of four in memory, as tables describe one. */
static void put_register(struct aml *a, bool port, uint64_t at)
{
        aml_put(a, port, 1);
        aml_put(a, port ? 8 : 32, 1);
        aml_put(a, 0, 1);
        aml_put(a, port ? 1 : 3, 1); /* width of an access */
        aml_put(a, at, 8);
}

static size_t write_dsdt(const struct acpi_machine *machine, struct aml *a)
{
        size_t start = begin(a, "DSDT", 2);

        acpi_write_dsdt(machine, a);
        return end(a, start);
}

static size_t write_fadt(const struct acpi_machine *machine, struct aml *a, gpa_t dsdt)
{
        enum {
                BOOT_NO_VGA = 1 << 2,
                BOOT_NO_CMOS_CLOCK = 1 << 5, /* and, without bit 1, no keyboard controller */
                WBINVD = 1 << 0,
                NO_FIXED_POWER_BUTTON = 1 << 4,
                NO_FIXED_SLEEP_BUTTON = 1 << 5,
                HAS_RESET_REGISTER = 1 << 10,
                HARDWARE_REDUCED = 1 << 20,
        };
        size_t start = begin(a, "FACP", 6);

        a->n = start + 109;
        aml_put(a, BOOT_NO_VGA | BOOT_NO_CMOS_CLOCK, 2);
        a->n = start + 112;
        aml_put(a, WBINVD | NO_FIXED_POWER_BUTTON | NO_FIXED_SLEEP_BUTTON | HAS_RESET_REGISTER | HARDWARE_REDUCED, 4);
        put_register(a, true, machine->layout->power + POWER_RESET);
        aml_put(a, POWER_RESET_VALUE, 1);
        a->n = start + 131;
        aml_put(a, 5, 1); /* minor revision */
        a->n = start + 140;
        aml_put(a, dsdt, 8);
        a->n = start + 244;
        put_register(a, true, machine->layout->power + POWER_SLEEP_CONTROL);
        put_register(a, true, machine->layout->power + POWER_SLEEP_STATUS);
        aml_put_bytes(a, "BUSBAR\0\0", 8); /* the hypervisor's maker */
        return end(a, start);
}

static size_t write_madt(const struct acpi_machine *machine, struct aml *a)
{
        size_t start = begin(a, "APIC", 5);

        aml_put(a, LOCAL_APIC, 4);
        aml_put(a, 0, 4); /* no 8259 */
        for (unsigned i = 0; i < machine->n_cpus; i++) {
                aml_put(a, 0 | 8 << 8, 2); /* local APIC, of 8 bytes */
                aml_put(a, i, 1);
                aml_put(a, i, 1); /* its id: as in cpuid.c */
                aml_put(a, 1, 4); /* enabled */
        }
        aml_put(a, 1 | 12 << 8, 4); /* IOAPIC, of 12 bytes; its id is 0 */
        aml_put(a, IOAPIC, 4);
        aml_put(a, 0, 4); /* number of its first pin */
        return end(a, start);
}

static size_t write_mcfg(const struct acpi_machine *machine, struct aml *a)
{
        size_t start = begin(a, "MCFG", 1);

        aml_put(a, 0, 8);
        aml_put(a, machine->layout->ecam, 8);
        aml_put(a, 0, 3); /* segment, first bus */
        aml_put(a, (machine->layout->ecam_bytes >> 20) - 1, 1);
        aml_put(a, 0, 4);
        return end(a, start);
}

/* How to do each action: one instruction each. */
static size_t write_wdat(const struct acpi_machine *machine, struct aml *a)
{
        enum { READ_VALUE, READ_COUNTDOWN, WRITE_VALUE, WRITE_COUNTDOWN };
        static const struct {
                uint8_t action, instruction;
                uint16_t reg;
                uint32_t value, mask;
        } entries[] = {
                { 1, WRITE_VALUE, WATCHDOG_REFRESH, 1, 1 },                 /* reset the countdown */
                { 4, READ_COUNTDOWN, WATCHDOG_LEFT, 0, WDAT_TICKS_MAX },    /* what is left of it? */
                { 6, WRITE_COUNTDOWN, WATCHDOG_OFFSET, 0, WDAT_TICKS_MAX }, /* set the countdown */
                { 8, READ_VALUE, WATCHDOG_STATUS, 1, 1 },                   /* does it run? */
                { 9, WRITE_VALUE, WATCHDOG_STATUS, 1, 1 },                  /* run */
                { 10, READ_VALUE, WATCHDOG_STATUS, 0, 1 },                  /* does it stand still? */
                { 11, WRITE_VALUE, WATCHDOG_STATUS, 0, 1 },                 /* stop */
        };
        size_t start = begin(a, "WDAT", 1);

        aml_put(a, 32, 4);     /* length of this part */
        aml_put(a, 0xff, 2); /* no PCI device */
        aml_put(a, 0xffffff, 3);
        aml_put(a, 0, 3);
        aml_put(a, WDAT_TICK_MS, 4);
        aml_put(a, WDAT_TICKS_MAX, 4);
        aml_put(a, 1, 4); /* ticks at least */
        aml_put(a, 1, 1); /* enabled */
        aml_put(a, 0, 3);
        aml_put(a, ARRAY_SIZE(entries), 4);
        for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
                aml_put(a, entries[i].action, 1);
                aml_put(a, entries[i].instruction, 1);
                aml_put(a, 0, 2);
                put_register(a, false, machine->layout->watchdog + entries[i].reg);
                aml_put(a, entries[i].value, 4);
                aml_put(a, entries[i].mask, 4);
        }
        return end(a, start);
}

static size_t write_xsdt(struct aml *a, gpa_t at, const size_t *tables, size_t n_tables)
{
        size_t start = begin(a, "XSDT", 1);

        for (size_t i = 0; i < n_tables; i++)
                aml_put(a, at + tables[i], 8);
        return end(a, start);
}

static void write_rsdp(struct aml *a, gpa_t xsdt)
{
        aml_put_bytes(a, "RSD PTR \0BUSBAR\2", 16); /* revision 2 */
        aml_put(a, 0, 4);                             /* no 32-bit table of tables */
        aml_set(a, 8, checksum(a->buf, 20), 1);
        aml_put(a, RSDP_BYTES, 4);
        aml_put(a, xsdt, 8);
        aml_put(a, 0, 4);
        aml_set(a, 32, checksum(a->buf, RSDP_BYTES), 1);
}

int acpi_write(const struct acpi_machine *machine, gpa_t at, void *buf, size_t n_max)
{
        struct aml a = { .buf = buf, .n = RSDP_BYTES, .n_max = n_max };
        struct aml rsdp = { .buf = buf, .n_max = RSDP_BYTES };
        size_t tables[4], dsdt, xsdt;

        dsdt = write_dsdt(machine, &a);
        tables[0] = write_fadt(machine, &a, at + dsdt);
        tables[1] = write_madt(machine, &a);
        tables[2] = write_mcfg(machine, &a);
        tables[3] = write_wdat(machine, &a);
        xsdt = write_xsdt(&a, at, tables, ARRAY_SIZE(tables));
        if (!aml_fits(&a))
                return -ENOSPC;
        write_rsdp(&rsdp, at + xsdt);
        return 0;
}
