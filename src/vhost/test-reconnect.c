/* SPDX-License-Identifier: MPL-2.0 */
/* A device server is killed with requests in flight; its successor answers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "vhost/driver.h"
#include "vhost/test-server.h"
#include "virtio/features.h"

#define PATIENCE_MS 20000
#define N_HELD 10

struct request {
        gpa_t at;
        bool answered;
};

static void add(struct vhost_driver *d, struct request *rq, const char *text)
{
        struct driver_buffer b[] = { { rq->at, (uint32_t) strlen(text) + 1, false }, { rq->at + 2048, 100, true } };

        strcpy(vhost_driver_pointer(d, rq->at), text);
        assert_int_equal(driver_queue_add(&d->queues[0], b, ARRAY_SIZE(b), rq), 0);
}

static void take_answer(struct vhost_driver *d, const char *text)
{
        struct request *rq;
        uint32_t len;
        void *cookie;

        assert_int_equal(vhost_driver_wait(d, 0, PATIENCE_MS, &cookie, &len), 1);
        rq = cookie;
        assert_false(rq->answered);
        rq->answered = true;
        assert_int_equal(len, strlen(text) + 1);
        assert_string_equal(vhost_driver_pointer(d, rq->at + 2048), text);
}

/*
 * Held requests lie between answered ones, so that what is in flight is not what the ring would say. The held
 * ones ask the successor for a plain answer: the guest's buffer is changed meanwhile.
 */
static void successor_answers_what_was_in_flight(uint64_t features)
{
        struct vhost_driver_options options = { .features_wanted = features, .memory_bytes = 4 << 20, .n_queues = 1,
                                                .queue_size = 64, .indirect_max = 2, .inflight = true };
        struct request requests[2 * N_HELD] = { 0 };
        struct vhost_driver d;
        struct test_server s;
        uint32_t len;
        void *cookie;
        pid_t pid;

        pid = test_server_fork(&s, "inflight", 1);
        assert_int_equal(vhost_driver_start(&d, s.path, &options), 0);
        assert_true(d.inflight.fd >= 0);
        for (int i = 0; i < 2 * N_HELD; i++) {
                requests[i].at = vhost_driver_alloc(&d, 4096, 4096);
                add(&d, &requests[i], i % 2 ? "answer" : "Hold");
        }
        (void) driver_queue_kick(&d.queues[0]);
        for (int i = 0; i < N_HELD; i++)
                take_answer(&d, "answer");
        test_server_kill(pid);

        for (int i = 0; i < 2 * N_HELD; i += 2) {
                assert_false(requests[i].answered);
                strcpy(vhost_driver_pointer(&d, requests[i].at), "late");
        }
        pid = test_server_fork(&s, "inflight", 1);
        assert_int_equal(vhost_driver_reconnect(&d, s.path), 0);
        /* The length of the request is still that of "Hold". */
        for (int i = 0; i < N_HELD; i++)
                take_answer(&d, "late");
        assert_int_equal(driver_queue_get(&d.queues[0], &cookie, &len), 0);

        for (int i = 0; i < 100; i++) {
                requests[0].answered = false;
                add(&d, &requests[0], "new");
                (void) driver_queue_kick(&d.queues[0]);
                take_answer(&d, "new");
        }
        vhost_driver_stop(&d);
        test_server_kill(pid);
        assert_int_equal(unlink(s.path), 0);
}

static void split_ring(void **state)
{
        successor_answers_what_was_in_flight(FEATURE(VIRTIO_FEATURE_EVENT_IDX));
}

static void split_ring_with_indirect_tables(void **state)
{
        successor_answers_what_was_in_flight(FEATURE(VIRTIO_FEATURE_EVENT_IDX) | FEATURE(VIRTIO_FEATURE_INDIRECT_DESC));
}

static void packed_ring(void **state)
{
        successor_answers_what_was_in_flight(FEATURE(VIRTIO_FEATURE_RING_PACKED));
}

static void packed_ring_with_indirect_tables(void **state)
{
        successor_answers_what_was_in_flight(FEATURE(VIRTIO_FEATURE_RING_PACKED) | FEATURE(VIRTIO_FEATURE_EVENT_IDX) |
                                             FEATURE(VIRTIO_FEATURE_INDIRECT_DESC));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(split_ring),
                cmocka_unit_test(split_ring_with_indirect_tables),
                cmocka_unit_test(packed_ring),
                cmocka_unit_test(packed_ring_with_indirect_tables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
