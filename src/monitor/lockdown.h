/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the monitor's process may still do: no files, no capabilities (lockdown_enter()); then a list of system calls
 * for the main thread (lockdown_filter()) and one for vCPU threads (lockdown_prepare_vcpus()).
 */
#pragma once

#include "sandbox/sandbox.h"

struct monitor;

struct lockdown {
        struct sandbox sandbox;
        struct sandbox_thread_filter *vcpu_filter; /* owned */
};

/* All three: 0, or a negative errno with a sentence in *ret_error. */

/* While the process has one thread, all files opened. */
int lockdown_enter(struct lockdown *l, struct monitor *m, char **ret_error);
/* Makes m->vcpu_filter, which vCPU threads load before they run a guest. */
int lockdown_prepare_vcpus(struct lockdown *l, struct monitor *m, char **ret_error);
/* The main thread; it starts no more threads. */
int lockdown_filter(struct lockdown *l, char **ret_error);
void lockdown_deinit(struct lockdown *l);
