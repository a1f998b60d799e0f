/* SPDX-License-Identifier: MPL-2.0 */
/* The entropy device, driven as a guest's driver does it, well and badly. Spec: VIRTIO 1.4, 5.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/macros.h"
#include "two-guests.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define QUEUE_SIZE 64
#define REQUEST_BYTES 256

static struct vhost_driver_options options_for(bool packed)
{
        return (struct vhost_driver_options) {
                .features_wanted = RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED)),
                .memory_bytes = 4 << 20,
                .n_queues = 1,
                .queue_size = QUEUE_SIZE,
                .indirect_max = 8,
                .inflight = true,
        };
}

static void connect_guest(struct vhost_driver *d, const char *socket_name, bool packed)
{
        struct vhost_driver_options options = options_for(packed);

        assert_int_equal(vhost_driver_start(d, harness_path(&harness, socket_name), &options), 0);
}

static void start_one(const char *option)
{
        const char *words[] = { "rng", "--socket-path", harness_path(&harness, "a"), option, NULL };

        assert_int_equal(harness_start(&harness, words), 0);
}

static gpa_t add_buffer(struct vhost_driver *d, uint32_t n_bytes, bool device_writes)
{
        struct driver_buffer buffer = { .address = vhost_driver_alloc(d, n_bytes, 64), .len_bytes = n_bytes,
                                        .device_writes = device_writes };

        assert_true(buffer.address != 0);
        assert_int_equal(driver_queue_add(&d->queues[0], &buffer, 1, vhost_driver_pointer(d, buffer.address)), 0);
        return buffer.address;
}

static uint32_t wait_one(struct vhost_driver *d, void **ret_cookie)
{
        uint32_t len = 0;

        assert_int_equal(vhost_driver_wait(d, 0, WAIT_MS, ret_cookie, &len), 1);
        return len;
}

static bool all_equal(const uint8_t *p, size_t n)
{
        for (size_t i = 1; i < n; i++)
                if (p[i] != p[0])
                        return false;
        return true;
}

/* More requests than the ring has places, so that it goes round. */
static void exchange(struct vhost_driver *d, unsigned n_requests)
{
        uint8_t *previous = NULL;

        for (unsigned i = 0; i < n_requests; i++) {
                void *cookie;

                (void) add_buffer(d, REQUEST_BYTES, true);
                (void) driver_queue_kick(&d->queues[0]);
                assert_int_equal(wait_one(d, &cookie), REQUEST_BYTES);
                assert_false(all_equal(cookie, REQUEST_BYTES));
                assert_true(!previous || memcmp(previous, cookie, REQUEST_BYTES) != 0);
                previous = cookie;
        }
}

