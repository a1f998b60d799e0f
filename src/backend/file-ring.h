/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The io_urings of one image, one for each of its channels. All are made when the image is opened, before the process
 * locks itself down, and can do nothing but I/O on open files: what an io_uring does is not seen by a filter of system
 * calls, so a process that may make new ones is not confined by it.
 */
#pragma once

#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>

struct file_ring {
        struct io_uring uring;
        bool taken;
};

struct file_rings {
        struct file_ring *rings; /* owned */
        unsigned n_rings;        /* fewer than asked for if the host refuses them */
        pthread_mutex_t lock;    /* of taken */
};

/* Return: 0, also if the host has no io_uring; -ENOMEM. */
int file_rings_init(struct file_rings *r, unsigned n_rings, unsigned n_entries);
void file_rings_deinit(struct file_rings *r);

/* An idle ring, or NULL if there is none. Any thread; all of a ring's use until it is put back is one thread's. */
struct io_uring *file_rings_take(struct file_rings *r);
void file_rings_put(struct file_rings *r, struct io_uring *uring);
