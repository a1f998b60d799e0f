/* SPDX-License-Identifier: MPL-2.0 */
/*
 * vCPUs of the host's KVM with a guest of a few real-mode instructions. No interrupt controller: HLT is an exit. The
 * architecture's functions that a vCPU calls are those of this file.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/monitor.h"
#include "monitor/vcpu.h"
#include "monitor/vm.h"

#define MEMORY_BYTES 0x10000
#define CODE_AT 0x1000
#define COUNTER_AT 0x2000
#define DEVICE_AT 0xd0000

struct rig {
        struct monitor monitor;
        struct vcpu *vcpus[2];
        unsigned char *memory;
        char log[256]; /* what the guest did to registers, "W 10 1 41" for a write of 0x41 at 0x10 */
        unsigned n_halts;
};

static struct rig *current;

int arch_init_vcpu(struct vcpu *v)
{
        struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
        struct kvm_sregs sregs;

        if (ioctl(vcpu_fd(v), KVM_GET_SREGS, &sregs) < 0)
                return -errno;
        sregs.cs.base = sregs.ds.base = sregs.es.base = 0;
        sregs.cs.selector = sregs.ds.selector = 0;
        if (ioctl(vcpu_fd(v), KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd(v), KVM_SET_REGS, &regs) < 0)
                return -errno;
        return 0;
}

int arch_exit(struct vcpu *v)
{
        if (vcpu_run(v)->exit_reason != KVM_EXIT_HLT)
                return -EOPNOTSUPP;
        current->n_halts++;
        monitor_end(vcpu_monitor(v), MONITOR_POWERED_OFF, "halted");
        return 0;
}

uint32_t arch_line_number(unsigned line) { return line; }
const uint32_t arch_irqchip = 0;
void arch_route_msi(const struct vm_msi *msi, struct kvm_irq_routing_entry *ret) {}

static void note(char what, uint64_t offset, unsigned n_bytes, unsigned value)
{
        size_t used = strlen(current->log);

        (void) snprintf(current->log + used, sizeof(current->log) - used, "%c %x %u %x\n", what, (unsigned) offset,
                        n_bytes, value);
}

static void device_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        memset(buf, 0x5a, n_bytes);
        note('R', offset, n_bytes, 0);
}

static void device_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        uint32_t value = 0;

        assert_int_not_equal(pthread_mutex_trylock(&current->monitor.lock), 0);
        memcpy(&value, buf, MIN(n_bytes, (unsigned) sizeof(value)));
        note('W', offset, n_bytes, value);
}

static void begin(struct rig *rig, unsigned n_vcpus, const void *code, size_t n)
{
        struct bus_range range = { 0x10, 0x10, device_read, device_write, NULL };
        int r;

        *rig = (struct rig){ .monitor.vcpus = rig->vcpus };
        current = rig;
        r = vm_new(&rig->monitor.vm);
        if (r < 0) {
                print_message("skipped: /dev/kvm: %s\n", strerror(-r));
                skip();
        }
        pthread_mutex_init(&rig->monitor.lock, NULL);
        rig->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(rig->memory, MAP_FAILED);
        memcpy(rig->memory + CODE_AT, code, n);
        assert_int_equal(vm_add_memory(rig->monitor.vm, 0, MEMORY_BYTES, rig->memory), 0);
        assert_int_equal(bus_add(&rig->monitor.ports, &range), 0);
        range.start = DEVICE_AT;
        assert_int_equal(bus_add(&rig->monitor.mmio, &range), 0);
        for (unsigned i = 0; i < n_vcpus; i++)
                assert_int_equal(vcpu_new(&rig->monitor, i, &rig->vcpus[i]), 0);
        for (unsigned i = 0; i < n_vcpus; i++)
                assert_int_equal(vcpu_wait_ready(rig->vcpus[i]), 0);
}

static void end(struct rig *rig)
{
        for (size_t i = 0; i < ARRAY_SIZE(rig->vcpus); i++)
                rig->vcpus[i] = vcpu_free(rig->vcpus[i]);
        bus_deinit(&rig->monitor.ports);
        bus_deinit(&rig->monitor.mmio);
        rig->monitor.vm = vm_free(rig->monitor.vm);
        (void) munmap(rig->memory, MEMORY_BYTES);
        pthread_mutex_destroy(&rig->monitor.lock);
}

static void wait_over(struct rig *rig)
{
        while (!monitor_is_over(&rig->monitor))
                (void) sched_yield();
}

static void accesses_reach_the_buses_and_their_results_the_guest(void **state)
{
        static const unsigned char code[] = {
                0xb0, 0x41,                   /* mov $0x41, %al */
                0xe6, 0x10,                   /* out %al, $0x10 */
                0xe5, 0x12,                   /* in $0x12, %ax */
                0xe7, 0x14,                   /* out %ax, $0x14 */
                0xe4, 0x80,                   /* in $0x80, %al: nobody is there */
                0xe6, 0x16,                   /* out %al, $0x16 */
                0xb8, 0x00, 0xd0, 0x8e, 0xd8, /* mov $0xd000, %ax; mov %ax, %ds */
                0xa1, 0x02, 0x00,             /* mov 2, %ax */
                0xa3, 0x04, 0x00,             /* mov %ax, 4 */
                0xa0, 0x10, 0x00,             /* mov 0x10, %al: just beyond the range */
                0xa2, 0x06, 0x00,             /* mov %al, 6 */
                0xf4,                         /* hlt */
        };
        struct rig rig;

        begin(&rig, 1, code, sizeof(code));
        vcpu_resume(rig.vcpus[0]);
        wait_over(&rig);
        assert_int_equal(rig.monitor.end.how, MONITOR_POWERED_OFF);
        assert_string_equal(rig.monitor.end.text, "halted");
        assert_string_equal(rig.log, "W 0 1 41\nR 2 2 0\nW 4 2 5a5a\nW 6 1 ff\nR 2 2 0\nW 4 2 5a5a\nW 6 1 ff\n");
        assert_int_equal(rig.monitor.n_exits, 10);
        end(&rig);
}

