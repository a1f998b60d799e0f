/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Survives files that a peer shrinks while they are mapped here. A registered mapping that takes a SIGBUS
 * is replaced by private zero pages and its flag is set; any other SIGBUS ends the process as usual.
 *
 * The table of mappings is process-wide because a signal handler has no argument; it is written under a
 * lock and read by the handler through atomics only.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

/**
 * sigbus_register() - guard one mapping
 * @damaged: set to true by the handler; must outlive the registration
 *
 * Installs the handler where it is not installed. Return: a handle (>= 0); -ENOSPC if the table is full; a negative
 * errno of sigaction(2).
 */
int sigbus_register(void *start, size_t size_bytes, atomic_bool *damaged);
void sigbus_unregister(int handle);
