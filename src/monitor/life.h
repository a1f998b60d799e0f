/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What can be done with a machine that was brought up, by whoever may ask for it: the control socket, signals.
 * On the main thread, the machine's lock held.
 */
#pragma once

#include "base/loop.h"

struct monitor;

/* Idempotent, both. */
void life_resume(struct monitor *m);
/* When it returns no vCPU runs and none handles an exit. The lock is released meanwhile. */
void life_pause(struct monitor *m);

/* Return: 0; -EAGAIN if the machine is paused, so that the guest would not see it; -ENOTSUP as arch_power_button(). */
int life_power_down(struct monitor *m);

/* SIGTERM presses the power button, a second one or SIGINT stops the machine. */
struct signals {
        struct monitor *monitor; /* borrowed */
        int fd;                  /* owned */
        struct watch watch;
        bool asked;
};

int signals_init(struct signals *s, struct monitor *m);
/* Until then they end the process, as they do others: while it waits for a server, say. vCPU threads never get them, and
   there are no other threads any more. */
void signals_take_over(void);
void signals_deinit(struct signals *s);
