/* SPDX-License-Identifier: MPL-2.0 */
/* The entropy device alone: guest memory, a driver queue and the device in one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/rng.h"
#include "virtio/device.h"
#include "virtio/driver.h"
#include "virtio/features.h"

#define MEMORY_BYTES (1 << 20)
#define RING 0x1000
#define BUFFERS 0x40000
#define BUFFER_BYTES 0x2000
#define QUEUE_SIZE 16

static struct {
        struct loop *loop;
        struct space *space;
        int memory_fd, kick_fd, call_fd;
        struct device *dev;
        struct driver_queue dq;
        struct queue_setup setup;
} t;

static int setup_with(uint64_t bytes_per_second, uint64_t burst_bytes)
{
        const struct rng_options options = { bytes_per_second, burst_bytes };
        const struct region_spec region = { 0, MEMORY_BYTES, 0, 0 };
        uint64_t features = FEATURE(VIRTIO_FEATURE_VERSION_1);

        log_set_level(LOG_LEVEL_ERROR);
        t.memory_fd = fd_memfd_sealed("guest", MEMORY_BYTES);
        t.kick_fd = fd_event();
        t.call_fd = fd_event();
        assert_true(t.memory_fd >= 0 && t.kick_fd >= 0 && t.call_fd >= 0);
        assert_int_equal(loop_new(&t.loop), 0);
        assert_int_equal(space_new(&t.space), 0);
        assert_int_equal(space_add(t.space, &region, t.memory_fd), 0);
        assert_int_equal(rng_new(t.loop, "rng", &options, &t.dev), 0);
        assert_int_equal(driver_queue_init(&t.dq, t.space, RING, features, QUEUE_SIZE, 0), 0);
        t.dq.kick_fd = t.kick_fd;
        t.setup = (struct queue_setup) { .space = t.space, .features = features, .size = QUEUE_SIZE,
                                         .descriptors = t.dq.descriptors, .driver = t.dq.driver,
                                         .device = t.dq.device, .kick_fd = t.kick_fd, .call_fd = t.call_fd };
        assert_int_equal(device_start(t.dev, features), 0);
        assert_int_equal(queue_start(&t.dev->queues[0], &t.setup), 0);
        queue_set_enabled(&t.dev->queues[0], true);
        return 0;
}

static int setup_unlimited(void **state) { return setup_with(0, 1); }
static int setup_slow(void **state) { return setup_with(20000, 1000); }
static int setup_stuck(void **state) { return setup_with(1, 1000); }

static int teardown(void **state)
{
        t.dev = device_free(t.dev);
        driver_queue_deinit(&t.dq);
        t.space = space_free(t.space);
        t.loop = loop_free(t.loop);
        fd_close(&t.memory_fd);
        fd_close(&t.kick_fd);
        fd_close(&t.call_fd);
        return 0;
}

static void add(unsigned slot, uint32_t n_bytes, bool device_writes)
{
        struct driver_buffer buffer = { BUFFERS + slot * BUFFER_BYTES, n_bytes, device_writes };

        assert_int_equal(driver_queue_add(&t.dq, &buffer, 1, (void *) (uintptr_t) (slot + 1)), 0);
}

/* Return: bytes of the next completed request, which has to be that of @slot; -1 if there is none. */
static int64_t completed(unsigned slot)
{
        uint32_t len = 0;
        void *cookie;

        if (driver_queue_get(&t.dq, &cookie, &len) == 0)
                return -1;
        assert_int_equal((uintptr_t) cookie, slot + 1);
        return len;
}

static void kick(void)
{
        (void) driver_queue_kick(&t.dq);
        assert_int_equal(loop_step(t.loop, 0), 0);
        assert_int_equal(loop_step(t.loop, 0), 0);
}

static void fill_goes_no_further_than_the_buffer(void **state)
{
        const uint8_t *memory = space_pointer(t.space, BUFFERS, 2 * BUFFER_BYTES, 1);

        add(0, 1, true);
        add(1, 100, true);
        kick();
        assert_int_equal(completed(0), 1);
        assert_int_equal(completed(1), 100);
        for (size_t i = 1; i < BUFFER_BYTES; i++)
                assert_int_equal(memory[i], 0);
        for (size_t i = BUFFER_BYTES + 100; i < 2 * BUFFER_BYTES; i++)
                assert_int_equal(memory[i], 0);
}

static void large_request_gets_a_short_fill(void **state)
{
        add(0, BUFFER_BYTES, true);
        kick();
        assert_int_equal(completed(0), RNG_REQUEST_MAX);
}

static void burst_bounds_a_fill(void **state)
{
        add(0, BUFFER_BYTES, true);
        kick();
        assert_int_equal(completed(0), 1000);
}

static void request_beyond_the_rate_waits_for_its_time(void **state)
{
        uint64_t begin_ns = clock_now_ns();

        for (unsigned i = 0; i < 4; i++)
                add(i, 1000, true);
        kick();
        assert_int_equal(completed(0), 1000);
        for (unsigned i = 1; i < 4; i++) {
                int64_t n;

                assert_int_equal(completed(i), -1);
                while ((n = completed(i)) < 0)
                        assert_int_equal(loop_step(t.loop, 1000), 0);
                assert_int_equal(n, 1000);
                assert_true(clock_now_ns() - begin_ns >= i * 49 * NSEC_PER_MSEC);
        }
}

static void kicks_do_not_shorten_the_wait(void **state)
{
        uint64_t n_popped;

        add(0, 1000, true);
        add(1, 1000, true);
        kick();
        assert_int_equal(completed(0), 1000);
        n_popped = t.dev->queues[0].n_popped;
        for (int i = 0; i < 100; i++) {
                fd_event_signal(t.kick_fd);
                kick();
        }
        assert_int_equal(completed(1), -1);
        assert_true(t.dev->queues[0].n_popped == n_popped);
}

static void stop_ends_the_wait(void **state)
{
        add(0, 1000, true);
        add(1, 1000, true);
        kick();
        assert_int_equal(completed(0), 1000);
        device_reset(t.dev);
        assert_int_equal(loop_step(t.loop, 0), 0);
        assert_int_equal(completed(1), -1);
        device_reset(t.dev);
}

static void expect_broken(uint32_t n_bytes, bool device_writes)
{
        add(0, n_bytes, device_writes);
        kick();
        assert_true(t.dev->queues[0].broken);
        assert_int_equal(completed(0), -1);
}

static void readable_buffer_breaks_the_queue(void **state) { expect_broken(64, false); }
static void empty_buffer_breaks_the_queue(void **state) { expect_broken(0, true); }

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(fill_goes_no_further_than_the_buffer, setup_unlimited, teardown),
                cmocka_unit_test_setup_teardown(large_request_gets_a_short_fill, setup_unlimited, teardown),
                cmocka_unit_test_setup_teardown(burst_bounds_a_fill, setup_slow, teardown),
                cmocka_unit_test_setup_teardown(request_beyond_the_rate_waits_for_its_time, setup_slow, teardown),
                cmocka_unit_test_setup_teardown(kicks_do_not_shorten_the_wait, setup_stuck, teardown),
                cmocka_unit_test_setup_teardown(stop_ends_the_wait, setup_stuck, teardown),
                cmocka_unit_test_setup_teardown(readable_buffer_breaks_the_queue, setup_unlimited, teardown),
                cmocka_unit_test_setup_teardown(empty_buffer_breaks_the_queue, setup_unlimited, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
