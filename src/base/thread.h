/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include <pthread.h>

/**
 * thread_start() - start a thread that leaves signals to others
 * @name: cut to 15 characters; not used any more when this returns
 *
 * All signals but those of the thread's own faults are blocked in it: those reach their handlers (mem/sigbus.h, the
 * sandbox's report) only where they are not.
 *
 * When this returns, the thread runs and has its name: what libc does at a thread's start needs system calls that may
 * be filtered from then on.
 *
 * Return: 0 or a negative errno.
 */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *data), void *data);

/* A mutex that lends its holder the priority of who waits for it. */
void thread_mutex_init(pthread_mutex_t *ret);
