/* SPDX-License-Identifier: MPL-2.0 */
/* What is in an in-flight region, byte by byte, and what becomes of one that a front end filled with garbage. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "virtio/inflight.h"
#include "virtio/test-rig.h"

#define SIZE 8

/* Offsets from the text of the protocol, not from the code. */
enum {
        VERSION = 8, DESC_NUM = 10,
        SPLIT_LAST_BATCH_HEAD = 12, SPLIT_USED_IDX = 14, SPLIT_DESC = 16, SPLIT_DESC_BYTES = 16,
        SPLIT_INFLIGHT = 0, SPLIT_NEXT = 6, SPLIT_COUNTER = 8,
        PACKED_FREE_HEAD = 12, PACKED_OLD_FREE_HEAD = 14, PACKED_USED_IDX = 16, PACKED_OLD_USED_IDX = 18,
        PACKED_USED_WRAP = 20, PACKED_OLD_USED_WRAP = 21, PACKED_DESC = 32, PACKED_DESC_BYTES = 32,
        PACKED_INFLIGHT = 0, PACKED_NEXT = 2, PACKED_LAST = 4, PACKED_NUM = 6, PACKED_COUNTER = 8, PACKED_ID = 16,
        PACKED_FLAGS = 18, PACKED_LEN = 20, PACKED_ADDR = 24,
};

static _Alignas(64) unsigned char region[1024];

static uint64_t field(size_t offset, size_t n_bytes)
{
        uint64_t value = 0;

        memcpy(&value, region + offset, n_bytes);
        return value;
}

static bool is_packed(const struct rig *rig)
{
        return rig->dq.packed;
}

static void use_region(struct rig *rig)
{
        rig->setup.inflight = region;
        rig->setup.inflight_bytes = inflight_region_bytes(is_packed(rig), SIZE);
        assert_true(rig->setup.inflight_bytes % 64 == 0 && rig->setup.inflight_bytes <= sizeof(region));
}

static int leave_in_flight(struct rig *rig, struct queue *q)
{
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
        }
        return r;
}

