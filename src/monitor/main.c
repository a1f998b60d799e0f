/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A machine from the command line to the exit status. What takes long is begun first and waited for last:
 *
 *   main thread      files, KVM ─ sandbox ─ memory ─ begin ┬ filters ─ tables, kernel, initrd ┬ join ─ start ─ loop
 *   device threads                                         ├ connect, negotiate ──────────────┤
 *   vCPU threads                                           ├ make, CPUID ... ── wait ──────────┼──────── guest
 *   memory threads                                         └ allocate (--prefault) ────────────┘
 *
 * Boot files are opened before the sandbox closes, and read after it has.
 */
#include "monitor/life.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/devices.h"
#include "monitor/fail.h"
#include "monitor/spec.h"
#include "monitor/vcpu.h"
#include "monitor/vm.h"

struct life {
        struct monitor monitor;
        struct signals signals;
        struct control *control; /* owned */
        struct lockdown lockdown;
};

static int open_loop(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r = loop_new(&m->loop);

        if (r < 0)
                return r;
        loop_set_mutex(m->loop, &m->lock);
        return signals_init(&l->signals, m);
}

static int open_control(struct life *l, char **ret_error)
{
        int fd = l->monitor.spec->control_fd;

        return fd < 0 ? 0 : control_new(&l->monitor, fd, &l->control);
}

static int open_kvm(struct life *l, char **ret_error)
{
        int r = vm_new(&l->monitor.vm);

        return r < 0 ? fail(r, ret_error, "/dev/kvm: %s; 'busbar doctor' says what would help", strerror(-r)) : 0;
}

static int open_arch(struct life *l, char **ret_error) { return arch_init(&l->monitor, ret_error); }

static int enter_sandbox(struct life *l, char **ret_error) { return lockdown_enter(&l->lockdown, &l->monitor); }

static int make_memory(struct life *l, char **ret_error)
{
        const struct monitor_spec *spec = l->monitor.spec;

        return memory_init(&l->monitor.memory, spec->memory_bytes, spec->huge_pages, ret_error);
}

static int show_memory(struct life *l, char **ret_error) { return memory_show(&l->monitor.memory, l->monitor.vm); }

static int begin_prefault(struct life *l, char **ret_error)
{
        return l->monitor.spec->prefault ? memory_begin_prefault(&l->monitor.memory) : 0;
}

static int finish_prefault(struct life *l, char **ret_error)
{
        return memory_finish_prefault(&l->monitor.memory, ret_error);
}

static int begin_devices(struct life *l, char **ret_error) { return devices_new(&l->monitor, &l->monitor.devices); }

static int begin_vcpus(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r = 0;

        m->vcpus = calloc(m->spec->n_vcpus, sizeof(struct vcpu *));
        if (!m->vcpus)
                return -ENOMEM;
        while (r == 0 && m->n_vcpus < m->spec->n_vcpus) {
                r = vcpu_new(m, m->n_vcpus, &m->vcpus[m->n_vcpus]);
                m->n_vcpus += r == 0;
        }
        return r;
}

static int prepare_filters(struct life *l, char **ret_error)
{
        return lockdown_prepare_vcpus(&l->lockdown, &l->monitor);
}

static int finish_vcpus(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;

        for (unsigned i = 0; i < m->n_vcpus; i++) {
                int r = vcpu_wait_ready(m->vcpus[i]);

                if (r < 0)
                        return fail(r, ret_error, "vCPU %u: KVM: %s", i, strerror(-r));
        }
        return arch_vcpus_ready(m);
}

static int add_registers(struct life *l, char **ret_error) { return arch_add_registers(&l->monitor); }

static int filter_calls(struct life *l, char **ret_error) { return sandbox_filter_calls(&l->lockdown.sandbox); }

static int load_files(struct life *l, char **ret_error) { return arch_load(&l->monitor, ret_error); }

static int attach_devices(struct life *l, char **ret_error)
{
        return devices_attach(l->monitor.devices, ret_error);
}