static void string_instruction_is_one_access_an_item(void **state)
{
        static const unsigned char code[] = {
                0xbe, 0x10, 0x10, /* mov $text, %si */
                0xb9, 0x03, 0x00, /* mov $3, %cx */
                0xba, 0x11, 0x00, /* mov $0x11, %dx */
                0xfc, 0xf3, 0x6e, /* cld; rep outsb */
                0xf4, 0, 0, 0, 'a', 'b', 'c',
        };
        struct rig rig;

        begin(&rig, 1, code, sizeof(code));
        vcpu_resume(rig.vcpus[0]);
        wait_over(&rig);
        assert_string_equal(rig.log, "W 1 1 61\nW 1 1 62\nW 1 1 63\n");
        end(&rig);
}

/* 1: incl COUNTER_AT; jmp 1b */
static const unsigned char counting[] = { 0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf9 };

static uint32_t counter(const struct rig *rig)
{
        return __atomic_load_n((uint32_t *) (void *) (rig->memory + COUNTER_AT), __ATOMIC_SEQ_CST);
}

static void wait_for_count(const struct rig *rig, uint32_t beyond)
{
        while (counter(rig) == beyond)
                (void) sched_yield();
}

static void paused_vcpu_runs_no_guest_code(void **state)
{
        struct rig rig;
        uint32_t n;

        begin(&rig, 2, counting, sizeof(counting));
        assert_int_equal(counter(&rig), 0);
        for (int i = 0; i < 5; i++) {
                n = counter(&rig);
                vcpu_resume(rig.vcpus[0]);
                vcpu_resume(rig.vcpus[1]);
                wait_for_count(&rig, n);
                vcpu_pause(rig.vcpus[0]);
                vcpu_pause(rig.vcpus[1]);
                vcpu_wait_paused(rig.vcpus[0]);
                vcpu_wait_paused(rig.vcpus[1]);
                n = counter(&rig);
                for (int k = 0; k < 20; k++)
                        (void) sched_yield();
                assert_int_equal(counter(&rig), n);
        }
        end(&rig);
}

/* At whatever moment: while the thread still waits, is on its way in, or on its way out. */
static void pause_and_resume_may_follow_at_once(void **state)
{
        struct rig rig;
        uint32_t n;

        begin(&rig, 1, counting, sizeof(counting));
        for (int i = 0; i < 100; i++) {
                vcpu_resume(rig.vcpus[0]);
                vcpu_pause(rig.vcpus[0]);
                if (i % 3 == 0)
                        vcpu_wait_paused(rig.vcpus[0]);
                if (i % 5 == 0)
                        vcpu_pause(rig.vcpus[0]);
        }
        vcpu_resume(rig.vcpus[0]);
        n = counter(&rig);
        wait_for_count(&rig, n);
        end(&rig); /* ends a running one */
}

static void vcpus_stop_when_the_machine_is_over(void **state)
{
        struct rig rig;

        begin(&rig, 2, counting, sizeof(counting));
        vcpu_resume(rig.vcpus[0]);
        wait_for_count(&rig, 0);
        monitor_end(&rig.monitor, MONITOR_STOPPED, NULL);
        monitor_end(&rig.monitor, MONITOR_FAILED, "too late");
        assert_int_equal(rig.monitor.end.how, MONITOR_STOPPED);
        vcpu_pause(rig.vcpus[0]);
        vcpu_wait_paused(rig.vcpus[0]);
        /* A resume after the end has nothing to run. */
        vcpu_resume(rig.vcpus[1]);
        vcpu_wait_paused(rig.vcpus[1]);
        end(&rig);
}

static void exit_that_nobody_handles_is_a_crash_by_name(void **state)
{
        static const unsigned char code[] = { 0xea, 0x00, 0x00, 0x00, 0xd0 }; /* ljmp into the registers */
        struct rig rig;

        begin(&rig, 1, code, sizeof(code));
        vcpu_resume(rig.vcpus[0]);
        wait_over(&rig);
        assert_int_equal(rig.monitor.end.how, MONITOR_CRASHED);
        assert_non_null(strstr(rig.monitor.end.text, "vCPU 0: KVM_EXIT_"));
        end(&rig);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(accesses_reach_the_buses_and_their_results_the_guest),
                cmocka_unit_test(string_instruction_is_one_access_an_item),
                cmocka_unit_test(paused_vcpu_runs_no_guest_code),
                cmocka_unit_test(pause_and_resume_may_follow_at_once),
                cmocka_unit_test(vcpus_stop_when_the_machine_is_over),
                cmocka_unit_test(exit_that_nobody_handles_is_a_crash_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
