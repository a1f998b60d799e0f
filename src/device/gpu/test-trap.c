/* SPDX-License-Identifier: MPL-2.0 */
#include "device/gpu/test-trap.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macros.h"

static struct {
        struct trap trap;
        char *page;
        size_t page_bytes;
        sem_t touched;
        struct sigaction before;
} the;

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void on_touch(int number, siginfo_t *info, void *context)
{
        const char *at = info->si_addr;
        int error = errno;

        if (at < the.page || at >= the.page + the.page_bytes) {
                /* A fault of another kind: it happens again, and is no longer ours. */
                (void) sigaction(SIGSEGV, &the.before, NULL);
                return;
        }
        (void) sem_post(&the.touched);
        while (!the.trap.goes_on(the.trap.data))
                cpu_relax();
        check(mprotect(the.page, the.page_bytes, PROT_READ | PROT_WRITE) == 0);
        errno = error;
}

void trap_set(const struct trap *t, void *in_page)
{
        struct sigaction action = { .sa_sigaction = on_touch, .sa_flags = SA_SIGINFO };

        the.trap = *t;
        the.page_bytes = (size_t) sysconf(_SC_PAGESIZE);
        the.page = (char *) in_page - (uintptr_t) in_page % the.page_bytes;
        check(sem_init(&the.touched, 0, 0) == 0 && sigaction(SIGSEGV, &action, &the.before) == 0);
        check(mprotect(the.page, the.page_bytes, PROT_NONE) == 0);
}

void trap_wait(void)
{
        while (sem_wait(&the.touched) < 0)
                check(errno == EINTR);
}

void trap_clear(void)
{
        check(mprotect(the.page, the.page_bytes, PROT_READ | PROT_WRITE) == 0);
        check(sigaction(SIGSEGV, &the.before, NULL) == 0);
        (void) sem_destroy(&the.touched);
}
