/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One machine on KVM, in one process. main.c of this folder is the life of the process; this is what its parts share.
 *
 * Threads: the main thread runs the loop (control socket, signals, connections to device servers, timers); each
 * vCPU has a thread (vcpu.h). Data takes neither: guest and server meet in ioeventfds and irqfds.
 *
 * The lock protects all registers and connections. The loop holds it while it dispatches (loop_set_mutex()), a vCPU
 * thread while it handles an exit; whoever holds it must not wait for a vCPU to pause. vCPU threads start and
 * stop timers, but no watches and no tasks: what else has to happen on the loop they leave to monitor_end() and
 * eventfds.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/bus.h"
#include "monitor/memory.h"

struct devices;
struct loop;
struct monitor_spec;
struct sandbox_thread_filter;
struct vcpu;
struct vm;

/* How a machine ended: also the exit status of the process (busbar-monitor(1)). */
enum monitor_end {
        MONITOR_POWERED_OFF = 0,
        MONITOR_FAILED = 1,   /* of the host or of the monitor; said on stderr */
        MONITOR_RESET = 3,    /* the guest asked for a reset: a new monitor starts it again */
        MONITOR_PANICKED = 4, /* the guest said so (pvpanic) */
        MONITOR_CRASHED = 5,  /* triple fault, or the host's KVM found the CPU in a state it cannot run */
        MONITOR_WATCHDOG = 6, /* the guest did not feed its watchdog */
        MONITOR_STOPPED = 7,  /* by the control socket or a signal */
};

struct monitor {
        const struct monitor_spec *spec; /* borrowed */
        struct vm *vm;
        struct memory memory;
        struct bus mmio, ports;
        pthread_mutex_t lock;
        struct loop *loop;
        struct vcpu **vcpus;
        unsigned n_vcpus;
        bool running; /* vCPUs are; under the lock */
        const struct sandbox_thread_filter *vcpu_filter; /* borrowed: system calls of vCPU threads; NULL: any */
        struct devices *devices; /* devices.h */
        void *arch;              /* the architecture's own state */
        uint64_t n_exits;        /* to the monitor, of all vCPUs; under the lock */
        struct {
                atomic_bool claimed; /* by the first that said how it ended */
                atomic_bool over;    /* the rest is valid */
                enum monitor_end how;
                char text[256];
        } end;
};

/**
 * monitor_run() - the life of a machine and of this process (main.c)
 *
 * Restricts the process for good: only the end of it can follow.
 *
 * Return: how it ended, an enum monitor_end; said on stderr.
 */
int monitor_run(const struct monitor_spec *spec);

/* The machine is over: vCPUs stop at their next exit, the loop ends. The first call counts. Any thread, lock held
   or not. @text: for the log and the supervisor; copied; NULL: none. */
void monitor_end(struct monitor *m, enum monitor_end how, const char *text);

/* As the supervisor is told it (life.h), and the log. */
const char *monitor_end_name(enum monitor_end how);

/* Once it is over; vCPUs look after each exit. */
static inline bool monitor_is_over(const struct monitor *m)
{
        return atomic_load_explicit(&m->end.over, memory_order_acquire);
}
