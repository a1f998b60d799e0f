/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The thread is in one of two places: in run_guest(), or waiting in wait_for_work(). Who wants it to leave the
 * first sets `wanted`, then kvm_run's immediate_exit, then sends a signal. The signal ends a KVM_RUN that is under
 * way; one that is only about to begin is ended by immediate_exit. An exit that was taken is handled before the thread
 * waits, so that no guest access is lost.
 */
#include "monitor/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/monitor.h"
#include "monitor/vm.h"
#include "sandbox/sandbox.h"

#define VCPU_STACK_BYTES ((size_t) 128 << 10)
#define KICK_SIGNAL SIGUSR1

enum wanted { WANT_PAUSE, WANT_RUN, WANT_END };

struct vcpu {
        struct monitor *monitor; /* borrowed */
        unsigned index;
        int fd;              /* owned */
        struct kvm_run *run; /* owned mapping */
        size_t run_bytes;

        pthread_t thread;
        bool started;
        pthread_mutex_t lock; /* the rest */
        pthread_cond_t changed;
        enum wanted wanted;
        bool ready;  /* made, or failed */
        int error;   /* valid once ready */
        bool running;
};

unsigned vcpu_index(const struct vcpu *v) { return v->index; }
int vcpu_fd(const struct vcpu *v) { return v->fd; }
struct monitor *vcpu_monitor(const struct vcpu *v) { return v->monitor; }
struct kvm_run *vcpu_run(const struct vcpu *v) { return v->run; }

const char *vcpu_exit_name(unsigned reason)
{
#define NAME(n) [n] = #n
        static const char *const names[] = {
                NAME(KVM_EXIT_UNKNOWN), NAME(KVM_EXIT_EXCEPTION), NAME(KVM_EXIT_IO), NAME(KVM_EXIT_HYPERCALL),
                NAME(KVM_EXIT_DEBUG), NAME(KVM_EXIT_HLT), NAME(KVM_EXIT_MMIO), NAME(KVM_EXIT_IRQ_WINDOW_OPEN),
                NAME(KVM_EXIT_SHUTDOWN), NAME(KVM_EXIT_FAIL_ENTRY), NAME(KVM_EXIT_INTR), NAME(KVM_EXIT_SET_TPR),
                NAME(KVM_EXIT_TPR_ACCESS), NAME(KVM_EXIT_NMI), NAME(KVM_EXIT_INTERNAL_ERROR),
                NAME(KVM_EXIT_SYSTEM_EVENT), NAME(KVM_EXIT_IOAPIC_EOI), NAME(KVM_EXIT_ARM_NISV),
                NAME(KVM_EXIT_X86_RDMSR), NAME(KVM_EXIT_X86_WRMSR), NAME(KVM_EXIT_DIRTY_RING_FULL),
        };
#undef NAME

        return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "an exit unknown to us";
}

static void crash(struct vcpu *v, const char *what, int error)
{
        char text[160];

        (void) snprintf(text, sizeof(text), "vCPU %u: %s: %s", v->index, what, strerror(error));
        monitor_end(v->monitor, MONITOR_CRASHED, text);
}

/* String instructions move several items at one port. */
static void handle_port(struct vcpu *v)
{
        struct kvm_run *run = v->run;
        char *data = (char *) run + run->io.data_offset;

        for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
                if (run->io.direction == KVM_EXIT_IO_OUT)
                        (void) bus_write(&v->monitor->ports, run->io.port, data, run->io.size);
                else
                        (void) bus_read(&v->monitor->ports, run->io.port, data, run->io.size);
        }
}

static void handle_mmio(struct vcpu *v)
{
        struct kvm_run *run = v->run;
        unsigned n_bytes = MIN(run->mmio.len, (uint32_t) sizeof(run->mmio.data));

        if (run->mmio.is_write)
                (void) bus_write(&v->monitor->mmio, run->mmio.phys_addr, run->mmio.data, n_bytes);
        else
                (void) bus_read(&v->monitor->mmio, run->mmio.phys_addr, run->mmio.data, n_bytes);
}

static void handle_exit(struct vcpu *v)
{
        struct monitor *m = v->monitor;
        int r = 0;

        if (v->run->exit_reason == KVM_EXIT_INTR)
                return;
        pthread_mutex_lock(&m->lock);
        m->n_exits++;
        /* Another vCPU may have ended the machine while this one waited for the lock. */
        if (!monitor_is_over(m)) {
                switch (v->run->exit_reason) {
                case KVM_EXIT_MMIO:
                        handle_mmio(v);
                        break;
                case KVM_EXIT_IO:
                        handle_port(v);
                        break;
                default:
                        r = arch_exit(v);
                }
        }
        pthread_mutex_unlock(&m->lock);
        if (r < 0)
                crash(v, vcpu_exit_name(v->run->exit_reason), -r);
}

/* Until something else is wanted, or the machine is over. */
static void run_guest(struct vcpu *v)
{
        while (!monitor_is_over(v->monitor)) {
                if (ioctl(v->fd, KVM_RUN, 0) == 0) {
                        handle_exit(v);
                        /* An exit was taken although leaving is wanted: the next KVM_RUN completes it and returns. */
                        continue;
                }
                if (errno == EINTR || errno == EAGAIN) {
                        if (__atomic_load_n(&v->run->immediate_exit, __ATOMIC_RELAXED))
                                return;
                        continue;
                }
                crash(v, "KVM_RUN", errno);
        }
}

