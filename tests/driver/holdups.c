/* SPDX-License-Identifier: MPL-2.0 */
#include "holdups.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"

struct bystander {
        const struct holdups *holdups; /* borrowed */
        pthread_t thread;
        bool started;
        size_t n, n_room;
        struct holdup {
                uint64_t from_ns, to_ns;
        } *noted; /* owned */
};

struct holdups {
        atomic_bool stopping;
        size_t n_bystanders;
        struct bystander bystanders[];
};

static void *stand_by(void *data)
{
        struct bystander *b = data;
        uint64_t due_ns = clock_now_ns();

        while (!atomic_load(&b->holdups->stopping)) {
                struct timespec at;
                uint64_t now_ns;

                due_ns += HOLDUPS_TICK_NS;
                at = (struct timespec) { (time_t) (due_ns / NSEC_PER_SEC), (long) (due_ns % NSEC_PER_SEC) };
                while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
                        ;
                now_ns = clock_now_ns();
                if (now_ns - due_ns >= HOLDUPS_LEAST_NS && b->n < b->n_room)
                        b->noted[b->n++] = (struct holdup) { due_ns, now_ns };
                if (now_ns > due_ns)
                        due_ns += (now_ns - due_ns) / HOLDUPS_TICK_NS * HOLDUPS_TICK_NS;
        }
        return NULL;
}

static int start_bystander(struct bystander *b, const struct holdups *h, size_t cpu, uint64_t duration_ns)
{
        struct sched_param priority = { .sched_priority = HOLDUPS_PRIORITY };
        cpu_set_t one;
        int r;

        b->holdups = h;
        b->n_room = duration_ns / HOLDUPS_TICK_NS + 1;
        b->noted = calloc(b->n_room, sizeof(*b->noted));
        if (!b->noted)
                return -ENOMEM;
        r = thread_start(&b->thread, "bystander", stand_by, b);
        if (r < 0)
                return r;
        b->started = true;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        r = pthread_setaffinity_np(b->thread, sizeof(one), &one);
        return r == 0 ? -pthread_setschedparam(b->thread, SCHED_FIFO, &priority) : -r;
}

int holdups_start(uint64_t duration_ns, struct holdups **ret)
{
        struct holdups *h;
        cpu_set_t cpus;
        int r = 0;

        if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
                return -errno;
        h = calloc(1, sizeof(*h) + (size_t) CPU_COUNT(&cpus) * sizeof(h->bystanders[0]));
        if (!h)
                return -ENOMEM;
        for (size_t cpu = 0; cpu < CPU_SETSIZE && r == 0; cpu++)
                if (CPU_ISSET(cpu, &cpus))
                        r = start_bystander(&h->bystanders[h->n_bystanders++], h, cpu, duration_ns);
        if (r < 0) {
                holdups_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

void holdups_stop(struct holdups *h)
{
        atomic_store(&h->stopping, true);
        for (size_t i = 0; i < h->n_bystanders; i++) {
                if (h->bystanders[i].started)
                        (void) pthread_join(h->bystanders[i].thread, NULL);
                h->bystanders[i].started = false;
        }
}

struct holdups *holdups_free(struct holdups *h)
{
        if (!h)
                return NULL;
        holdups_stop(h);
        for (size_t i = 0; i < h->n_bystanders; i++)
                free(h->bystanders[i].noted);
        free(h);
        return NULL;
}

void holdups_between(const struct holdups *h, uint64_t from_ns, uint64_t to_ns, struct holdups_sum *ret)
{
        *ret = (struct holdups_sum) { 0 };
        for (size_t i = 0; i < h->n_bystanders; i++) {
                for (size_t k = 0; k < h->bystanders[i].n; k++) {
                        const struct holdup *u = &h->bystanders[i].noted[k];

                        if (u->to_ns < from_ns || u->from_ns > to_ns)
                                continue;
                        ret->n++;
                        ret->total_ns += u->to_ns - u->from_ns;
                        ret->longest_ns = MAX(ret->longest_ns, u->to_ns - u->from_ns);
                }
        }
}
