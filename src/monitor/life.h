/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What can be done with a machine that was brought up, by whoever may ask for it: the control socket, signals.
 * On the main thread, the machine's lock held.
 */
#pragma once

#include <signal.h>

#include "base/loop.h"
#include "monitor/monitor.h"
#include "sandbox/sandbox.h"

/* Idempotent, both. */
void life_resume(struct monitor *m);
/* When it returns no vCPU runs and none handles an exit. The lock is released meanwhile. */
void life_pause(struct monitor *m);

/* Return: 0; -EAGAIN if the machine is paused, so that the guest would not see it; -ENOTSUP as arch_power_button(). */
int life_power_down(struct monitor *m);

/* SIGTERM presses the power button, a second one or SIGINT stops the machine. */
struct signals {
        struct monitor *monitor; /* borrowed */
        sigset_t set;
        int fd; /* owned */
        struct watch watch;
        bool asked;
};

int signals_init(struct signals *s, struct monitor *m);
/* Until then they end the process, as they do others: while it waits for a server, say. vCPU threads never get them,
   and there are no other threads any more. */
void signals_take_over(const struct signals *s);
void signals_deinit(struct signals *s);

/*
 * The socket to the supervisor: SOCK_SEQPACKET, one JSON object a packet, at most CONTROL_PACKET_MAX bytes.
 *
 * To the monitor:   {"do": "resume" | "pause" | "power-down" | "reset" | "stop"}
 * From the monitor: {"event": "ready"}                      brought up, vCPUs stopped
 *                   {"event": "running"}, {"event": "paused"}
 *                   {"event": "ended", "how": "powered-off" | "failed" | "reset" | "panicked" | "crashed" |
 *                                             "watchdog" | "stopped", "text": "..."}
 *                   {"event": "error", "text": "..."}       a request that could not be done
 *
 * The peer is the process that started us and is trusted to stop us, not to be well-formed: what is not one of these
 * is answered by an error and changes nothing. When it closes its end, the machine stops.
 */
#define CONTROL_PACKET_MAX 4096

struct control;

/* Takes @fd, in any case. Watches it on the machine's loop. */
int control_new(struct monitor *m, int fd, struct control **ret);
struct control *control_free(struct control *c);

/* Both: @c NULL: nobody is told. */
void control_send_event(struct control *c, const char *event);
void control_send_ended(struct control *c, enum monitor_end how, const char *text);

/*
 * What the monitor's process may still do: no files, no capabilities (lockdown_enter()); then a list of system calls
 * for the main thread (sandbox_filter_calls(), once it starts no more threads) and one for vCPU threads
 * (lockdown_prepare_vcpus()).
 */
struct lockdown {
        struct sandbox sandbox;
        struct sandbox_thread_filter *vcpu_filter; /* owned */
};

/* While the process has one thread, all files opened. Return: 0 or a negative errno, as the next. */
int lockdown_enter(struct lockdown *l, struct monitor *m);
/* Makes m->vcpu_filter, which vCPU threads load before they run a guest. */
int lockdown_prepare_vcpus(struct lockdown *l, struct monitor *m);
void lockdown_deinit(struct lockdown *l);
