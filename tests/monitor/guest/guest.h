/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest that misbehaves: a freestanding program with just enough of a console, a PCI scan and a virtio driver to
 * break every rule of registers and life cycle, case by case, and to look whether all devices still work afterwards.
 *
 * One CPU, interrupts masked, everything polled. Its serial port says what happened, in TAP. What to do is on the
 * command line, words NAME=VALUE; where things are comes from the monitor's own layout table, or from the command line
 * (other machines).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Where things are. 0: not there. */
struct board {
        uint64_t ram_start, ram_end; /* the range that holds this program */
        uint64_t ecam, ecam_bytes;
        uint64_t pci_window, pci_window_bytes;
        uint64_t mmio_slots, mmio_stride, n_mmio_slots;
        unsigned mmio_line; /* of the first slot */
        uint64_t serial, clock, watchdog, power, panic;
        const char *parameters;
        bool peer; /* another monitor than Busbar's: rules that are ours alone are not asked for */
};
extern struct board board;

/* text.c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2))); /* %s %c %d %u %x %llx, %02x */
bool parameter(const char *name, const char **ret_value, size_t *ret_length);
uint64_t parameter_number(const char *name, uint64_t otherwise);
bool parameter_is(const char *name, const char *value);

/* arch-*.c */
void arch_init(void *boot_info); /* fills in board but for what the command line says */
void arch_put_char(char c);
void *at(uint64_t address);                        /* at most 2 MiB on from there; until the next call */
uint64_t load(uint64_t address, unsigned n_bytes); /* one access of 1, 2, 4, 8 bytes; unaligned ones may read as ones */
void store(uint64_t address, unsigned n_bytes, uint64_t value);
void odd_accesses(uint64_t address,
                  bool write); /* what the architecture has besides: 16 bytes, read-modify-write, strings */
void barrier(void);
uint64_t milliseconds(void);
/* Interrupts of a device, from which nobody else gets any.
   Return: false: not here (no such controller, another machine). */
struct vio;
bool arch_route_interrupt(struct vio *v, unsigned index);
void arch_unroute_interrupt(struct vio *v, unsigned index);
bool arch_take_interrupt(struct vio *v, unsigned index); /* Return: true if one came since */
struct port_range {
        const char *name;
        uint16_t first, n;
        bool writable; /* any value may be written */
};
unsigned arch_ports(const struct port_range **ret);
uint64_t port_load(uint16_t port, unsigned n_bytes);
void port_store(uint16_t port, unsigned n_bytes, uint64_t value);
void port_strings(uint16_t port);
void port_near_misses(void);

_Noreturn void end_powered_off(void);
void end_reset(void);
void end_panicked(void);
void end_crashed(void);
void end_watchdog(void);
void end_jump(uint64_t address); /* runs what is there */

/* tap.c */
struct test {
        const char *name;
        void (*run)(struct vio *v);
        enum { ANY, PCI_ONLY, MMIO_ONLY, ONCE } where;
        const char *not_peer; /* why other monitors are not asked */
};
void test_run(const struct test *tests, size_t n);
int test_end(void); /* Return: how many failed */
/* Notes the first that fails of a case. */
void check_that(bool ok, const char *text, uint64_t value);
#define check(ok, value) check_that(ok, #ok, (uint64_t) (value))

extern const struct test feature_tests[], queue_tests[], ring_tests[], life_tests[], width_tests[], bar_tests[];
extern const size_t n_feature_tests, n_queue_tests, n_ring_tests, n_life_tests, n_width_tests, n_bar_tests;

uint32_t random_number(void); /* the same ones at every run */
