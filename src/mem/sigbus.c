/* SPDX-License-Identifier: MPL-2.0 */
#include "mem/sigbus.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

/* Enough for 64 guests of 16 regions each. */
#define SIGBUS_MAPPINGS_MAX 1024

struct mapping {
        atomic_uintptr_t start; /* 0: free */
        atomic_size_t size_bytes;
        _Atomic(atomic_bool *) damaged;
};

static struct mapping mappings[SIGBUS_MAPPINGS_MAX];
static atomic_size_t n_mappings; /* highest index in use + 1, ever */
static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous_action;

/* Only async-signal-safe calls; mmap(2) is a plain system call. */
static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
        uintptr_t at = (uintptr_t) info->si_addr;
        size_t n = atomic_load(&n_mappings);
        int saved_errno = errno;

        for (size_t i = 0; i < n; i++) {
                uintptr_t start = atomic_load(&mappings[i].start);
                size_t size = atomic_load(&mappings[i].size_bytes);
                atomic_bool *damaged = atomic_load(&mappings[i].damaged);

                if (start == 0 || at < start || at - start >= size || !damaged)
                        continue;
                if (mmap((void *) start, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
                        break;
                atomic_store(damaged, true);
                errno = saved_errno;
                return;
        }
        /* Not ours: the fault repeats and takes its previous course. */
        (void) sigaction(SIGBUS, &previous_action, NULL);
        errno = saved_errno;
}

/* Asked at every registration: a library may have put its own handler in our place meanwhile. */
static int install(void)
{
        struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };
        struct sigaction current;

        if (sigaction(SIGBUS, NULL, &current) < 0)
                return -errno;
        if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_sigbus)
                return 0;
        sigemptyset(&action.sa_mask);
        previous_action = current;
        return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int sigbus_register(void *start, size_t size_bytes, atomic_bool *damaged)
{
        int r, handle = -ENOSPC;

        pthread_mutex_lock(&mappings_lock);
        r = install();
        if (r < 0) {
                pthread_mutex_unlock(&mappings_lock);
                return r;
        }
        for (int i = 0; i < SIGBUS_MAPPINGS_MAX; i++) {
                if (atomic_load(&mappings[i].start) != 0)
                        continue;
                atomic_store(&mappings[i].size_bytes, size_bytes);
                atomic_store(&mappings[i].damaged, damaged);
                atomic_store(&mappings[i].start, (uintptr_t) start);
                if ((size_t) i >= atomic_load(&n_mappings))
                        atomic_store(&n_mappings, (size_t) i + 1);
                handle = i;
                break;
        }
        pthread_mutex_unlock(&mappings_lock);
        return handle;
}

void sigbus_unregister(int handle)
{
        assert(handle >= 0 && handle < SIGBUS_MAPPINGS_MAX);
        pthread_mutex_lock(&mappings_lock);
        atomic_store(&mappings[handle].start, 0);
        atomic_store(&mappings[handle].damaged, NULL);
        pthread_mutex_unlock(&mappings_lock);
}
