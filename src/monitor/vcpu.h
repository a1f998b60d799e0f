/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A virtual CPU and the thread that runs it.
 *
 *   vcpu_new() ─► thread waits ─► vcpu_resume() ⇄ vcpu_pause() ─► vcpu_free()
 *
 * An exit that touches registers takes the machine's lock, finds the range on the bus and calls its handler; every
 * other exit is the architecture's (arch_exit()). The table in docs/architecture.md says which exit is handled where.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct kvm_run;
struct monitor;
struct vcpu;

/* Begins to make the vCPU, on its own (afterwards waiting) thread. @index: 0 is the one that boots. */
int vcpu_new(struct monitor *m, unsigned index, struct vcpu **ret);
/* Return: 0 when it is made; a negative errno of KVM or of arch_init_vcpu(). */
int vcpu_wait_ready(struct vcpu *v);
struct vcpu *vcpu_free(struct vcpu *v); /* ends the thread; the caller does not hold the machine's lock */

unsigned vcpu_index(const struct vcpu *v);
int vcpu_fd(const struct vcpu *v);
struct monitor *vcpu_monitor(const struct vcpu *v);
struct kvm_run *vcpu_run(const struct vcpu *v);

/* On the main thread, after vcpu_wait_ready(). */
void vcpu_resume(struct vcpu *v);
/* Asks; vcpu_wait_paused() waits until it no longer runs guest code and handles no exit. The caller does not hold the
   machine's lock. */
void vcpu_pause(struct vcpu *v);
void vcpu_wait_paused(struct vcpu *v);

/* "KVM_EXIT_SHUTDOWN"; for log lines. */
const char *vcpu_exit_name(unsigned reason);
