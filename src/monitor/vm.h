/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The KVM virtual machine as everything else here sees it: memory slots, kicks (ioeventfds), interrupts (irqfds).
 * The only file besides vcpu.c and the architecture's that issues KVM ioctls. Tests of what lies above link
 * test-vm.c instead, which records the calls.
 *
 * Called with the machine's lock held, or before vCPUs run.
 *
 * Spec: Linux, Documentation/virt/kvm/api.rst.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mem/space.h"

struct vm;

/* Opens /dev/kvm, makes the virtual machine. Its interrupt controller is made by the architecture. */
int vm_new(struct vm **ret);
struct vm *vm_free(struct vm *vm);

static inline void vm_freep(struct vm **vm)
{
        *vm = vm_free(*vm);
}

int vm_kvm_fd(const struct vm *vm); /* of /dev/kvm */
int vm_fd(const struct vm *vm);

/* One more slot. @host stays mapped as long as the machine is. */
int vm_add_memory(struct vm *vm, gpa_t start, uint64_t size_bytes, void *host);

struct vm_kick {
        uint64_t address;
        unsigned n_bytes;  /* 0: a write of any width */
        bool match;        /* only writes of exactly @value (n_bytes of it) */
        uint64_t value;
        int fd; /* eventfd, borrowed until vm_remove_kick() */
};
int vm_add_kick(struct vm *vm, const struct vm_kick *kick);
void vm_remove_kick(struct vm *vm, const struct vm_kick *kick);

/* A wired interrupt, by number as in layout.h (x86-64: IOAPIC pin; arm64: SPI, from 0). A write to the eventfd
   @fd raises it as an edge. Nobody is in between. */
int vm_attach_line(struct vm *vm, unsigned line, int fd);
void vm_detach_line(struct vm *vm, unsigned line, int fd);
/* By hand, as a level: for the few registers of the monitor's own (serial port). */
int vm_set_line(struct vm *vm, unsigned line, bool level);

struct vm_msi {
        uint64_t address;
        uint32_t data;
        uint32_t device; /* requester id (bus << 8 | device << 3 | function); the ITS asks for it */
};
/* A write to @fd sends the message. Return: a handle >= 0; -ENOSPC; a negative errno. */
int vm_attach_msi(struct vm *vm, const struct vm_msi *msi, int fd);
/* Afterwards writes to the fd are only counted in it; if it is attached again, one that came meanwhile is sent. */
void vm_detach_msi(struct vm *vm, int handle);
