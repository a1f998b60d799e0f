/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Driver and device on threads of their own, each asleep whenever it has nothing to do: a notification that
 * is lost, by either side, ends in a timeout here.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/worker.h"
#include "virtio/test-rig.h"

#define N_REQUESTS 30000
#define TIMEOUT_MS 20000

static void start_on_worker(void *data)
{
        struct rig *rig = data;

        rig_start(rig);
}

static void stop_on_worker(void *data)
{
        queue_stop(data, NULL);
}

/* Waits until something was used. */
static void wait_for_call(struct rig *rig)
{
        struct pollfd pfd = { .fd = rig->call_fd, .events = POLLIN };

        if (!driver_queue_arm(&rig->dq))
                return;
        assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
        (void) fd_event_take(rig->call_fd);
}

static unsigned collect(struct rig *rig)
{
        unsigned n = 0;
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(&rig->dq, &cookie, &len)) > 0) {
                assert_int_equal(len, 16);
                n++;
        }
        assert_int_equal(r, 0);
        return n;
}

static void no_notification_is_lost_between_threads(void **state)
{
        struct rig *rig = *state;
        unsigned n_added = 0, n_done = 0, seed = 1;
        struct worker *w;

        assert_int_equal(worker_new("device", &w), 0);
        device_set_queue_loop(&rig->dev, 0, worker_loop(w));
        loop_call(worker_loop(w), start_on_worker, rig);

        while (n_done < N_REQUESTS) {
                unsigned batch = (unsigned) rand_r(&seed) % 4;

                /* Adds a few, or none; waits for one, or for all. */
                while (batch-- > 0 && n_added - n_done < 4 && rig_add(rig, n_added % 32, 16, 0) == 0)
                        n_added++;
                (void) driver_queue_kick(&rig->dq);
                if (rand_r(&seed) % 4 == 0)
                        driver_queue_disarm(&rig->dq);
                n_done += collect(rig);
                while (n_done < n_added && rand_r(&seed) % 3 > 0) {
                        wait_for_call(rig);
                        n_done += collect(rig);
                }
        }
        while (n_done < n_added) {
                wait_for_call(rig);
                n_done += collect(rig);
        }
        loop_call(worker_loop(w), stop_on_worker, rig->q);
        assert_int_equal(rig->q->n_pushed, n_added);
        assert_int_equal(rig->n_needs_reset, 0);
        device_set_queue_loop(&rig->dev, 0, rig->loop);
        worker_free(w);
}

int main(void)
{
        const struct CMUnitTest cases[] = {
                RIG_CASE(no_notification_is_lost_between_threads),
        };
        const struct rig_config configs[] = {
                { RIG_SPLIT, 64, 0 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT, 32, 4 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 32, 4 },
                { RIG_PACKED, 63, 0 },
                { RIG_PACKED | RIG_EVENT, 50, 0 },
                { RIG_PACKED | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 32, 4 },
        };

        return rig_run_cases(cases, ARRAY_SIZE(cases), configs, ARRAY_SIZE(configs));
}
