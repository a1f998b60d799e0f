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
#include "monitor/monitor.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/control.h"
#include "monitor/devices.h"
#include "monitor/fail.h"
#include "monitor/life.h"
#include "monitor/lockdown.h"
#include "monitor/spec.h"
#include "monitor/vcpu.h"
#include "monitor/vm.h"

struct life {
        struct monitor monitor;
        struct signals signals;
        struct control *control; /* owned */
        struct lockdown lockdown;
        struct {
                pthread_t thread;
                bool started;
                int result;
                char *error; /* owned */
        } prefault;
};

/* Whatever has to be opened, while everything can be. */
static int open_all(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r;

        r = loop_new(&m->loop);
        if (r == 0) {
                loop_set_mutex(m->loop, &m->lock);
                r = signals_init(&l->signals, m);
        }
        if (r < 0)
                return fail(r, ret_error, "loop: %s", strerror(-r));
        if (m->spec->control_fd >= 0) {
                r = control_new(m, m->spec->control_fd, &l->control);
                if (r < 0)
                        return fail(r, ret_error, "--control-fd=%d: %s", m->spec->control_fd, strerror(-r));
        }
        r = vm_new(&m->vm);
        if (r < 0)
                return fail(r, ret_error, "/dev/kvm: %s; 'busbar doctor' says what would help", strerror(-r));
        r = arch_init(m, ret_error);
        if (r < 0 && !*ret_error)
                return fail(r, ret_error, "KVM: %s", strerror(-r));
        return r;
}

static int make_memory(struct monitor *m, char **ret_error)
{
        int r;

        r = memory_init(&m->memory, m->spec->memory_bytes, m->spec->huge_pages, ret_error);
        if (r < 0)
                return r;
        r = memory_show(&m->memory, m->vm);
        return r < 0 ? fail(r, ret_error, "KVM does not take the memory: %s", strerror(-r)) : 0;
}

static void *prefault(void *data)
{
        struct life *l = data;

        l->prefault.result = memory_prefault(&l->monitor.memory, &l->prefault.error);
        return NULL;
}

static int begin_prefault(struct life *l, char **ret_error)
{
        int r;

        if (!l->monitor.spec->prefault)
                return 0;
        r = pthread_create(&l->prefault.thread, NULL, prefault, l);
        l->prefault.started = r == 0;
        return r == 0 ? 0 : fail(-r, ret_error, "thread: %s", strerror(r));
}

static int finish_prefault(struct life *l, char **ret_error)
{
        if (!l->prefault.started)
                return 0;
        (void) pthread_join(l->prefault.thread, NULL);
        l->prefault.started = false;
        *ret_error = take_ptr(&l->prefault.error);
        return l->prefault.result;
}

static int begin_vcpus(struct monitor *m, char **ret_error)
{
        int r = 0;

        m->vcpus = calloc(m->spec->n_vcpus, sizeof(struct vcpu *));
        if (!m->vcpus)
                r = -ENOMEM;
        while (r == 0 && m->n_vcpus < m->spec->n_vcpus) {
                r = vcpu_new(m, m->n_vcpus, &m->vcpus[m->n_vcpus]);
                m->n_vcpus += r == 0;
        }
        return r < 0 ? fail(r, ret_error, "vCPU %u: %s", m->n_vcpus, strerror(-r)) : 0;
}

static int finish_vcpus(struct monitor *m, char **ret_error)
{
        int r;

        for (unsigned i = 0; i < m->n_vcpus; i++) {
                r = vcpu_wait_ready(m->vcpus[i]);
                if (r < 0)
                        return fail(r, ret_error, "vCPU %u: KVM: %s", i, strerror(-r));
        }
        r = arch_vcpus_ready(m);
        if (r < 0)
                return fail(r, ret_error, "interrupt controller: KVM: %s", strerror(-r));
        r = arch_add_registers(m);
        return r < 0 ? fail(r, ret_error, "registers: %s", strerror(-r)) : 0;
}

/* Starts every thread that there will be. */
static int begin(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r;

        r = begin_prefault(l, ret_error);
        if (r < 0)
                return r;
        r = devices_new(m, &m->devices);
        if (r < 0)
                return fail(r, ret_error, "devices: %s", strerror(-r));
        return begin_vcpus(m, ret_error);
}

/* Reads what others wrote: boot files, and what servers say of their devices. */
static int load(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r;

        r = arch_load(m, ret_error);
        if (r < 0)
                return *ret_error ? r : fail(r, ret_error, "kernel: %s", strerror(-r));
        r = devices_attach(m->devices, ret_error);
        if (r < 0)
                return *ret_error ? r : fail(r, ret_error, "devices: %s", strerror(-r));
        r = arch_start_boot_cpu(m->vcpus[0]);
        return r < 0 ? fail(r, ret_error, "vCPU 0: KVM: %s", strerror(-r)) : 0;
}

static int bring_up(struct life *l, char **ret_error)
{
        struct monitor *m = &l->monitor;
        int r;

        r = open_all(l, ret_error);
        if (r == 0)
                r = lockdown_enter(&l->lockdown, m, ret_error);
        if (r == 0)
                r = make_memory(m, ret_error);
        if (r == 0)
                r = begin(l, ret_error);
        if (r == 0)
                r = lockdown_prepare_vcpus(&l->lockdown, m, ret_error);
        if (r == 0)
                r = finish_vcpus(m, ret_error);
        if (r == 0)
                r = lockdown_filter(&l->lockdown, ret_error);
        if (r == 0)
                r = load(l, ret_error);
        if (r == 0)
                r = finish_prefault(l, ret_error);
        return r;
}

static void serve(struct life *l)
{
        struct monitor *m = &l->monitor;
        int r;

        signals_take_over();
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
        static const char *const sentences[] = {
                [MONITOR_POWERED_OFF] = "powered off",   [MONITOR_FAILED] = "failed",
                [MONITOR_RESET] = "resets",             [MONITOR_PANICKED] = "panicked",
                [MONITOR_CRASHED] = "crashed",           [MONITOR_WATCHDOG] = "did not feed its watchdog",
                [MONITOR_STOPPED] = "was stopped",
        };
        const struct monitor *m = &l->monitor;
        const char *colon = m->end.text[0] ? ": " : "";

        if (m->end.how == MONITOR_FAILED)
                log_error(m->spec->name, "%s", m->end.text);
        else if (m->end.how == MONITOR_CRASHED)
                log_error(m->spec->name, "crashed%s%s", colon, m->end.text);
        else
                log_info(m->spec->name, "%s%s%s", sentences[m->end.how], colon, m->end.text);
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
        if (l->prefault.started)
                (void) pthread_join(l->prefault.thread, NULL);
        free(l->prefault.error);
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
        auto_cleanup(freep) char *error = NULL;
        int r;

        (void) mallopt(M_ARENA_MAX, 1); /* threads here allocate little */
        pthread_mutex_init(&l.monitor.lock, NULL);
        r = bring_up(&l, &error);
        if (r < 0)
                monitor_end(&l.monitor, MONITOR_FAILED, error ? error : strerror(-r));
        else
                serve(&l);
        report(&l);
        take_down(&l);
        return (int) l.monitor.end.how;
}
