/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/test-clock.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/macros.h"

static struct {
        atomic_uint_fast64_t now_ns, deadline_ns;
        sem_t asleep, due;
} sim;

/* What the linker puts in the place of the functions without "__wrap_". */
uint64_t __wrap_clock_now_ns(void);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *at, struct timespec *left);

static void take(sem_t *s)
{
        while (sem_wait(s) < 0 && errno == EINTR)
                ;
}

uint64_t __wrap_clock_now_ns(void) { return atomic_load(&sim.now_ns); }

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *at, struct timespec *left)
{
        atomic_store(&sim.deadline_ns, (uint64_t) at->tv_sec * NSEC_PER_SEC + (uint64_t) at->tv_nsec);
        (void) sem_post(&sim.asleep);
        take(&sim.due);
        return 0;
}

void test_clock_init(uint64_t now_ns)
{
        cpu_set_t one;

        /* Those who take turns do it fastest on one processor. */
        CPU_ZERO(&one);
        CPU_SET((size_t) sched_getcpu(), &one);
        (void) sched_setaffinity(0, sizeof(one), &one);
        atomic_store(&sim.now_ns, now_ns);
        (void) sem_init(&sim.asleep, 0, 0);
        (void) sem_init(&sim.due, 0, 0);
}

void test_clock_deinit(void)
{
        (void) sem_destroy(&sim.asleep);
        (void) sem_destroy(&sim.due);
}

uint64_t test_clock_now_ns(void) { return atomic_load(&sim.now_ns); }
void test_clock_set(uint64_t now_ns) { atomic_store(&sim.now_ns, now_ns); }

uint64_t test_clock_wait_sleeper(void)
{
        take(&sim.asleep);
        return atomic_load(&sim.deadline_ns);
}

void test_clock_wake(void) { (void) sem_post(&sim.due); }
