/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the monitor's process may still do: no files, no capabilities (lockdown_enter()); then a list of system calls
 * for the main thread (sandbox_filter_calls(), once it starts no more threads) and one for vCPU threads (lockdown_prepare_vcpus()).
 */
#pragma once

#include "sandbox/sandbox.h"

struct monitor;

struct lockdown {
        struct sandbox sandbox;
        struct sandbox_thread_filter *vcpu_filter; /* owned */
};

/* While the process has one thread, all files opened. Return: 0 or a negative errno, as the next. */
int lockdown_enter(struct lockdown *l, struct monitor *m);
/* Makes m->vcpu_filter, which vCPU threads load before they run a guest. */
int lockdown_prepare_vcpus(struct lockdown *l, struct monitor *m);
void lockdown_deinit(struct lockdown *l);
