/* SPDX-License-Identifier: MPL-2.0 */
/* arch.h on x86-64: what belongs to the machine as a whole. Its CPUs are in registers.c, booting in boot.c. */
#include "monitor/arch.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/spec.h"
#include "monitor/vm.h"
#include "monitor/x86_64/x86.h"

/* The 8259 that comes with KVM's IOAPIC raises what the IOAPIC does, and would have it delivered as an exception to a
   guest that has not switched its local APIC over yet. Nobody drives it, so it is masked as firmware leaves it. */
static int mask_8259(int vm)
{
        struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

        if (ioctl(vm, KVM_GET_IRQCHIP, &chip) < 0)
                return -errno;
        chip.chip.pic.imr = 0xff;
        return ioctl(vm, KVM_SET_IRQCHIP, &chip) < 0 ? -errno : 0;
}

static int init_vm(struct monitor *m)
{
        uint64_t identity_map = REGISTERS_IDENTITY_MAP;
        int vm = vm_fd(m->vm), r;

        if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 || ioctl(vm, KVM_SET_TSS_ADDR, REGISTERS_TSS) < 0)
                return -errno;
        /* Local APICs, an IOAPIC, an 8259 that no table mentions. No guest needs the timer of a PC: the clock that KVM
           offers has a known frequency, and so have the APICs' timers. */
        if (ioctl(vm, KVM_CREATE_IRQCHIP) < 0)
                return -errno;
        r = mask_8259(vm);
        if (r < 0)
                return r;
        return cpuid_of_kvm(vm_kvm_fd(m->vm), &x86_of(m)->cpuid);
}

int arch_init(struct monitor *m, char **ret_error)
{
        struct x86 *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        m->arch = x;
        r = boot_files_open(&x->files, m->spec, ret_error);
        if (r == 0 && m->spec->device_tree)
                r = fail(-EINVAL, ret_error, "device tree: x86-64 describes its hardware by ACPI");
        return r < 0 ? r : init_vm(m);
}

static uint64_t watchdog_count(void) { return clock_now_ns() / (NSEC_PER_SEC / WDAT_COUNT_HZ); }

int arch_add_registers(struct monitor *m)
{
        struct x86 *x = x86_of(m);
        int r;

        x->serial.wire = (struct wire){ .vm = m->vm, .line = layout.serial_line };
        x->serial.fd = m->spec->serial_fd;
        x->watchdog.count = watchdog_count;
        x->watchdog.frequency_hz = WDAT_COUNT_HZ;
        x->watchdog.offset = WDAT_TICKS_MAX;
        r = serial_16550_add(&x->serial, &m->ports, layout.serial);
        if (r == 0)
                r = power_add(&x->power, m);
        if (r == 0)
                r = watchdog_add(&x->watchdog, m, layout.watchdog);
        if (r == 0)
                r = pvpanic_add(m, &m->ports, layout.panic);
        return r;
}

int arch_vcpus_ready(struct monitor *m) { return 0; }

int arch_power_button(struct monitor *m) { return power_press_button(&x86_of(m)->power); }

void arch_set_paused(struct monitor *m, bool paused) { watchdog_set_paused(&x86_of(m)->watchdog, paused); }

uint32_t arch_line_number(unsigned line) { return line; }

const uint32_t arch_irqchip = KVM_IRQCHIP_IOAPIC;

void arch_route_msi(const struct vm_msi *msi, struct kvm_irq_routing_entry *route) {}

void arch_deinit(struct monitor *m)
{
        struct x86 *x = x86_of(m);

        if (!x)
                return;
        watchdog_deinit(&x->watchdog);
        boot_files_close(&x->files);
        free(x->cpuid);
        free(x);
        m->arch = NULL;
}
