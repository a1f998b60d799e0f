/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Is /dev/kvm usable? That it opens is not enough: some hosts offer one that interprets or pages in software,
 * on which a stock 64-bit kernel makes no progress. So a throw-away 64-bit guest runs two million instructions
 * in a child process, in parts of which each ends with an exit.
 *
 * It is too slow if none of its first parts is done in less than many times the CPU time that the host itself needs for
 * the same instructions: hardware and emulated boards are about even, an interpreter is hundreds of times slower. The
 * comparison holds on a loaded host as well; a deadline is there for guests that make no progress at all. The guest
 * also needs an interrupt controller in the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Return: true if usable; else false and a text that says why and what would help. Takes less than a second the first
 * time; a process that asks again gets the same answer. One thread.
 */
bool kvm_probe(char *why, size_t n_why);

struct kvm_run;

/* Rounds of two instructions (count down, jump) in one part. Fits 16 bits, for one instruction to load it. */
#define KVM_PROBE_ROUNDS 62500

struct kvm_probe_guest {
        int vcpu_fd;
        struct kvm_run *run;
};

/*
 * Makes the throw-away guest; in a child, with which all that it allocates goes. By architecture: kvm-probe-x86_64.c,
 * kvm-probe-aarch64.c; kvm-probe-other.c for others, where no guest can run. Return: 0; -ENODEV: no interrupt
 * controller for guests; a negative errno.
 */
int kvm_probe_guest_init(struct kvm_probe_guest *g, int kvm_fd);

/* Did the guest end a part? */
bool kvm_probe_guest_ended_part(const struct kvm_probe_guest *g);
