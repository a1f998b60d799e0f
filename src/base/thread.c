/* SPDX-License-Identifier: MPL-2.0 */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

#include "base/macros.h"

struct start {
        char name[16];
        void *(*fn)(void *data);
        void *data;
        sem_t begun;
};

static void *begin(void *data)
{
        struct start *start = data;
        void *(*fn)(void *) = start->fn;
        void *fn_data = start->data;

        (void) pthread_setname_np(pthread_self(), start->name);
        (void) sem_post(&start->begun); /* start is gone now */
        return fn(fn_data);
}

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *data), void *data)
{
        static const int faults[] = { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };
        struct start start = { .fn = fn, .data = data };
        sigset_t all, saved;
        int r;

        (void) snprintf(start.name, sizeof(start.name), "%s", name);
        (void) sem_init(&start.begun, 0, 0);
        sigfillset(&all);
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
                sigdelset(&all, faults[i]);
        (void) pthread_sigmask(SIG_SETMASK, &all, &saved);
        r = -pthread_create(ret, NULL, begin, &start);
        (void) pthread_sigmask(SIG_SETMASK, &saved, NULL);
        while (r == 0 && sem_wait(&start.begun) < 0)
                assert(errno == EINTR);
        (void) sem_destroy(&start.begun);
        return r;
}

void thread_mutex_init(pthread_mutex_t *ret)
{
        pthread_mutexattr_t inherit;

        (void) pthread_mutexattr_init(&inherit);
        (void) pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT);
        (void) pthread_mutex_init(ret, &inherit);
        (void) pthread_mutexattr_destroy(&inherit);
}
