/* SPDX-License-Identifier: MPL-2.0 */
/* A device queue against the driver side, in all configurations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "virtio/test-rig.h"

/* Takes all completions. Checks that each is an echo of its cookie. Return: how many there were. */
static unsigned collect(struct rig *rig, uint32_t n_bytes)
{
        unsigned n = 0;
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(&rig->dq, &cookie, &len)) > 0) {
                assert_int_equal(len, n_bytes);
                n++;
        }
        assert_int_equal(r, 0);
        return n;
}

static void request_is_echoed(void **state)
{
        struct rig *rig = *state;
        uint32_t len = 0;
        void *cookie;

        rig_start(rig);
        rig_run(rig);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 0);
        assert_int_equal(rig_add(rig, 0, 64, 0x35), 0);
        assert_true(driver_queue_kick(&rig->dq));
        rig_run(rig);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
        assert_int_equal((uintptr_t) cookie, 0x35);
        assert_int_equal(len, 64);
        assert_memory_equal(rig->memory + RIG_BUFFERS, rig->memory + RIG_BUFFERS + 64, 64);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 0);
}

static void what_is_there_at_start_is_handled(void **state)
{
        struct rig *rig = *state;

        assert_int_equal(rig_add(rig, 0, 64, 1), 0);
        (void) driver_queue_kick(&rig->dq);
        (void) fd_event_take(rig->kick_fd);
        rig_start(rig);
        rig_run(rig);
        assert_int_equal(collect(rig, 64), 1);
}

/* Indices of 16 bits and wrap counters go round several times, in batches of all sizes. */
static void indices_wrap(void **state)
{
        struct rig *rig = *state;
        unsigned n_added = 0, n_done = 0, batch = 1;

        rig_start(rig);
        while (n_done < 150000) {
                unsigned n = 0;

                while (n < batch && rig_add(rig, n, 16, n_added & 0xff) == 0) {
                        n++;
                        n_added++;
                }
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                assert_int_equal(collect(rig, 16), n);
                n_done += n;
                batch = batch % rig->dq.size + 1;
        }
        assert_int_equal(rig->dq.n_free, rig->dq.size);
        assert_int_equal(rig->q->n_pushed, n_added);
        assert_int_equal(rig->n_needs_reset, 0);
}

static int pop_all(struct rig *rig, struct queue *q)
{
        struct chain *chains = rig->data, c;
        int r, n = 0;

        while (chains[n].iov)
                n++;
        while ((r = queue_pop(q, &c)) > 0) {
                static struct iovec store[64][4];

                assert_int_equal(chain_keep(&chains[n], &c, store[n], ARRAY_SIZE(store[n])), 0);
                assert_ptr_equal(chains[n].iov, store[n]);
                n++;
        }
        return r;
}

static void pushed_out_of_order_all_complete(void **state)
{
        struct rig *rig = *state;
        unsigned n, n_done = 0, n_seen = 0;

        rig->handle = pop_all;
        rig_start(rig);
        for (unsigned round = 0; round < 100; round++) {
                struct chain chains[65] = {};
                unsigned order[64];

                rig->data = chains;
                for (n = 0; n < 60 && rig_add(rig, n, 16, 0) == 0; n++)
                        order[n] = n;
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                for (unsigned i = n - 1; i > 0; i--) {
                        unsigned k = (unsigned) rand() % (i + 1), swap = order[i];

                        order[i] = order[k];
                        order[k] = swap;
                }
                for (unsigned i = 0; i < n; i++) {
                        assert_non_null(chains[order[i]].iov);
                        queue_push(rig->q, &chains[order[i]], 16);
                        if (i % 3 == 0)
                                queue_notify(rig->q);
                        n_seen += collect(rig, 16);
                }
                queue_notify(rig->q);
                n_seen += collect(rig, 16);
                n_done += n;
                assert_int_equal(n_seen, n_done);
        }
        assert_int_equal(rig->dq.n_free, rig->dq.size);
}

