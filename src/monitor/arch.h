/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What an architecture supplies: x86_64/ or aarch64/, chosen by meson. Called by main.c in this order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kvm_irq_routing_entry;
struct monitor;
struct vcpu;
struct vm_msi;

/* Before vCPUs, memory and the sandbox: opens the boot files (boot-file.h), makes whatever the virtual machine needs
   first (x86-64: TSS and identity map addresses, the irqchip). Allocates m->arch. Return: 0, or a negative errno with a
   sentence in *ret_error (caller frees; NULL if there is none), after which arch_deinit() still works. */
int arch_init(struct monitor *m, char **ret_error);
/* Registers of the monitor's own on the buses: serial port, clock, watchdog, power. */
int arch_add_registers(struct monitor *m);
/* A new vCPU: CPUID, MPIDR, features. On the vCPU's own thread. */
int arch_init_vcpu(struct vcpu *v);
/* All vCPUs are there (arm64: the GIC is made and initialised now). */
int arch_vcpus_ready(struct monitor *m);
/* Kernel and initrd into guest memory, tables (ACPI, device tree) written; devices_new() was called already, so that
   devices.h says which there are. Return: 0, or a negative errno with a sentence in *ret_error (caller frees). */
int arch_load(struct monitor *m, char **ret_error);
/* Registers of the boot CPU, for the kernel that arch_load() found. */
int arch_start_boot_cpu(struct vcpu *v);
/* An exit that is no access to a register on a bus. Lock held. Return: 0 go on; a negative errno: cannot be
   handled, the machine ends as crashed. */
int arch_exit(struct vcpu *v);
/* Presses the power button. Lock held. -ENOTSUP: the guest has no driver for it that we know of. */
int arch_power_button(struct monitor *m);
/* All vCPUs stand still from now on, or are about to go on: no time of watchdogs passes in between. Lock held.
   Idempotent. */
void arch_set_paused(struct monitor *m, bool paused);
/* For vm.c: the controller in which wired lines end; what KVM_IRQ_LINE calls one; what is peculiar in the route of a
   message. */
extern const uint32_t arch_irqchip;
uint32_t arch_line_number(unsigned line);
void arch_route_msi(const struct vm_msi *msi, struct kvm_irq_routing_entry *route);
void arch_deinit(struct monitor *m);
