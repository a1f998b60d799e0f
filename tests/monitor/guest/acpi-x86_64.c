/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a PC is ended, as its ACPI tables say. Spec: ACPI 6.5, 5.2.9 (FADT), 4.8.3.7 (sleep control); Microsoft,
 * "Hardware Watchdog Timers Design Specification" (WDAT).
 */
#include "guest.h"
#include "x86_64.h"

#define HW_REDUCED (1U << 20)
#define SPACE_PORT 1
#define WDAT_SET_COUNTDOWN 6
#define WDAT_SET_RUNNING 9

static uint64_t read_table(uint64_t address, unsigned n_bytes)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < n_bytes; i++)
                value |= load(address + i, 1) << (8 * i);
        return value;
}

static uint64_t find_table(const char *signature)
{
        uint64_t xsdt = read_table(rsdp_address + 24, 8), n_bytes = 8;
        uint32_t wanted = (uint32_t) (signature[0] | signature[1] << 8 | signature[2] << 16 | signature[3] << 24);

        if (read_table(rsdp_address + 15, 1) < 2 || !xsdt) {
                xsdt = read_table(rsdp_address + 16, 4);
                n_bytes = 4;
        }
        for (uint64_t i = 36; i < read_table(xsdt + 4, 4); i += n_bytes) {
                uint64_t table = read_table(xsdt + i, (unsigned) n_bytes);

                if (read_table(table, 4) == wanted)
                        return table;
        }
        print("# no table %s\n", signature);
        return 0;
}

/* To a generic address. */
static void write_register(uint64_t where, unsigned n_bytes, uint64_t value)
{
        uint64_t address = read_table(where + 4, 8);

        if (read_table(where, 1) == SPACE_PORT)
                port_store((uint16_t) address, n_bytes, value);
        else
                store(address, n_bytes, value);
}

/* The type of sleep that is off: the first number of \_S5. */
static uint64_t off_type(uint64_t dsdt)
{
        uint64_t end = dsdt + read_table(dsdt + 4, 4);

        for (uint64_t p = dsdt + 36; p + 9 < end; p++)
                if (read_table(p, 4) == 0x5f35535f && read_table(p + 4, 1) == 0x12) {
                        uint64_t first = p + 6 + (read_table(p + 5, 1) >> 6) + 1;

                        return read_table(first, 1) == 0x0a ? read_table(first + 1, 1) : read_table(first, 1);
                }
        print("# no \\_S5\n");
        return 0;
}

_Noreturn void end_powered_off(void)
{
        uint64_t fadt = find_table("FACP"), type;

        if (fadt) {
                type = off_type(read_table(fadt + 40, 4) ? read_table(fadt + 40, 4) : read_table(fadt + 140, 8));
                if (read_table(fadt + 112, 4) & HW_REDUCED)
                        write_register(fadt + 244, 1, type << 2 | 1 << 5);
                else
                        port_store((uint16_t) read_table(fadt + 64, 4), 2, type << 10 | 1 << 13);
        }
        for (uint64_t end = milliseconds() + 10000; milliseconds() < end;)
                ;
        print("Bail out! it does not power off\n");
        for (;;)
                __asm__ volatile("hlt");
}

void end_reset(void)
{
        uint64_t fadt = find_table("FACP");

        if (fadt)
                write_register(fadt + 116, 1, read_table(fadt + 128, 1));
}

void end_panicked(void)
{
        if (board.panic < 0x10000)
                out8((uint16_t) board.panic, 1);
        else
                store(board.panic, 1, 1);
}

void end_watchdog(void)
{
        uint64_t wdat = find_table("WDAT"), n;

        if (!wdat)
                return;
        n = read_table(wdat + 64, 4);
        for (unsigned action = WDAT_SET_COUNTDOWN; action <= WDAT_SET_RUNNING;
             action += WDAT_SET_RUNNING - WDAT_SET_COUNTDOWN)
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t entry = wdat + 68 + 24 * i;
                        uint64_t n_bytes = UINT64_C(1) << (read_table(entry + 7, 1) - 1);

                        if (read_table(entry, 1) != action)
                                continue;
                        write_register(entry + 4, (unsigned) n_bytes,
                                       action == WDAT_SET_COUNTDOWN ? read_table(wdat + 56, 4)
                                                                    : read_table(entry + 16, 4));
                }
        for (uint64_t end = milliseconds() + 120000; milliseconds() < end;)
                ;
}
