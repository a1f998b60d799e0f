/* SPDX-License-Identifier: MPL-2.0 */
#include "base/reaper.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "base/thread.h"

/* Page faults of other threads wait for whoever changes mappings, and who changes them waits for us: not for long. */
#define SLICE_BYTES ((size_t) 4 << 20)

struct item {
        void *map;
        size_t n_bytes;
};

static struct {
        bool started; /* the owner's */
        pthread_t owner, thread;

        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct item items[REAPER_ITEMS_MAX]; /* a ring */
        size_t first, n_items;
        size_t n_bytes; /* of those that wait, and of the one at work */
        bool ends;
} reaper;

static void give_back(const struct item *item)
{
        for (size_t at = 0; at < item->n_bytes; at += SLICE_BYTES)
                (void) madvise((char *) item->map + at, MIN(SLICE_BYTES, item->n_bytes - at), MADV_DONTNEED);
        (void) munmap(item->map, item->n_bytes);
}

static void *reaper_main(void *data)
{
        pthread_mutex_lock(&reaper.lock);
        for (;;) {
                struct item item;

                while (reaper.n_items == 0 && !reaper.ends)
                        pthread_cond_wait(&reaper.changed, &reaper.lock);
                if (reaper.n_items == 0)
                        break;
                item = reaper.items[reaper.first];
                reaper.first = (reaper.first + 1) % REAPER_ITEMS_MAX;
                reaper.n_items--;
                pthread_mutex_unlock(&reaper.lock);
                give_back(&item);
                pthread_mutex_lock(&reaper.lock);
                reaper.n_bytes -= item.n_bytes;
        }
        pthread_mutex_unlock(&reaper.lock);
        return NULL;
}

int reaper_start(void)
{
        const struct sched_param none = { 0 };
        int r;

        thread_mutex_init(&reaper.lock);
        (void) pthread_cond_init(&reaper.changed, NULL);
        reaper.first = reaper.n_items = reaper.n_bytes = 0;
        reaper.ends = false;
        r = thread_start(&reaper.thread, "reaper", reaper_main, NULL);
        if (r < 0)
                return r;
        /* It has inherited the owner's, and must not keep anybody of that from a processor. */
        (void) pthread_setschedparam(reaper.thread, SCHED_OTHER, &none);
        reaper.owner = pthread_self();
        reaper.started = true;
        return 0;
}

void reaper_stop(void)
{
        if (!reaper.started)
                return;
        reaper.started = false;
        pthread_mutex_lock(&reaper.lock);
        reaper.ends = true;
        pthread_cond_signal(&reaper.changed);
        pthread_mutex_unlock(&reaper.lock);
        (void) pthread_join(reaper.thread, NULL);
        (void) pthread_cond_destroy(&reaper.changed);
        (void) pthread_mutex_destroy(&reaper.lock);
}

static bool take(const struct item *item)
{
        bool takes;

        if (!reaper.started || !pthread_equal(reaper.owner, pthread_self()))
                return false;
        pthread_mutex_lock(&reaper.lock);
        takes = reaper.n_items < REAPER_ITEMS_MAX && reaper.n_bytes <= REAPER_BYTES_MAX;
        if (takes) {
                reaper.items[(reaper.first + reaper.n_items++) % REAPER_ITEMS_MAX] = *item;
                reaper.n_bytes += item->n_bytes;
                pthread_cond_signal(&reaper.changed);
        }
        pthread_mutex_unlock(&reaper.lock);
        return takes;
}

void reaper_unmap(void *map, size_t n_bytes)
{
        if (!take(&(struct item) { map, n_bytes }))
                (void) munmap(map, n_bytes);
}
