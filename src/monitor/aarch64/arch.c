/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/arch.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/aarch64/arm.h"
#include "monitor/aarch64/fdt.h"
#include "monitor/aarch64/image.h"
#include "monitor/devices.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/memory.h"
#include "monitor/vcpu.h"
#include "monitor/vm.h"

int arch_init(struct monitor *m, char **ret_error)
{
        struct arm *a;
        int r;

        *ret_error = NULL;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        m->arch = a;
        r = boot_files_open(&a->files, m->spec, ret_error);
        if (r < 0)
                return r;
        r = cpu_choose(m);
        /* Or an access that KVM cannot take apart ends KVM_RUN without a word. */
        (void) ioctl(vm_fd(m->vm), KVM_ENABLE_CAP, &(const struct kvm_enable_cap){ .cap = KVM_CAP_ARM_NISV_TO_USER });
        return r < 0 ? r : gic_choose(m, ret_error);
}

int arch_add_registers(struct monitor *m)
{
        struct arm *a = arm_of(m);
        int r;

        a->serial.wire = (struct wire){ .vm = m->vm, .line = layout.serial_line };
        a->serial.fd = m->spec->serial_fd;
        a->power.wire = (struct wire){ .vm = m->vm, .line = layout.power_line };
        a->watchdog.wire = (struct wire){ .vm = m->vm, .line = layout.watchdog_line };
        a->watchdog.count = cpu_counter;
        a->watchdog.frequency_hz = cpu_counter_hz();
        r = pl011_add(&a->serial, &m->mmio, layout.serial);
        if (r == 0)
                r = pl031_add(&a->clock, &m->mmio, layout.clock);
        if (r == 0)
                r = pl061_add(&a->power, &m->mmio, layout.power, m->loop);
        if (r == 0)
                r = watchdog_add(&a->watchdog, m, layout.watchdog);
        return r < 0 ? r : pvpanic_add(m, &m->mmio, layout.panic);
}

int arch_vcpus_ready(struct monitor *m)
{
        struct arm *a = arm_of(m);
        uint64_t count = 0;
        int r;

        r = gic_make(m);
        for (unsigned i = 0; r == 0 && cpu_has(a, KVM_ARM_VCPU_PMU_V3) && i < m->n_vcpus; i++)
                r = cpu_start_pmu(m->vcpus[i]);
        if (r == 0)
                r = cpu_get_count(m->vcpus[0], &count);
        a->watchdog.behind = cpu_counter() - count;
        return r;
}

/* The tree goes behind the kernel, into a block of its own, the initrd behind that: all in the kernel's first map. */
static int load_tree(struct monitor *m, gpa_t initrd, uint64_t initrd_bytes, char **ret_error)
{
        struct arm *a = arm_of(m);
        struct fdt_facts facts = {
                .layout = &layout,
                .memory = &m->memory,
                .gic_version = a->gic_version,
                .pmu = cpu_has(a, KVM_ARM_VCPU_PMU_V3),
                .mpidr = a->mpidr,
                .n_vcpus = m->n_vcpus,
                .n_mmio = devices_n_mmio(m->devices),
                .parameters = m->spec->parameters,
                .initrd = initrd,
                .initrd_bytes = initrd_bytes,
        };
        const struct boot_file *overlay_file = &a->files.device_tree;
        auto_cleanup(freep) char *overlay = NULL;
        void *tree = memory_at(&m->memory, a->tree, FDT_BYTES_MAX);
        int r;

        if (!tree)
                return fail(-ENOSPC, ret_error, "device tree: no memory is left behind the kernel");
        if (getrandom(facts.seed, sizeof(facts.seed), 0) != sizeof(facts.seed) ||
            getrandom(&facts.kaslr_seed, sizeof(facts.kaslr_seed), 0) != sizeof(facts.kaslr_seed))
                return fail(-EIO, ret_error, "no random numbers");
        r = devicetree_build(&facts, tree, FDT_BYTES_MAX);
        if (r < 0)
                return fail(r, ret_error, "device tree: the kernel parameters are too long");
        if (overlay_file->fd < 0)
                return 0;

        if (overlay_file->size_bytes > FDT_OVERLAY_BYTES_MAX)
                return fail(-EFBIG, ret_error, "device tree overlay: larger than %d KiB", FDT_OVERLAY_BYTES_MAX >> 10);
        overlay = malloc(MAX(overlay_file->size_bytes, UINT64_C(1)));
        if (!overlay)
                return -ENOMEM;
        r = boot_file_read(overlay_file, 0, overlay, overlay_file->size_bytes, ret_error);
        return r < 0 ? r : devicetree_overlay(tree, FDT_BYTES_MAX, overlay, overlay_file->size_bytes, ret_error);
}

int arch_load(struct monitor *m, char **ret_error)
{
        struct arm *a = arm_of(m);
        struct image image = { 0 };
        gpa_t initrd;
        int r;

        *ret_error = NULL;
        r = image_load(&a->files.kernel, &m->memory, &image, ret_error);
        if (r < 0)
                return r;
        a->entry = image.entry;
        a->tree = (image.end + IMAGE_ALIGNMENT - 1) & ~(gpa_t) (IMAGE_ALIGNMENT - 1);
        initrd = a->tree + FDT_BYTES_MAX;
        r = boot_file_load(&a->files.initrd, 0, a->files.initrd.size_bytes, &m->memory, initrd, ret_error);
        if (r < 0)
                return r;
        r = load_tree(m, initrd, a->files.initrd.size_bytes, ret_error);
        boot_files_close(&a->files);
        return r;
}

static int system_event(struct vcpu *v)
{
        struct monitor *m = vcpu_monitor(v);

        switch (vcpu_run(v)->system_event.type) {
        case KVM_SYSTEM_EVENT_SHUTDOWN:
                monitor_end(m, MONITOR_POWERED_OFF, NULL);
                return 0;
        case KVM_SYSTEM_EVENT_RESET:
                monitor_end(m, MONITOR_RESET, NULL);
                return 0;
        case KVM_SYSTEM_EVENT_CRASH:
                monitor_end(m, MONITOR_PANICKED, NULL);
                return 0;
        default:
                return -ENOTSUP;
        }
}

int arch_exit(struct vcpu *v)
{
        const struct kvm_run *run = vcpu_run(v);
        char text[120];

        if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
                return system_event(v);
        if (run->exit_reason != KVM_EXIT_ARM_NISV)
                return -ENOTSUP;
        (void) snprintf(text, sizeof(text), "vCPU %u: access to %#llx by an instruction without a syndrome (a pair?)",
                        vcpu_index(v), (unsigned long long) run->arm_nisv.fault_ipa);
        monitor_end(vcpu_monitor(v), MONITOR_CRASHED, text);
        return 0;
}

int arch_power_button(struct monitor *m)
{
        return pl061_press(&arm_of(m)->power);
}

/* The guest's counter stands still, too: its kernel would take the gap for a CPU that hung. */
void arch_set_paused(struct monitor *m, bool paused)
{
        struct watchdog *w = &arm_of(m)->watchdog;

        if (w->paused && !paused)
                (void) cpu_set_count(m->vcpus[0], w->paused_at);
        watchdog_set_paused(w, paused);
}

void arch_deinit(struct monitor *m)
{
        struct arm *a = arm_of(m);

        if (!a)
                return;
        boot_files_close(&a->files);
        pl061_deinit(&a->power);
        watchdog_deinit(&a->watchdog);
        free(a);
        m->arch = NULL;
}
