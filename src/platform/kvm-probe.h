/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Is /dev/kvm usable? That it opens is not enough: some hosts offer one that interprets or pages in software,
 * on which a stock 64-bit kernel makes no progress. So a throw-away 64-bit guest runs two million instructions
 * in a child process against a deadline; real hardware needs under 5 ms, an emulated board under 100 ms. The guest
 * also needs an interrupt controller in the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Return: true if usable; else false and a text that says why and what would help. Takes at most half a second the first
 * time; a process that asks again gets the same answer. One thread.
 */
bool kvm_probe(char *why, size_t n_why);

/*
 * Runs the throw-away guest to its end; in a child that may be killed at any time. By architecture:
 * kvm-probe-x86_64.c, kvm-probe-aarch64.c, kvm-probe-other.c. Return: 0; -ENODEV: no interrupt controller for guests; a
 * negative errno.
 */
int kvm_probe_guest(int kvm_fd);