static void take_two(struct rig *rig, struct chain ret[2])
{
        static struct iovec store[2][4];

        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_int_equal(rig_add(rig, 1, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_start(rig);
        rig->q->budget = 2;
        for (unsigned i = 0; i < 2; i++) {
                struct chain c;

                assert_int_equal(queue_pop(rig->q, &c), 1);
                assert_int_equal(chain_keep(&ret[i], &c, store[i], 4), 0);
        }
}

static void layout_is_that_of_the_protocol(void **state)
{
        struct rig *rig = *state;
        struct chain c[2];

        memset(region, 0, sizeof(region));
        use_region(rig);
        take_two(rig, c);
        assert_int_equal(field(VERSION, 2), 1);
        assert_int_equal(field(DESC_NUM, 2), SIZE);
        if (is_packed(rig)) {
                size_t head = PACKED_DESC + 2 * PACKED_DESC_BYTES;

                assert_int_equal(field(PACKED_FREE_HEAD, 2), 4);
                assert_int_equal(field(PACKED_OLD_FREE_HEAD, 2), 4);
                assert_int_equal(field(head + PACKED_INFLIGHT, 1), 1);
                assert_int_equal(field(head + PACKED_NEXT, 2), 3);
                assert_int_equal(field(head + PACKED_LAST, 2), 3);
                assert_int_equal(field(head + PACKED_NUM, 2), 2);
                assert_int_equal(field(head + PACKED_COUNTER, 8), 1);
                assert_int_equal(field(head + PACKED_ID, 2), c[1].id);
                assert_int_equal(field(head + PACKED_LEN, 4), 16);
                assert_int_equal(field(head + PACKED_ADDR, 8), RIG_BUFFERS + 32);
                assert_int_equal(field(head + PACKED_FLAGS, 2) & 3, 1);
                queue_push(rig->q, &c[1], 0);
                queue_notify(rig->q);
                assert_int_equal(field(head + PACKED_INFLIGHT, 1), 0);
                assert_int_equal(field(PACKED_FREE_HEAD, 2), 2);
                assert_int_equal(field(PACKED_OLD_FREE_HEAD, 2), 2);
                assert_int_equal(field(PACKED_USED_IDX, 2), 2);
                assert_int_equal(field(PACKED_OLD_USED_IDX, 2), 2);
                assert_int_equal(field(PACKED_USED_WRAP, 1), 1);
                assert_int_equal(field(PACKED_OLD_USED_WRAP, 1), 1);
        } else {
                size_t head = SPLIT_DESC + c[1].id * SPLIT_DESC_BYTES;

                assert_int_equal(field(head + SPLIT_INFLIGHT, 1), 1);
                assert_int_equal(field(head + SPLIT_COUNTER, 8), 1);
                queue_push(rig->q, &c[1], 0);
                queue_push(rig->q, &c[0], 0);
                queue_notify(rig->q);
                assert_int_equal(field(head + SPLIT_INFLIGHT, 1), 0);
                assert_int_equal(field(SPLIT_LAST_BATCH_HEAD, 2), c[0].id);
                assert_int_equal(field(SPLIT_DESC + c[0].id * SPLIT_DESC_BYTES + SPLIT_NEXT, 2), c[1].id);
                assert_int_equal(field(SPLIT_USED_IDX, 2), 2);
        }
}

/* A front end keeps the region over a stop, or zeroes it: both are fine once nothing is in flight. */
static void region_is_kept_or_zeroed_over_a_stop(void **state)
{
        struct rig *rig = *state;
        uint32_t len;
        void *cookie;

        memset(region, 0, sizeof(region));
        use_region(rig);
        rig_start(rig);
        for (unsigned i = 0; i < 5 * SIZE; i++) {
                assert_int_equal(rig_add(rig, 0, 16, i), 0);
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
                assert_int_equal((uintptr_t) cookie, i);
                if (i % 2)
                        rig_restart(rig);
                if (i % 3 == 0) {
                        queue_stop(rig->q, &rig->setup.base);
                        memset(region, 0, sizeof(region));
                        rig_start(rig);
                }
        }
        assert_int_equal(rig->q->n_pushed, 5 * SIZE);
}

static void region_of_another_queue_size_is_begun_anew(void **state)
{
        struct rig *rig = *state;

        memset(region, 0xff, sizeof(region));
        region[VERSION] = 1;
        region[VERSION + 1] = 0;
        region[DESC_NUM] = SIZE + 1;
        region[DESC_NUM + 1] = 0;
        use_region(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_start(rig);
        rig_run(rig);
        assert_int_equal(rig->q->n_pushed, 1);
        assert_int_equal(field(DESC_NUM, 2), SIZE);
}

static void region_too_small_or_not_aligned_is_refused(void **state)
{
        struct rig *rig = *state;

        use_region(rig);
        rig->setup.inflight_bytes--;
        assert_int_equal(queue_start(rig->q, &rig->setup), -EBADMSG);
        rig->setup.inflight_bytes = 0;
        assert_int_equal(queue_start(rig->q, &rig->setup), -EBADMSG);
        use_region(rig);
        rig->setup.inflight = region + 4;
        assert_int_equal(queue_start(rig->q, &rig->setup), -EBADMSG);
}

/* Any bytes: the queue starts or does not, and what it pops lies in guest memory. */
static void garbage_does_no_harm(void **state)
{
        struct rig *rig = *state;
        unsigned n_started = 0;

        use_region(rig);
        rig->handle = leave_in_flight;
        srand(1);
        for (unsigned round = 0; round < 20000; round++) {
                struct chain c[2];

                /* From sound to wild: a few bytes of a good region, or many. */
                if (round % 50 == 0) {
                        queue_stop(rig->q, NULL);
                        driver_queue_deinit(&rig->dq);
                        assert_int_equal(
                                driver_queue_init(&rig->dq, rig->space, RIG_RING, rig->setup.features, SIZE, 0), 0);
                        memset(region, 0, sizeof(region));
                        take_two(rig, c);
                        queue_push(rig->q, &c[0], 0);
                }
                queue_stop(rig->q, NULL);
                for (unsigned i = 0, n = 1 + round % 10; i < n; i++)
                        region[12 + (unsigned) rand() % (sizeof(region) - 12)] =
                                (unsigned char) (rand() % (2 + 2 * SIZE));
                if (queue_start(rig->q, &rig->setup) < 0)
                        continue;
                rig_run(rig);
                n_started++;
        }
        assert_true(n_started > 100);
}

int main(void)
{
        const struct CMUnitTest cases[] = {
                RIG_CASE(layout_is_that_of_the_protocol),
                RIG_CASE(region_is_kept_or_zeroed_over_a_stop),
                RIG_CASE(region_of_another_queue_size_is_begun_anew),
                RIG_CASE(region_too_small_or_not_aligned_is_refused),
                RIG_CASE(garbage_does_no_harm),
        };
        const struct rig_config configs[] = {
                { RIG_SPLIT, SIZE, 0 },
                { RIG_PACKED | RIG_EVENT, SIZE, 0 },
        };

        return rig_run_cases(cases, ARRAY_SIZE(cases), configs, ARRAY_SIZE(configs));
}
