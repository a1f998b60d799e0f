/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/test-rig.h"

#include "base/loop.h"
#include "base/macros.h"

#define LONG_NS (3600 * NSEC_PER_SEC)

static void take_one(struct rig *rig)
{
        uint32_t len;
        void *cookie;

        while (driver_queue_get(&rig->dq, &cookie, &len) == 0)
                assert_int_equal(loop_step(rig->loop, 1000), 0);
}

/* Requests in quick succession, until the device waits for the next one. */
static void make_busy(struct rig *rig)
{
        for (int i = 0; i < 1000 && !rig->q->poll.active; i++) {
                assert_int_equal(rig_add(rig, 0, 64, 1), 0);
                (void) driver_queue_kick(&rig->dq);
                take_one(rig);
                rig_run(rig);
        }
        assert_true(rig->q->poll.active);
}

static void start(struct rig *rig, uint64_t max_ns)
{
        rig_start(rig);
        queue_set_poll(rig->q, max_ns);
        rig_run(rig);
}

static void busy_driver_is_waited_for_and_need_not_kick(void **state)
{
        struct rig *rig = *state;
        uint64_t n_kicks;

        start(rig, LONG_NS);
        while (rig->q->poll.window_ns < NSEC_PER_SEC) {
                rig->q->poll.active = false; /* as if the wait had been in vain */
                make_busy(rig);
                while (rig->q->poll.active && rig->q->poll.window_ns < NSEC_PER_SEC)
                        assert_int_equal(loop_step(rig->loop, 0), 0);
        }
        n_kicks = rig->q->n_kicks;
        assert_int_equal(rig_add(rig, 0, 64, 1), 0);
        assert_false(driver_queue_kick(&rig->dq));
        take_one(rig);
        assert_int_equal(rig->q->n_kicks, n_kicks);
        assert_true(rig->q->poll.n_hits > 0);
}

static void wait_in_vain_ends_and_asks_for_kicks(void **state)
{
        struct rig *rig = *state;

        start(rig, 100 * NSEC_PER_USEC);
        make_busy(rig);
        while (rig->q->poll.active)
                assert_int_equal(loop_step(rig->loop, 1000), 0);
        assert_true(rig->q->poll.n_misses > 0);
        assert_int_equal(rig_add(rig, 0, 64, 1), 0);
        assert_true(driver_queue_kick(&rig->dq));
        take_one(rig);
}

static void slow_driver_is_not_waited_for(void **state)
{
        struct rig *rig = *state;
        uint64_t end;

        start(rig, 100 * NSEC_PER_USEC);
        make_busy(rig);
        end = clock_now_ns() + NSEC_PER_MSEC;
        while (rig->q->poll.active || clock_now_ns() < end)
                assert_int_equal(loop_step(rig->loop, 1), 0);
        assert_int_equal(rig_add(rig, 0, 64, 1), 0);
        assert_true(driver_queue_kick(&rig->dq));
        take_one(rig);
        assert_false(rig->q->poll.active);
        assert_int_equal(rig->q->poll.window_ns, 0);
}

static void stopping_ends_the_wait(void **state)
{
        struct rig *rig = *state;

        start(rig, LONG_NS);
        make_busy(rig);
        rig_restart(rig);
        assert_false(rig->q->poll.active);
        rig_run(rig);
        assert_int_equal(rig_add(rig, 0, 64, 1), 0);
        (void) driver_queue_kick(&rig->dq);
        take_one(rig);
}

int main(void)
{
        static const struct rig_config configs[] = {
                { .features = RIG_SPLIT | RIG_EVENT, .size = 16 },
                { .features = RIG_SPLIT, .size = 16 },
                { .features = RIG_PACKED | RIG_EVENT, .size = 16 },
                { .features = RIG_PACKED, .size = 16 },
        };
        const struct CMUnitTest tests[] = {
                RIG_CASE(busy_driver_is_waited_for_and_need_not_kick),
                RIG_CASE(wait_in_vain_ends_and_asks_for_kicks),
                RIG_CASE(slow_driver_is_not_waited_for),
                RIG_CASE(stopping_ends_the_wait),
        };

        return rig_run_cases(tests, ARRAY_SIZE(tests), configs, ARRAY_SIZE(configs));
}
