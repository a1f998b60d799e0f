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
        struct holdups *holdups; /* borrowed */
        pthread_t thread;
        bool started;
};

struct holdups {
        atomic_bool stopping;
        size_t n_room;
        atomic_size_t n;      /* beyond n_room: not kept */
        struct holdup *noted; /* owned; of all bystanders, sorted by holdups_stop() */
        size_t n_bystanders;
        struct bystander bystanders[];
};

static void note(struct holdups *h, uint64_t from_ns, uint64_t to_ns)
{
        size_t i = atomic_fetch_add(&h->n, 1);

        if (i < h->n_room)
                h->noted[i] = (struct holdup) { from_ns, to_ns };
}

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
                if (now_ns - due_ns >= HOLDUPS_LEAST_NS)
                        note(b->holdups, due_ns, now_ns);
                if (now_ns > due_ns)
                        due_ns += (now_ns - due_ns) / HOLDUPS_TICK_NS * HOLDUPS_TICK_NS;
        }
        return NULL;
}

static int start_bystander(struct bystander *b, struct holdups *h, size_t cpu)
{
        struct sched_param priority = { .sched_priority = HOLDUPS_PRIORITY };
        cpu_set_t one;
        int r;

        b->holdups = h;
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
        h->n_room = (size_t) CPU_COUNT(&cpus) * (duration_ns / HOLDUPS_TICK_NS + 1);
        h->noted = calloc(h->n_room, sizeof(*h->noted));
        if (!h->noted)
                r = -ENOMEM;
        for (size_t cpu = 0; cpu < CPU_SETSIZE && r == 0; cpu++)
                if (CPU_ISSET(cpu, &cpus))
                        r = start_bystander(&h->bystanders[h->n_bystanders++], h, cpu);
        if (r < 0) {
                holdups_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

static int compare(const void *a, const void *b)
{
        uint64_t x = ((const struct holdup *) a)->from_ns, y = ((const struct holdup *) b)->from_ns;

        return x < y ? -1 : x > y;
}

void holdups_stop(struct holdups *h)
{
        atomic_store(&h->stopping, true);
        for (size_t i = 0; i < h->n_bystanders; i++) {
                if (h->bystanders[i].started)
                        (void) pthread_join(h->bystanders[i].thread, NULL);
                h->bystanders[i].started = false;
        }
        if (h->noted)
                qsort(h->noted, MIN(atomic_load(&h->n), h->n_room), sizeof(*h->noted), compare);
}

struct holdups *holdups_free(struct holdups *h)
{
        if (!h)
                return NULL;
        holdups_stop(h);
        free(h->noted);
        free(h);
        return NULL;
}

void holdups_unite(const struct holdup *sorted, size_t n, uint64_t from_ns, uint64_t to_ns, struct holdups_sum *ret)
{
        uint64_t begin_ns = 0, end_ns = 0; /* of the last of @ret */

        *ret = (struct holdups_sum) { 0 };
        for (size_t i = 0; i < n; i++) {
                uint64_t b_ns = MAX(sorted[i].from_ns, from_ns), e_ns = MIN(sorted[i].to_ns, to_ns);

                if (b_ns >= e_ns)
                        continue;
                if (ret->n == 0 || b_ns > end_ns) {
                        ret->n++;
                        begin_ns = end_ns = b_ns;
                }
                if (e_ns <= end_ns)
                        continue;
                ret->total_ns += e_ns - end_ns;
                end_ns = e_ns;
                ret->longest_ns = MAX(ret->longest_ns, end_ns - begin_ns);
        }
}

void holdups_between(const struct holdups *h, uint64_t from_ns, uint64_t to_ns, struct holdups_sum *ret)
{
        holdups_unite(h->noted, MIN(atomic_load(&h->n), h->n_room), from_ns, to_ns, ret);
}