static void used_order_is_pop_order_if_negotiated(void **state)
{
        struct rig *rig = *state;
        struct chain chains[65] = {};
        uint32_t len;
        void *cookie;

        rig->handle = pop_all;
        rig->data = chains;
        rig_start(rig);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(rig_add(rig, i, 16, i), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        queue_push(rig->q, &chains[2], 16);
        queue_push(rig->q, &chains[1], 15);
        queue_notify(rig->q);
        if (rig->setup.features & RIG_ORDER) {
                assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 0);
                queue_push(rig->q, &chains[0], 14);
                queue_notify(rig->q);
                for (unsigned i = 0; i < 3; i++) {
                        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
                        assert_int_equal((uintptr_t) cookie, i);
                        assert_int_equal(len, 14 + i);
                }
        } else {
                for (unsigned i = 2; i > 0; i--) {
                        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
                        assert_int_equal((uintptr_t) cookie, i);
                        assert_int_equal(len, 14 + i);
                }
        }
}

static void pushed_is_invisible_until_notify(void **state)
{
        struct rig *rig = *state;
        struct chain chains[65] = {};

        rig->handle = pop_all;
        rig->data = chains;
        rig_start(rig);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(rig_add(rig, i, 16, i), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(collect(rig, 16), 0);
                queue_push(rig->q, &chains[i], 16);
        }
        assert_int_equal(collect(rig, 16), 0);
        queue_notify(rig->q);
        assert_int_equal(collect(rig, 16), 3);
}

