/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Gives memory back to the kernel on a thread of its own, without real-time priority. It takes the kernel 45 ms and
 * more a GiB, when a dead guest's memory goes with its last mapping, say; others' frames and touches are not to wait
 * for that. What may still have to wait is another change of the process's mappings: for one slice (reaper.c), which
 * is longer on a host that gives this thread no processor.
 *
 * Only the thread that called reaper_start() is spared, a server's loop. Whoever else gives something back does so
 * himself, as everybody does without a reaper: a guest's own thread is to pay for what its guest frees.
 */
#pragma once

#include <stddef.h>

#define REAPER_ITEMS_MAX 256                /* that wait; then the caller does it himself */
#define REAPER_BYTES_MAX ((size_t) 1 << 30) /* no more is taken while more than this waits */

/* Before other threads, and before system calls are filtered. One a process. Return: 0 or a negative errno. */
int reaper_start(void);

/* Waits until everything is given back. After other threads have ended. Idempotent. */
void reaper_stop(void);

/* As munmap(2): of a whole mapping, which is the reaper's from now on. Of a file, it holds the file until then. */
void reaper_unmap(void *map, size_t n_bytes);