/* Return: false when the thread is to end. */
static bool wait_for_work(struct vcpu *v)
{
        bool run;

        pthread_mutex_lock(&v->lock);
        v->running = false;
        pthread_cond_broadcast(&v->changed);
        while (v->wanted == WANT_PAUSE || (v->wanted == WANT_RUN && monitor_is_over(v->monitor)))
                pthread_cond_wait(&v->changed, &v->lock);
        run = v->wanted == WANT_RUN;
        v->running = run;
        __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&v->lock);
        return run;
}

static int make(struct vcpu *v)
{
        struct vm *vm = v->monitor->vm;
        int run_bytes;

        v->fd = ioctl(vm_fd(vm), KVM_CREATE_VCPU, (unsigned long) v->index);
        if (v->fd < 0)
                return -errno;
        run_bytes = ioctl(vm_kvm_fd(vm), KVM_GET_VCPU_MMAP_SIZE, 0);
        if (run_bytes < (int) sizeof(*v->run))
                return run_bytes < 0 ? -errno : -EPROTO;
        v->run = mmap(NULL, (size_t) run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
        if (v->run == MAP_FAILED) {
                v->run = NULL;
                return -errno;
        }
        v->run_bytes = (size_t) run_bytes;
        return arch_init_vcpu(v);
}

/* Before the first guest instruction. The list was compiled while the vCPU was made. */
static void restrict_thread(struct vcpu *v)
{
        int r = v->monitor->vcpu_filter ? sandbox_filter_thread(v->monitor->vcpu_filter) : 0;
        char text[96];

        if (r == 0)
                return;
        (void) snprintf(text, sizeof(text), "vCPU %u: sandbox: system calls: %s", v->index, strerror(-r));
        monitor_end(v->monitor, MONITOR_FAILED, text);
}

static void *thread_main(void *data)
{
        struct vcpu *v = data;
        bool restricted = false;
        char name[16];
        int r;

        (void) snprintf(name, sizeof(name), "vcpu %u", v->index);
        (void) prctl(PR_SET_NAME, name);
        r = make(v);

        pthread_mutex_lock(&v->lock);
        v->error = r;
        v->ready = true;
        pthread_mutex_unlock(&v->lock);
        pthread_cond_broadcast(&v->changed);

        while (r == 0 && wait_for_work(v)) {
                if (!restricted)
                        restrict_thread(v);
                restricted = true;
                run_guest(v);
        }
        return NULL;
}

static void on_kick(int number) {}

/* All signals but the kick are the main thread's. */
static int start_thread(struct vcpu *v)
{
        struct sigaction action = { .sa_handler = on_kick }; /* no SA_RESTART: KVM_RUN is to end */
        pthread_attr_t attributes;
        sigset_t blocked, old;
        int r;

        if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
                return -errno;
        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attributes, VCPU_STACK_BYTES);
        sigfillset(&blocked);
        sigdelset(&blocked, KICK_SIGNAL);
        pthread_sigmask(SIG_SETMASK, &blocked, &old);
        r = pthread_create(&v->thread, &attributes, thread_main, v);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        (void) pthread_attr_destroy(&attributes);
        v->started = r == 0;
        return -r;
}

static void vcpu_freep(struct vcpu **v)
{
        *v = vcpu_free(*v);
}

int vcpu_new(struct monitor *m, unsigned index, struct vcpu **ret)
{
        auto_cleanup(vcpu_freep) struct vcpu *v = NULL;
        int r;

        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        v->monitor = m;
        v->index = index;
        v->fd = -1;
        pthread_mutex_init(&v->lock, NULL);
        pthread_cond_init(&v->changed, NULL);
        r = start_thread(v);
        if (r < 0)
                return r;
        *ret = take_ptr(&v);
        return 0;
}

int vcpu_wait_ready(struct vcpu *v)
{
        int r;

        pthread_mutex_lock(&v->lock);
        while (!v->ready)
                pthread_cond_wait(&v->changed, &v->lock);
        r = v->error;
        pthread_mutex_unlock(&v->lock);
        return r;
}

static void want(struct vcpu *v, enum wanted wanted)
{
        pthread_mutex_lock(&v->lock);
        v->wanted = wanted;
        if (v->running && wanted != WANT_RUN) {
                __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_RELAXED);
                (void) pthread_kill(v->thread, KICK_SIGNAL);
        }
        pthread_mutex_unlock(&v->lock);
        pthread_cond_broadcast(&v->changed);
}

void vcpu_resume(struct vcpu *v)
{
        want(v, WANT_RUN);
}

void vcpu_pause(struct vcpu *v)
{
        want(v, WANT_PAUSE);
}

void vcpu_wait_paused(struct vcpu *v)
{
        pthread_mutex_lock(&v->lock);
        while (v->running)
                pthread_cond_wait(&v->changed, &v->lock);
        pthread_mutex_unlock(&v->lock);
        /* x86-64: the guest's clock says that it was stopped, so that its watchdogs do not blame it. */
        (void) ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
}

struct vcpu *vcpu_free(struct vcpu *v)
{
        if (!v)
                return NULL;
        if (v->started) {
                want(v, WANT_END);
                (void) pthread_join(v->thread, NULL);
        }
        if (v->run)
                (void) munmap(v->run, v->run_bytes);
        closep(&v->fd);
        pthread_cond_destroy(&v->changed);
        pthread_mutex_destroy(&v->lock);
        free(v);
        return NULL;
}