static void chain_pushed_twice_completes_once(void **state)
{
        struct rig *rig = *state;
        struct chain chains[65] = {};

        rig->handle = pop_all;
        rig->data = chains;
        rig_start(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_int_equal(rig_add(rig, 1, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        queue_push(rig->q, &chains[0], 16);
        queue_push(rig->q, &chains[0], 16);
        queue_notify(rig->q);
        queue_push(rig->q, &chains[0], 16);
        queue_notify(rig->q);
        assert_int_equal(collect(rig, 16), 1);
        queue_push(rig->q, &chains[1], 16);
        queue_notify(rig->q);
        assert_int_equal(collect(rig, 16), 1);
}

static void unpopped_are_popped_again(void **state)
{
        struct rig *rig = *state;
        struct chain chains[65] = {};

        rig->handle = pop_all;
        rig_start(rig);
        for (unsigned round = 0; round < 50; round++) {
                unsigned n;

                memset(chains, 0, sizeof(chains));
                rig->data = chains;
                for (n = 0; n < 5 && rig_add(rig, n, 16, n) == 0;)
                        n++;
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                queue_push(rig->q, &chains[0], 16);
                queue_unpop(rig->q, n - 1);
                memset(&chains[1], 0, sizeof(chains) - sizeof(chains[0]));
                queue_kick(rig->q);
                for (unsigned i = 1; i < n; i++) {
                        assert_non_null(chains[i].iov);
                        queue_push(rig->q, &chains[i], 16);
                }
                queue_notify(rig->q);
                assert_int_equal(collect(rig, 16), n);
        }
        assert_int_equal(rig->n_needs_reset, 0);
}

/* The driver kicks only when the device wants it, and the device calls only when the driver wants it. */
static void notifications_are_suppressed_but_never_lost(void **state)
{
        struct rig *rig = *state;
        unsigned n = 0;

        rig_start(rig);
        rig_run(rig);
        driver_queue_disarm(&rig->dq);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_true(driver_queue_kick(&rig->dq));
        while (rig_add(rig, 0, 16, 0) == 0) {
                bool kicked = driver_queue_kick(&rig->dq);

                if (rig->setup.features & RIG_EVENT)
                        assert_false(kicked);
                n++;
        }
        rig_run(rig);
        assert_int_equal(fd_event_take(rig->call_fd), 0);
        assert_false(driver_queue_arm(&rig->dq));
        assert_int_equal(collect(rig, 16), n + 1);
        assert_true(driver_queue_arm(&rig->dq));
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_true(driver_queue_kick(&rig->dq));
        rig_run(rig);
        assert_int_equal(fd_event_take(rig->call_fd), 1);
        assert_int_equal(rig->q->n_calls, 1);
        assert_int_equal(collect(rig, 16), 1);
}

static void call_missed_for_want_of_an_fd_is_made_up(void **state)
{
        struct rig *rig = *state;

        rig->setup.call_fd = -1;
        rig_start(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(fd_event_take(rig->call_fd), 0);
        queue_set_call(rig->q, rig->call_fd);
        assert_int_equal(fd_event_take(rig->call_fd), 1);
        queue_set_call(rig->q, rig->call_fd);
        assert_int_equal(fd_event_take(rig->call_fd), 0);
}

static int pop_budget(struct rig *rig, struct queue *q)
{
        uint64_t n_before = q->n_popped;
        int r = rig_echo(rig, q);

        assert_true(q->n_popped - n_before <= QUEUE_BUDGET);
        return r;
}

static void budget_ends_a_wakeup_but_loses_nothing(void **state)
{
        struct rig *rig = *state;
        unsigned n = 0;

        rig->handle = pop_budget;
        while (rig_add(rig, 0, 16, 0) == 0)
                n++;
        (void) driver_queue_kick(&rig->dq);
        (void) fd_event_take(rig->kick_fd); /* or there are two wake-ups */
        rig_start(rig);
        assert_int_equal(loop_step(rig->loop, 0), 0);
        assert_int_equal(rig->q->n_popped, MIN(n, (unsigned) QUEUE_BUDGET));
        rig_run(rig);
        assert_int_equal(collect(rig, 16), n);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_true(driver_queue_kick(&rig->dq));
        rig_run(rig);
        assert_int_equal(collect(rig, 16), 1);
}

static void disabled_queue_waits_until_enabled(void **state)
{
        struct rig *rig = *state;

        queue_set_enabled(rig->q, false);
        rig_start(rig);
        rig_run(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(rig->n_handled, 0);
        queue_set_enabled(rig->q, true);
        rig_run(rig);
        assert_int_equal(collect(rig, 16), 1);
}

static void stop_publishes_and_start_continues(void **state)
{
        struct rig *rig = *state;
        struct chain chains[65] = {};

        rig->handle = pop_all;
        rig_start(rig);
        for (unsigned round = 0; round < 3 * rig->dq.size; round++) {
                memset(chains, 0, sizeof(chains));
                rig->data = chains;
                assert_int_equal(rig_add(rig, 0, 16, 0), 0);
                assert_int_equal(rig_add(rig, 1, 16, 0), 0);
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                queue_push(rig->q, &chains[0], 16);
                queue_push(rig->q, &chains[1], 16);
                rig_restart(rig);
                assert_int_equal(collect(rig, 16), 2);
                rig_run(rig);
        }
        queue_stop(rig->q, NULL);
        assert_false(queue_started(rig->q));
        assert_int_equal(queue_size(rig->q), 0);
        assert_int_equal(queue_features(rig->q), 0);
        queue_stop(rig->q, NULL);
        queue_push(rig->q, &chains[0], 16);
        assert_int_equal(queue_notify(rig->q), 0);
        assert_int_equal(queue_pop(rig->q, &chains[0]), 0);
}

static void buffer_across_regions_is_whole(void **state)
{
        struct rig *rig = *state;
        gpa_t at = RIG_MEMORY_BYTES - 100;
        struct driver_buffer buffers[] = { { at, 300, false }, { RIG_BUFFERS, 300, true } };
        char pattern[300];
        uint32_t len;
        void *cookie;

        for (unsigned i = 0; i < sizeof(pattern); i++)
                pattern[i] = (char) (i * 7);
        memcpy(rig->memory + at, pattern, 100);
        memcpy(space_pointer(rig->space, RIG_MEMORY_BYTES, 200, 1), pattern + 100, 200);
        rig_start(rig);
        assert_int_equal(driver_queue_add(&rig->dq, buffers, 2, NULL), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
        assert_int_equal(len, 300);
        assert_memory_equal(rig->memory + RIG_BUFFERS, pattern, 300);
}

static int write_all(struct rig *rig, struct queue *q)
{
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0)
                queue_push(q, &c, (uint32_t) chain_zero(&c, 0, c.n_write_bytes));
        return r < 0 ? r : queue_notify(q);
}

static void writes_are_marked_in_the_dirty_log(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 4096);
        uint8_t *log = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        struct driver_buffer buffers[] = { { 0x300000, 0x1000, false }, { 0x310fff, 2, true }, { 0x320000, 1, true } };
        gpa_t used = rig->setup.features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? rig->setup.descriptors
                                                                               : rig->setup.device;

        assert_int_equal(space_set_log(rig->space, fd, 0, 4096), 0);
        rig->handle = write_all;
        rig_start(rig);
        for (unsigned round = 0; round < 2; round++) {
                queue_set_log(rig->q, round == 1);
                assert_int_equal(driver_queue_add(&rig->dq, buffers, 3, NULL), 0);
                (void) driver_queue_kick(&rig->dq);
                rig_run(rig);
                assert_int_equal(log[0x300 / 8], 0);
                assert_int_equal(log[0x310 / 8], 3);
                assert_int_equal(log[0x320 / 8], 1);
                assert_int_equal(log[used / 4096 / 8] >> (used / 4096 % 8) & 1, round);
        }
        (void) munmap(log, 4096);
}

/* Uses a page and ten bytes of what it may write. */
static int write_some(struct rig *rig, struct queue *q)
{
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0)
                queue_push(q, &c, (uint32_t) chain_write(&c, 0, "0123456789", 10) + 4096);
        return r < 0 ? r : queue_notify(q);
}

static void pages_beyond_the_used_length_stay_clean_in_the_dirty_log(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 4096);
        uint8_t *log = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        struct driver_buffer buffers[] = { { 0x300000, 0x1000, true },
                                           { 0x310000, 0x4000, true },
                                           { 0x320000, 1, true } };

        assert_int_equal(space_set_log(rig->space, fd, 0, 4096), 0);
        rig->handle = write_some;
        rig_start(rig);
        assert_int_equal(driver_queue_add(&rig->dq, buffers, 3, NULL), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(log[0x300 / 8], 1);
        assert_int_equal(log[0x310 / 8], 1);
        assert_int_equal(log[0x320 / 8], 0);
        (void) munmap(log, 4096);
}

static int refuse(struct rig *rig, struct queue *q)
{
        struct chain c;

        return queue_pop(q, &c) > 0 ? -EIO : 0;
}

static void handler_error_breaks_the_queue_until_stop(void **state)
{
        struct rig *rig = *state;
        struct chain c;

        rig->handle = refuse;
        rig_start(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_true(rig->q->broken);
        assert_int_equal(rig->n_needs_reset, 1);
        rig->handle = rig_echo;
        queue_kick(rig->q);
        assert_int_equal(queue_pop(rig->q, &c), 0);
        assert_int_equal(collect(rig, 16), 0);
        queue_break(rig->q, -EBADMSG);
        assert_int_equal(rig->n_needs_reset, 1);

        device_reset(&rig->dev);
        assert_false(rig->q->broken);
        driver_queue_deinit(&rig->dq);
        assert_int_equal(driver_queue_init(&rig->dq, rig->space, RIG_RING, rig->setup.features, rig->setup.size, 0), 0);
        rig->dq.kick_fd = rig->kick_fd;
        assert_int_equal(device_start(&rig->dev, rig->setup.features), 0);
        rig_start(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(collect(rig, 16), 1);
}

static void kick_that_was_not_seen_survives_another_kick_fd(void **state)
{
        auto_cleanup(closep) int other_fd = fd_event();
        struct rig *rig = *state;

        rig_start(rig);
        rig_run(rig);
        assert_int_equal(rig_add(rig, 0, 16, 0), 0);
        assert_true(driver_queue_kick(&rig->dq));
        assert_int_equal(queue_set_kick(rig->q, other_fd), 0);
        rig_run(rig);
        assert_int_equal(collect(rig, 16), 1);
        queue_stop(rig->q, NULL);
}

static void chain_helpers_stay_inside(void **state)
{
        struct rig *rig = *state;
        struct driver_buffer buffers[] = { { 0x300000, 3, false }, { 0x300010, 5, false }, { 0x300020, 4, true } };
        struct chain chains[65] = {};
        struct iovec out[4];
        char buf[32];

        memcpy(rig->memory + 0x300000, "abc", 3);
        memcpy(rig->memory + 0x300010, "defgh", 5);
        rig->handle = pop_all;
        rig->data = chains;
        rig_start(rig);
        assert_int_equal(driver_queue_add(&rig->dq, buffers, 3, NULL), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(chains[0].n_read_bytes, 8);
        assert_int_equal(chains[0].n_write_bytes, 4);
        assert_int_equal(chain_read(&chains[0], 2, buf, 100), 6);
        assert_memory_equal(buf, "cdefgh", 6);
        assert_int_equal(chain_read(&chains[0], 8, buf, 1), 0);
        assert_int_equal(chain_read(&chains[0], SIZE_MAX, buf, SIZE_MAX), 0);
        assert_int_equal(chain_write(&chains[0], 1, "wxyz", 4), 3);
        assert_memory_equal(rig->memory + 0x300021, "wxy", 4);
        assert_int_equal(chain_zero(&chains[0], 3, 100), 1);
        assert_int_equal(chain_read_slice(&chains[0], 2, 3, out, 4), 2);
        assert_ptr_equal(out[0].iov_base, rig->memory + 0x300002);
        assert_int_equal(out[0].iov_len, 1);
        assert_int_equal(out[1].iov_len, 2);
        assert_int_equal(chain_read_slice(&chains[0], 2, 3, out, 1), -E2BIG);
        assert_int_equal(chain_read_slice(&chains[0], 2, 7, out, 4), -EBADMSG);
        assert_int_equal(chain_read_slice(&chains[0], 8, 0, out, 0), 0);
        assert_int_equal(chain_write_slice(&chains[0], 0, 4, out, 4), 1);
        assert_int_equal(chain_write_slice(&chains[0], SIZE_MAX, 2, out, 4), -EBADMSG);
        assert_int_equal(chain_keep(&chains[1], &chains[0], NULL, 0), 0);
        assert_memory_equal(chains[1].iov, chains[0].iov, 3 * sizeof(struct iovec));
        chain_drop(&chains[1], NULL);
        assert_null(chains[1].iov);
}

static void features_are_checked_at_start(void **state)
{
        struct rig *rig = *state;

        assert_int_equal(device_start(&rig->dev, rig->setup.features), 0);
        assert_int_equal(device_start(&rig->dev, rig->setup.features ^ RIG_EVENT), -EBUSY);
        device_reset(&rig->dev);
        assert_int_equal(device_start(&rig->dev, rig->setup.features | FEATURE(63)), -EBADMSG);
        assert_int_equal(device_start(&rig->dev, rig->setup.features & ~RIG_SPLIT), -EBADMSG);
        rig->dev.masked = RIG_EVENT;
        assert_int_equal(device_start(&rig->dev, rig->setup.features | RIG_EVENT), -EBADMSG);
        assert_int_equal(device_start(&rig->dev, rig->setup.features & ~RIG_EVENT), 0);
}

int main(void)
{
        const struct CMUnitTest cases[] = {
                RIG_CASE(request_is_echoed),
                RIG_CASE(what_is_there_at_start_is_handled),
                RIG_CASE(indices_wrap),
                RIG_CASE(pushed_out_of_order_all_complete),
                RIG_CASE(used_order_is_pop_order_if_negotiated),
                RIG_CASE(pushed_is_invisible_until_notify),
                RIG_CASE(chain_pushed_twice_completes_once),
                RIG_CASE(unpopped_are_popped_again),
                RIG_CASE(notifications_are_suppressed_but_never_lost),
                RIG_CASE(call_missed_for_want_of_an_fd_is_made_up),
                RIG_CASE(budget_ends_a_wakeup_but_loses_nothing),
                RIG_CASE(disabled_queue_waits_until_enabled),
                RIG_CASE(stop_publishes_and_start_continues),
                RIG_CASE(buffer_across_regions_is_whole),
                RIG_CASE(writes_are_marked_in_the_dirty_log),
                RIG_CASE(pages_beyond_the_used_length_stay_clean_in_the_dirty_log),
                RIG_CASE(handler_error_breaks_the_queue_until_stop),
                RIG_CASE(kick_that_was_not_seen_survives_another_kick_fd),
                RIG_CASE(chain_helpers_stay_inside),
                RIG_CASE(features_are_checked_at_start),
        };
        const struct rig_config configs[] = {
                { RIG_SPLIT, 64, 0 },
                { RIG_SPLIT | RIG_EVENT, 64, 0 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT, 256, 8 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 1024, 8 },
                { RIG_PACKED, 64, 0 },
                { RIG_PACKED | RIG_EVENT, 57, 0 },
                { RIG_PACKED | RIG_INDIRECT | RIG_EVENT, 256, 8 },
                { RIG_PACKED | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 1000, 8 },
        };

        return rig_run_cases(cases, ARRAY_SIZE(cases), configs, ARRAY_SIZE(configs));
}
