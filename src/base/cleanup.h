/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Scope-bound ownership. A local that owns something is declared `auto_cleanup(xp)`, where xp takes a
 * pointer to the local; ownership leaves the scope by take_ptr() or take_fd() only.
 */
#pragma once

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* "unused": clang would warn of a local that is only held, a lock say; gcc does not. */
#define auto_cleanup(fn) __attribute__((cleanup(fn), unused))

#define take_ptr(pp)                    \
        ({                              \
                __auto_type p_ = (pp);  \
                __auto_type v_ = *p_;   \
                *p_ = NULL;             \
                v_;                     \
        })

static inline int take_fd(int *fd)
{
        int v = *fd;

        *fd = -1;
        return v;
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                (void) close(*fd);
}

/* Closes *fd if it is open and marks it closed; for fd fields of structures. */
static inline void fd_close(int *fd)
{
        closep(fd);
        *fd = -1;
}

static inline void freep(void *p)
{
        free(*(void **) p);
}