static void buffers_are_filled_on_both_ring_kinds(void **state)
{
        start_one("--rate=0");
        for (int packed = 0; packed < 2; packed++) {
                connect_guest(&alpha, "a", packed);
                assert_int_equal(!!(alpha.features & FEATURE(VIRTIO_FEATURE_RING_PACKED)), packed);
                exchange(&alpha, 3 * QUEUE_SIZE);
                vhost_driver_stop(&alpha);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void batch_is_filled_with_one_kick(void **state)
{
        start_one("--rate=0");
        connect_guest(&alpha, "a", true);
        for (unsigned i = 0; i < QUEUE_SIZE; i++)
                (void) add_buffer(&alpha, REQUEST_BYTES, true);
        (void) driver_queue_kick(&alpha.queues[0]);
        for (unsigned i = 0; i < QUEUE_SIZE; i++) {
                void *cookie;

                assert_int_equal(wait_one(&alpha, &cookie), REQUEST_BYTES);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void scattered_buffer_is_filled_from_its_start(void **state)
{
        struct driver_buffer pieces[4];
        void *cookie;

        start_one("--rate=0");
        connect_guest(&alpha, "a", false);
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
                pieces[i] = (struct driver_buffer) { vhost_driver_alloc(&alpha, 64, 64), 33, true };
        assert_int_equal(driver_queue_add(&alpha.queues[0], pieces, ARRAY_SIZE(pieces), NULL), 0);
        (void) driver_queue_kick(&alpha.queues[0]);
        assert_int_equal(wait_one(&alpha, &cookie), 4 * 33);
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
                assert_false(all_equal(vhost_driver_pointer(&alpha, pieces[i].address), 33));
        assert_int_equal(harness_stop(&harness), 0);
}

static void large_buffer_gets_a_short_fill(void **state)
{
        uint8_t *data;
        void *cookie;
        uint32_t len;

        start_one("--rate=0");
        connect_guest(&alpha, "a", true);
        (void) add_buffer(&alpha, 1 << 20, true);
        (void) driver_queue_kick(&alpha.queues[0]);
        len = wait_one(&alpha, &cookie);
        assert_in_range(len, 1, 1 << 20);
        data = cookie;
        for (uint32_t i = len; i < 1 << 20; i++)
                assert_int_equal(data[i], 0);
        assert_int_equal(harness_stop(&harness), 0);
}

static bool needs_reset(struct vhost_driver *d)
{
        uint8_t status = 0;

        assert_int_equal(frontend_get_status(d->frontend, &status), 0);
        return status & VIRTIO_STATUS_NEEDS_RESET;
}

static void start_two(void)
{
        char first[256], second[256];
        const char *words[] = { "rng", "--guest", first, "--guest", second, NULL };

        (void) snprintf(first, sizeof(first), "id=alpha,rate=64K,burst=4K,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,rate=0,socket-path=%s", harness_path(&harness, "b"));
        assert_int_equal(harness_start(&harness, words), 0);
}

/* The queue breaks, the other guest does not notice, a driver reset revives the device. */
static void expect_broken(const struct driver_buffer *pieces, unsigned n, bool packed)
{
        uint32_t len;
        void *cookie;

        connect_guest(&alpha, "a", packed);
        assert_false(needs_reset(&alpha));
        assert_int_equal(driver_queue_add(&alpha.queues[0], pieces, n, NULL), 0);
        (void) driver_queue_kick(&alpha.queues[0]);
        (void) add_buffer(&alpha, 16, true);
        (void) driver_queue_kick(&alpha.queues[0]);
        assert_int_equal(vhost_driver_wait(&alpha, 0, 50, &cookie, &len), -ETIMEDOUT);
        assert_true(needs_reset(&alpha));
        exchange(&beta, 4);
        vhost_driver_stop(&alpha);

        connect_guest(&alpha, "a", packed);
        assert_false(needs_reset(&alpha));
        exchange(&alpha, 2);
        vhost_driver_stop(&alpha);
}

static void bad_input_3_readable_or_empty_buffer_breaks_the_queue_only(void **state)
{
        const struct driver_buffer readable[] = { { 0x1000, 64, false } };
        const struct driver_buffer mixed[] = { { 0x1000, 64, false }, { 0x2000, 64, true } };
        const struct driver_buffer empty[] = { { 0x1000, 0, true } };

        start_two();
        connect_guest(&beta, "b", true);
        for (int packed = 0; packed < 2; packed++) {
                expect_broken(readable, 1, packed);
                expect_broken(mixed, 2, packed);
                expect_broken(empty, 1, packed);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void bad_input_2_buffer_outside_memory_breaks_the_queue_only(void **state)
{
        const struct driver_buffer beyond[] = { { (4 << 20) - 8, 64, true } };
        const struct driver_buffer wrapping[] = { { UINT64_MAX - 15, 32, true } };

        start_two();
        connect_guest(&beta, "b", false);
        for (int packed = 0; packed < 2; packed++) {
                expect_broken(beyond, 1, packed);
                expect_broken(wrapping, 1, packed);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

/* 4 KiB at once and 64 KiB a second: 36 KiB take half a second. Meanwhile the other guest is served. */
static void rate_limit_makes_one_guest_wait_and_no_other(void **state)
{
        uint64_t begin_ns, alpha_ns;
        long cpu_ms;

        start_two();
        connect_guest(&alpha, "a", true);
        connect_guest(&beta, "b", true);
        cpu_ms = harness_cpu_ms(&harness);
        begin_ns = clock_now_ns();
        for (unsigned i = 0; i < 9; i++)
                (void) add_buffer(&alpha, 4096, true);
        (void) driver_queue_kick(&alpha.queues[0]);

        exchange(&beta, 16);
        assert_true(clock_now_ns() - begin_ns < 400 * NSEC_PER_MSEC);
        for (unsigned i = 0; i < 9; i++) {
                void *cookie;

                assert_int_equal(wait_one(&alpha, &cookie), 4096);
        }
        alpha_ns = clock_now_ns() - begin_ns;
        assert_true(alpha_ns >= 495 * NSEC_PER_MSEC);
        assert_true(alpha_ns < 5 * NSEC_PER_SEC);
        /* Waiting is not polling. */
        assert_true(harness_cpu_ms(&harness) - cpu_ms < 250);
        assert_int_equal(harness_stop(&harness), 0);
}

static void rate_limit_outlives_a_reset(void **state)
{
        uint64_t begin_ns;
        void *cookie;

        start_one("--rate=8K");
        connect_guest(&alpha, "a", false);
        for (unsigned i = 0; i < 16; i++) {
                (void) add_buffer(&alpha, 4096, true);
                (void) driver_queue_kick(&alpha.queues[0]);
                (void) wait_one(&alpha, &cookie);
        }
        vhost_driver_stop(&alpha);

        begin_ns = clock_now_ns();
        connect_guest(&alpha, "a", false);
        (void) add_buffer(&alpha, 4096, true);
        (void) driver_queue_kick(&alpha.queues[0]);
        (void) wait_one(&alpha, &cookie);
        assert_true(clock_now_ns() - begin_ns > 300 * NSEC_PER_MSEC);
        assert_int_equal(harness_stop(&harness), 0);
}

static void waiting_request_is_given_up_at_disconnect(void **state)
{
        start_one("--rate=1");
        connect_guest(&alpha, "a", true);
        for (unsigned i = 0; i < 32; i++)
                (void) add_buffer(&alpha, 4096, true);
        (void) driver_queue_kick(&alpha.queues[0]);
        vhost_driver_stop(&alpha);
        connect_guest(&alpha, "a", true);
        vhost_driver_stop(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

/* The first server dies with most requests waiting for their bytes; its successor finishes all of them. */
static void requests_outlive_a_killed_server(void **state)
{
        for (int packed = 0; packed < 2; packed++) {
                unsigned n_done = 0;
                void *cookie;

                start_one("--rate=1");
                connect_guest(&alpha, "a", packed);
                for (unsigned i = 0; i < 32; i++)
                        (void) add_buffer(&alpha, 4096, true);
                (void) driver_queue_kick(&alpha.queues[0]);
                for (; n_done < 16; n_done++) /* the burst, 64 KiB */
                        assert_int_equal(wait_one(&alpha, &cookie), 4096);

                harness_kill(&harness);
                start_one("--rate=0");
                assert_int_equal(vhost_driver_reconnect(&alpha, harness_path(&harness, "a")), 0);
                for (; n_done < 32; n_done++) {
                        assert_int_equal(wait_one(&alpha, &cookie), 4096);
                        assert_false(all_equal(cookie, 4096));
                }
                exchange(&alpha, 8);
                vhost_driver_stop(&alpha);
                assert_int_equal(harness_stop(&harness), 0);
        }
}

static void features_are_those_of_the_rings_without_the_masked(void **state)
{
        struct vhost_driver_options options = options_for(true);

        start_one("--features-off=packed,event-idx");
        assert_int_equal(vhost_driver_start(&alpha, harness_path(&harness, "a"), &options), 0);
        assert_true((alpha.features & RING_FEATURES) ==
                    (RING_FEATURES & ~(FEATURE(VIRTIO_FEATURE_RING_PACKED) | FEATURE(VIRTIO_FEATURE_EVENT_IDX))));
        exchange(&alpha, 4);
        assert_int_equal(harness_stop(&harness), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(buffers_are_filled_on_both_ring_kinds),
                CASE(batch_is_filled_with_one_kick),
                CASE(scattered_buffer_is_filled_from_its_start),
                CASE(large_buffer_gets_a_short_fill),
                CASE(bad_input_3_readable_or_empty_buffer_breaks_the_queue_only),
                CASE(bad_input_2_buffer_outside_memory_breaks_the_queue_only),
                CASE(rate_limit_makes_one_guest_wait_and_no_other),
                CASE(rate_limit_outlives_a_reset),
                CASE(waiting_request_is_given_up_at_disconnect),
                CASE(requests_outlive_a_killed_server),
                CASE(features_are_those_of_the_rings_without_the_masked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