static int start_boot_cpu(struct life *l, char **ret_error) { return arch_start_boot_cpu(l->monitor.vcpus[0]); }

/* In this order: what reads what others wrote (boot files, what servers say of their devices) comes last. A step that
   has no sentence of its own for a failure is blamed by its name. */
static const struct step {
        int (*take)(struct life *l, char **ret_error);
        const char *name;
} steps[] = {
        { open_loop, "loop" },
        { open_control, "--control-fd" },
        { open_kvm, "/dev/kvm" },
        { open_arch, "KVM" },
        { enter_sandbox, "sandbox" },
        { make_memory, "memory" },
        { show_memory, "KVM does not take the memory" },
        { begin_prefault, "thread" },
        { begin_devices, "devices" },
        { begin_vcpus, "vCPUs" },
        { prepare_filters, "sandbox: system calls of vCPUs" },
        { finish_vcpus, "interrupt controller: KVM" },
        { add_registers, "registers" },
        { filter_calls, "sandbox: system calls" },
        { load_files, "kernel" },
        { attach_devices, "devices" },
        { start_boot_cpu, "vCPU 0: KVM" },
        { finish_prefault, "memory" },
};

/* Ends the machine where a step fails. */
static bool bring_up(struct life *l)
{
        auto_cleanup(freep) char *sentence = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                int r = steps[i].take(l, &sentence);

                if (r < 0) {
                        if (!sentence)
                                (void) fail(r, &sentence, "%s: %s", steps[i].name, strerror(-r));
                        monitor_end(&l->monitor, MONITOR_FAILED, sentence ? sentence : steps[i].name);
                        return false;
                }
        }
        return true;
}

static void serve(struct life *l)
{
        struct monitor *m = &l->monitor;
        int r;

        signals_take_over(&l->signals);
        control_send_event(l->control, "ready");
        if (!l->control) {
                pthread_mutex_lock(&m->lock);
                life_resume(m);
                pthread_mutex_unlock(&m->lock);
        }
        do
                r = loop_run(m->loop);
        while (r == 0 && !monitor_is_over(m));
        if (r < 0)
                monitor_end(m, MONITOR_FAILED, strerror(-r));
}

static void report(struct life *l)
{
        const struct monitor *m = &l->monitor;
        bool bad = m->end.how == MONITOR_FAILED || m->end.how == MONITOR_CRASHED;

        log_line(bad ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, m->spec->name, "%s%s%s", monitor_end_name(m->end.how),
                  m->end.text[0] ? ": " : "", m->end.text);
        log_debug(m->spec->name, "%llu exits", (unsigned long long) m->n_exits);
        control_send_ended(l->control, m->end.how, m->end.text);
}

/* Threads first, then what they use. */
static void take_down(struct life *l)
{
        struct monitor *m = &l->monitor;

        for (unsigned i = 0; i < m->n_vcpus; i++)
                m->vcpus[i] = vcpu_free(m->vcpus[i]);
        free(m->vcpus);
        m->devices = devices_free(m->devices);
        arch_deinit(m);
        bus_deinit(&m->mmio);
        bus_deinit(&m->ports);
        m->vm = vm_free(m->vm);
        memory_deinit(&m->memory);
        l->control = control_free(l->control);
        signals_deinit(&l->signals);
        m->loop = loop_free(m->loop);
        lockdown_deinit(&l->lockdown);
        pthread_mutex_destroy(&m->lock);
}

int monitor_run(const struct monitor_spec *spec)
{
        struct life l = { .monitor = { .spec = spec, .memory = { .fd = -1 } }, .signals = { .fd = -1 } };

        (void) mallopt(M_ARENA_MAX, 1); /* threads here allocate little */
        pthread_mutex_init(&l.monitor.lock, NULL);
        if (bring_up(&l))
                serve(&l);
        report(&l);
        take_down(&l);
        return (int) l.monitor.end.how;
}
