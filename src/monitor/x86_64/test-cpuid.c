/* SPDX-License-Identifier: MPL-2.0 */
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/x86_64/x86.h"

#define TSC_KHZ 2599998

enum { EAX, EBX, ECX, EDX };

/* A host with as much of everything as there is. */
static struct kvm_cpuid2 *host(const char *vendor, uint32_t first_max)
{
        static const uint32_t leaves[] = { 0,          1,          4,          7,          0xb,        0x15,
                                           0x1f,       0x40000000, 0x40000001, 0x80000000, 0x80000001, 0x80000008,
                                           0x8000000a, 0x8000001d, 0x8000001e, 0x80000026 };
        size_t n = sizeof(leaves) / sizeof(*leaves);
        struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + n * sizeof(c->entries[0]));

        assert_non_null(c);
        c->nent = (uint32_t) n;
        for (size_t i = 0; i < n; i++) {
                c->entries[i] =
                        (struct kvm_cpuid_entry2){ leaves[i], 0, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff };
                if (leaves[i] == 4 || leaves[i] == 0x8000001d)
                        c->entries[i].eax = 0xffffff63; /* a cache of level 3 */
        }
        c->entries[0].eax = first_max;
        memcpy(&c->entries[0].ebx, vendor, 4);
        return c;
}

static struct kvm_cpuid2 *guest(const char *vendor, unsigned index, unsigned n_vcpus, uint32_t tsc_khz)
{
        struct kvm_cpuid2 *of_kvm = host(vendor, 0x1f), *c;

        assert_int_equal(cpuid_new(of_kvm, index, n_vcpus, tsc_khz, &c), 0);
        free(of_kvm);
        return c;
}

static uint32_t get(const struct kvm_cpuid2 *c, uint32_t leaf, uint32_t index, int reg)
{
        for (uint32_t i = 0; i < c->nent; i++) {
                const struct kvm_cpuid_entry2 *e = &c->entries[i];

                if (e->function == leaf && e->index == index)
                        return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
        }
        return 0;
}

static void each_cpu_knows_its_id(void **state)
{
        for (unsigned i = 0; i < 6; i++) {
                struct kvm_cpuid2 *c = guest("Auth", i, 6, TSC_KHZ);

                assert_int_equal(get(c, 1, 0, EBX) >> 24, i);
                assert_int_equal(get(c, 1, 0, EBX) >> 16 & 0xff, 8); /* ids in the package */
                for (unsigned level = 0; level < 3; level++)
                        assert_int_equal(get(c, 0xb, level, EDX), i);
                assert_int_equal(get(c, 0x8000001e, 0, EAX), i);
                assert_int_equal(get(c, 0x8000001e, 0, EBX), i);
                assert_int_equal(get(c, 0x8000001e, 0, ECX), 0);
                free(c);
        }
}

static void one_package_has_cores_of_one_thread(void **state)
{
        struct kvm_cpuid2 *c = guest("Auth", 1, 6, TSC_KHZ);

        assert_int_equal(get(c, 0xb, 0, EAX), 0);
        assert_int_equal(get(c, 0xb, 0, EBX), 1);
        assert_int_equal(get(c, 0xb, 0, ECX), 0x100);
        assert_int_equal(get(c, 0xb, 1, EAX), 3);
        assert_int_equal(get(c, 0xb, 1, EBX), 6);
        assert_int_equal(get(c, 0xb, 1, ECX), 0x201);
        assert_int_equal(get(c, 0xb, 2, ECX), 2);
        assert_int_equal(get(c, 0x80000008, 0, ECX) & 0xf0ff, 0x3005);
        assert_true(get(c, 0x80000001, 0, ECX) & 2);
        assert_true(get(c, 1, 0, EDX) & 1U << 28);
        assert_int_equal(get(c, 0x8000001d, 0, EAX) >> 14 & 0xfff, 7);
        assert_int_equal(get(c, 4, 0, EAX) >> 14 & 0xfff, 7);
        assert_int_equal(get(c, 4, 0, EAX) >> 26, 7);
        free(c);

        c = guest("Auth", 0, 1, TSC_KHZ);
        assert_int_equal(get(c, 0xb, 1, EBX), 1);
        assert_false(get(c, 1, 0, EDX) & 1U << 28);
        assert_false(get(c, 0x80000001, 0, ECX) & 2);
        assert_int_equal(get(c, 0x80000008, 0, ECX) & 0xf0ff, 0);
        free(c);
}

static void what_belongs_to_one_maker_stays_with_it(void **state)
{
        struct kvm_cpuid2 *c = guest("Genu", 0, 4, TSC_KHZ);

        assert_false(get(c, 0x80000001, 0, ECX) & 2);
        assert_int_equal(get(c, 0x80000008, 0, ECX), 0xffffffff);
        free(c);
}

static void the_topology_of_the_host_does_not_shine_through(void **state)
{
        struct kvm_cpuid2 *c = guest("Genu", 0, 2, TSC_KHZ);

        assert_int_equal(get(c, 0x1f, 0, EBX), 0);
        assert_int_equal(get(c, 0x80000026, 0, EBX), 0);
        free(c);
}

static void guests_run_no_guests(void **state)
{
        struct kvm_cpuid2 *c = guest("Auth", 0, 1, TSC_KHZ);

        assert_false(get(c, 1, 0, ECX) & 1U << 5);
        assert_false(get(c, 0x80000001, 0, ECX) & 1U << 2);
        assert_int_equal(get(c, 0x8000000a, 0, EAX), 0);
        free(c);
}

static void frequencies_are_told(void **state)
{
        struct kvm_cpuid2 *c = guest("Genu", 0, 1, TSC_KHZ);
        uint64_t hz = (uint64_t) get(c, 0x15, 0, ECX) * get(c, 0x15, 0, EBX) / get(c, 0x15, 0, EAX);

        assert_int_equal(hz, UINT64_C(1000) * TSC_KHZ);
        assert_int_equal(get(c, 0x40000010, 0, EAX), TSC_KHZ);
        assert_int_equal(get(c, 0x40000010, 0, EBX), 1000000);
        free(c);

        c = guest("Genu", 0, 1, 0); /* not known */
        assert_int_equal(get(c, 0x15, 0, EBX), 0);
        assert_int_equal(get(c, 0x40000010, 0, EAX), 0);
        free(c);
}

static void old_cpus_get_no_new_leaves(void **state)
{
        struct kvm_cpuid2 *of_kvm = host("Genu", 0xa), *c;

        assert_int_equal(cpuid_new(of_kvm, 0, 4, TSC_KHZ, &c), 0);
        assert_int_equal(get(c, 0xb, 0, EBX), 0);
        free(of_kvm);
        free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_cpu_knows_its_id),
                cmocka_unit_test(one_package_has_cores_of_one_thread),
                cmocka_unit_test(what_belongs_to_one_maker_stays_with_it),
                cmocka_unit_test(the_topology_of_the_host_does_not_shine_through),
                cmocka_unit_test(guests_run_no_guests),
                cmocka_unit_test(frequencies_are_told),
                cmocka_unit_test(old_cpus_get_no_new_leaves),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
