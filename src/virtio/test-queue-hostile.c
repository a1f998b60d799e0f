/* SPDX-License-Identifier: MPL-2.0 */
/* A driver that breaks the rules, by line of what is known to have broken others.
   Indirect tables: test-queue-indirect.c. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "virtio/test-hostile.h"

static void line_1_descriptor_loop(void **state)
{
        struct rig *rig = *state;

        if (is_packed(rig))
                return; /* has no links */
        OFFER(rig, { BUFFER, 16, NEXT, 1 }, { BUFFER, 16, NEXT, 0 });
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, NEXT, 0 });
        expect_broken(rig);
        OFFER(rig, { BUFFER, 0, NEXT, 0 });
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, NEXT, 2 }, { BUFFER, 16, NEXT, 2 }, { BUFFER, 16, NEXT, 1 });
        expect_broken(rig);
}

static void line_1_chain_longer_than_the_queue(void **state)
{
        struct rig *rig = *state;
        uint16_t size = rig->setup.size;
        struct piece *pieces = calloc(size, sizeof(*pieces));

        for (uint16_t i = 0; i < size; i++)
                pieces[i] = (struct piece) { BUFFER, 1, NEXT, (uint16_t) (i + 1) };
        offer(rig, pieces, size);
        expect_broken(rig);
        pieces[size - 1].flags = 0;
        offer(rig, pieces, size);
        expect_popped(rig, size, 0);
        free(pieces);
}

static void line_1_available_index_jumps(void **state)
{
        struct rig *rig = *state;

        if (is_packed(rig))
                return;
        OFFER(rig, { BUFFER, 16, 0, 0 });
        avail_of(rig)->idx = (uint16_t) (rig->setup.size + 1);
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, 0, 0 });
        avail_of(rig)->idx = UINT16_MAX; /* backwards */
        expect_broken(rig);
}

static void line_1_head_out_of_range(void **state)
{
        struct rig *rig = *state;

        if (is_packed(rig))
                return;
        OFFER(rig, { BUFFER, 16, 0, 0 });
        avail_of(rig)->ring[0] = rig->setup.size;
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, 0, 0 });
        avail_of(rig)->ring[0] = UINT16_MAX;
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, NEXT, rig->setup.size });
        expect_broken(rig);
        OFFER(rig, { BUFFER, 16, NEXT, UINT16_MAX });
        expect_broken(rig);
}

static int keep_in_flight(struct rig *rig, struct queue *q)
{
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
        }
        return r;
}

static void line_1_more_in_flight_than_the_queue_holds(void **state)
{
        struct rig *rig = *state;
        uint16_t size = rig->setup.size;
        struct vring_packed_desc *ring = rig->dq.descriptors_p;
        const struct piece p = { BUFFER, 16, 0, 0 };

        for (uint16_t i = 0; i < size; i++) {
                put_descriptor(rig, i, &p);
                if (is_packed(rig))
                        ring[i].id = i;
                else
                        avail_of(rig)->ring[i] = i;
        }
        avail_of(rig)->idx = is_packed(rig) ? avail_of(rig)->idx : size;
        rig->handle = keep_in_flight;
        rig_start(rig);
        rig_run(rig);
        assert_false(rig->q->broken);
        assert_int_equal(rig->q->n_popped, size);

        /* Once more round the ring, though nothing was used. */
        if (is_packed(rig)) {
                ring[0].flags = 1U << VRING_PACKED_DESC_F_USED;
                ring[0].id = (uint16_t) (size + 1);
        } else {
                avail_of(rig)->idx++;
        }
        queue_kick(rig->q);
        assert_true(rig->q->broken);
        works_again(rig);
}

static void line_1_same_request_twice(void **state)
{
        struct rig *rig = *state;
        const struct piece p = { BUFFER, 16, 0, 0 };

        put_descriptor(rig, 0, &p);
        put_descriptor(rig, 1, &p); /* packed: the same id */
        if (!is_packed(rig))
                avail_of(rig)->idx = 2; /* split: head 0 twice */
        rig->handle = keep_in_flight;
        rig_start(rig);
        rig_run(rig);
        assert_int_equal(rig->q->n_popped, 1);
        assert_true(rig->q->broken);
        works_again(rig);
}

static void line_2_address_and_length_wrap(void **state)
{
        struct rig *rig = *state;

        OFFER(rig, { UINT64_MAX - 15, 32, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { UINT64_MAX, 1, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { UINT64_MAX, UINT32_MAX, 0, 0 });
        expect_broken(rig);
}

static void line_2_range_in_a_hole_or_past_the_end(void **state)
{
        struct rig *rig = *state;

        OFFER(rig, { END, 1, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { END - 1, 2, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { 0, (uint32_t) END + 1, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { END * 16, 16, WRITE, 0 });
        expect_broken(rig);
        OFFER(rig, { END - 1, 1, 0, 0 });
        expect_popped(rig, 1, 0);
}

static void line_2_range_across_two_regions(void **state)
{
        struct rig *rig = *state;

        OFFER(rig, { 0, (uint32_t) END, 0, 0 });
        expect_popped(rig, (uint32_t) END, 0);
        OFFER(rig, { RIG_MEMORY_BYTES - 1, 2, WRITE, 0 });
        expect_popped(rig, 0, 2);
}

static void line_2_total_length_over_32_bits(void **state)
{
        struct rig *rig = *state;
        unsigned n = (unsigned) ((UINT64_C(1) << 32) / RIG_MEMORY_BYTES);
        struct piece *pieces;

        if (rig->setup.size < n)
                return; /* this queue cannot hold that much */
        pieces = calloc(n, sizeof(*pieces));
        for (unsigned i = 0; i < n; i++)
                pieces[i] = (struct piece) { 0, (uint32_t) RIG_MEMORY_BYTES, i < n / 2 ? NEXT : NEXT | WRITE,
                                             (uint16_t) (i + 1) };
        pieces[n - 1].flags = WRITE;
        offer(rig, pieces, n);
        expect_broken(rig);
        pieces[n - 1].len--;
        offer(rig, pieces, n);
        expect_popped(rig, UINT32_C(1) << 31, (UINT32_C(1) << 31) - 1);
        free(pieces);
}

static void line_3_zero_length_descriptors(void **state)
{
        struct rig *rig = *state;

        OFFER(rig, { BUFFER, 0, 0, 0 });
        expect_popped(rig, 0, 0);
        OFFER(rig, { BUFFER, 0, NEXT, 1 }, { BUFFER, 4, NEXT, 2 }, { UINT64_MAX, 0, NEXT, 3 }, { BUFFER, 0, WRITE, 0 });
        expect_popped(rig, 4, 0);
}

static int read_header(struct rig *rig, struct queue *q)
{
        struct chain c;
        char header[6];
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
                if (chain_read(&c, 0, header, sizeof(header)) < sizeof(header))
                        return -EBADMSG;
                assert_memory_equal(header, "abcdef", 6);
                queue_push(q, &c, 0);
        }
        return r < 0 ? r : queue_notify(q);
}

static void line_3_header_split_or_short(void **state)
{
        struct rig *rig = *state;

        memcpy(rig->memory + BUFFER, "abcdef", 6);
        OFFER(rig, { BUFFER, 1, NEXT, 1 }, { BUFFER + 1, 3, NEXT, 2 }, { BUFFER + 4, 2, 0, 0 });
        rig->handle = read_header;
        rig_start(rig);
        rig_run(rig);
        assert_int_equal(rig->q->n_pushed, 1);
        works_again(rig);
        rig->q->n_pushed = 0;
        rig->n_handled = 0;
        OFFER(rig, { BUFFER, 1, NEXT, 1 }, { BUFFER + 1, 4, 0, 0 });
        rig->handle = read_header;
        expect_broken(rig);
}

static void line_3_readable_after_writable(void **state)
{
        struct rig *rig = *state;

        OFFER(rig, { BUFFER, 16, WRITE | NEXT, 1 }, { BUFFER, 16, 0, 0 });
        expect_broken(rig);
        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, WRITE | NEXT, 1 }, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 32, INDIRECT, 0 });
        expect_broken(rig);
}

struct attack {
        void *descriptors; /* taken beforehand: renew() empties the queue's for a moment */
        atomic_bool stop;
};

/* Another CPU rewrites a descriptor, between legal and outrageous, as fast as it can. */
static void *rewrite(void *data)
{
        struct attack *a = data;
        volatile struct vring_desc *d = a->descriptors;

        while (!atomic_load_explicit(&a->stop, memory_order_relaxed)) {
                d->len = UINT32_MAX;
                d->addr = UINT64_MAX - 8;
                d->addr = BUFFER;
                d->len = 64;
                d->addr = END - 8;
                d->len = 8;
        }
        return NULL;
}

static void line_5_descriptor_rewritten_after_the_check(void **state)
{
        struct rig *rig = *state;
        struct attack a = { .descriptors = rig->dq.descriptors_p };
        unsigned n_popped = 0;
        const char *wrong = NULL;
        pthread_t thread;

#if defined(__SANITIZE_THREAD__)
        skip(); /* the race is the point */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
        skip();
#endif
#endif
        assert_int_equal(pthread_create(&thread, NULL, rewrite, &a), 0);
        for (unsigned i = 0; i < 3000; i++) {
                struct chain c;
                gpa_t at;

                renew(rig);
                OFFER(rig, { BUFFER, 64, WRITE, 0 });
                rig_start(rig);
                rig->q->budget = 1;
                if (queue_pop(rig->q, &c) <= 0)
                        continue;
                /* No assertion here: it would leave the other thread to itself. */
                if (c.n_read + c.n_write != 1)
                        wrong = "pieces";
                else if (c.iov[0].iov_len != c.n_read_bytes + c.n_write_bytes)
                        wrong = "lengths";
                else if (space_from_pointer(rig->space, c.iov[0].iov_base, &at) < 0 || at + c.iov[0].iov_len > END)
                        wrong = "an address";
                n_popped++;
        }
        atomic_store(&a.stop, true);
        pthread_join(thread, NULL);
        assert_string_equal(wrong ? wrong : "nothing", "nothing");
        assert_true(n_popped > 0);
        works_again(rig);
}

static int overwrite(struct rig *rig, struct queue *q)
{
        struct chain c;
        char junk[64];
        int r;

        memset(junk, 0xa5, sizeof(junk));
        while ((r = queue_pop(q, &c)) > 0) {
                for (size_t at = 0; at < c.n_write_bytes; at += sizeof(junk))
                        (void) chain_write(&c, at, junk, sizeof(junk));
                queue_push(q, &c, c.n_write_bytes);
        }
        return r < 0 ? r : queue_notify(q);
}

static void line_7_buffer_that_is_the_ring_itself(void **state)
{
        struct rig *rig = *state;
        const gpa_t parts[] = { rig->dq.descriptors, rig->dq.driver, rig->dq.device };

        for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
                OFFER(rig, { parts[i], 512, WRITE, 0 });
                rig->handle = overwrite;
                rig_start(rig);
                rig_run(rig);
                queue_kick(rig->q);
                rig_run(rig);
                works_again(rig);
        }
}

static void line_7_buffer_of_another_request(void **state)
{
        struct rig *rig = *state;
        struct driver_buffer buffer = { BUFFER, 64, true };

        rig->handle = overwrite;
        rig_start(rig);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(driver_queue_add(&rig->dq, &buffer, 1, NULL), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(rig->q->n_pushed, 4);
        works_again(rig);
}

static void line_6_ring_that_cannot_be(void **state)
{
        struct rig *rig = *state;
        const struct queue_setup good = rig->setup;
        struct queue_setup bad[12];
        unsigned n = 0;

        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
                bad[i] = good;
        bad[n++].size = 0;
        bad[n++].size = QUEUE_SIZE_MAX + 1;
        bad[n++].descriptors += 8;
        bad[n++].driver += 1;
        bad[n++].device += 2;
        bad[n++].descriptors = END;
        bad[n++].descriptors = UINT64_MAX - 15;
        bad[n++].driver = END - 2;
        bad[n++].device = RIG_MEMORY_BYTES - 2;
        bad[n++].device = UINT64_MAX - 3;
        bad[n++].base = is_packed(rig) ? good.size : 0x10000;
        bad[n++].size = is_packed(rig) ? 0 : 48;
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(queue_start(rig->q, &bad[i]), -EBADMSG);
        assert_false(queue_started(rig->q));
        rig_start(rig);
        assert_int_equal(queue_start(rig->q, &good), -EBUSY);
        works_again(rig);
}

static void line_8_completion_after_reset(void **state)
{
        struct rig *rig = *state;
        struct chain c;

        OFFER(rig, { BUFFER, 16, WRITE, 0 });
        rig_start(rig);
        rig->q->budget = 1;
        assert_int_equal(queue_pop(rig->q, &c), 1);
        device_reset(&rig->dev);
        device_reset(&rig->dev);
        queue_push(rig->q, &c, 16);
        queue_notify(rig->q);
        rig->q->n_pushed = 0;
        renew(rig);
        rig_start(rig);
        queue_push(rig->q, &c, 16); /* not of this life */
        queue_notify(rig->q);
        assert_int_equal(rig->q->n_pushed, 0);
        works_again(rig);
}

static void line_16_memory_shrunk_under_the_ring(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int fd = memfd_create("unsealed", MFD_CLOEXEC);
        struct region_spec spec = { UINT64_C(1) << 40, 0x10000, UINT64_C(1) << 41, 0 };
        struct driver_buffer buffer = { (UINT64_C(1) << 40) + 0xf000, 64, true };

        assert_int_equal(ftruncate(fd, 0x10000), 0);
        assert_int_equal(space_add(rig->space, &spec, fd), 0);
        rig->handle = overwrite;
        rig_start(rig);
        assert_int_equal(driver_queue_add(&rig->dq, &buffer, 1, NULL), 0);
        (void) driver_queue_kick(&rig->dq);
        assert_int_equal(ftruncate(fd, 0x8000), 0);
        rig_run(rig);
        assert_true(space_damaged(rig->space));
        queue_kick(rig->q);
        assert_true(rig->q->broken);
        assert_int_equal(rig->n_needs_reset, 1);
}

static void broken_queue_leaves_others_alone(void **state)
{
        struct rig *rig = *state;
        struct rig_config config = { rig->setup.features, rig->setup.size, 0 };
        void *state_2 = &config;

        assert_int_equal(rig_setup(&state_2), 0);
        OFFER(rig, { END, 1, 0, 0 });
        rig_start(rig);
        rig_run(rig);
        assert_true(rig->q->broken);
        works_again(state_2);
        assert_true(rig->q->broken);
        assert_int_equal(rig_teardown(&state_2), 0);
}

static void driver_refuses_what_no_device_may_return(void **state)
{
        struct rig *rig = *state;
        struct vring_packed_desc *ring = rig->dq.descriptors_p;
        struct vring_used *used = rig->dq.device_p;
        const uint32_t ids[] = { rig->setup.size, 65535, 1, 0x10000 };
        uint32_t len;
        void *cookie;

        for (unsigned i = 0; i < 5; i++) {
                uint32_t id = i < 4 ? ids[i] : 0, n = i < 4 ? 0 : 33;

                renew(rig);
                assert_int_equal(rig_add(rig, 0, 32, 0), 0);
                (void) driver_queue_kick(&rig->dq);
                if (is_packed(rig) && i == 3)
                        continue;
                if (is_packed(rig)) {
                        ring[0].id = (uint16_t) id;
                        ring[0].len = n;
                        ring[0].flags = 1U << VRING_PACKED_DESC_F_AVAIL | 1U << VRING_PACKED_DESC_F_USED;
                } else {
                        used->ring[0] = (struct vring_used_elem) { id, n };
                        used->idx = 1;
                }
                assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), -EBADMSG);
        }
        if (is_packed(rig))
                return;
        renew(rig);
        used->idx = (uint16_t) (rig->setup.size + 1);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest cases[] = {
                RIG_CASE(line_1_descriptor_loop),
                RIG_CASE(line_1_chain_longer_than_the_queue),
                RIG_CASE(line_1_available_index_jumps),
                RIG_CASE(line_1_head_out_of_range),
                RIG_CASE(line_1_more_in_flight_than_the_queue_holds),
                RIG_CASE(line_1_same_request_twice),
                RIG_CASE(line_2_address_and_length_wrap),
                RIG_CASE(line_2_range_in_a_hole_or_past_the_end),
                RIG_CASE(line_2_range_across_two_regions),
                RIG_CASE(line_2_total_length_over_32_bits),
                RIG_CASE(line_3_zero_length_descriptors),
                RIG_CASE(line_3_header_split_or_short),
                RIG_CASE(line_3_readable_after_writable),
                RIG_CASE(line_5_descriptor_rewritten_after_the_check),
                RIG_CASE(line_6_ring_that_cannot_be),
                RIG_CASE(line_7_buffer_that_is_the_ring_itself),
                RIG_CASE(line_7_buffer_of_another_request),
                RIG_CASE(line_8_completion_after_reset),
                RIG_CASE(line_16_memory_shrunk_under_the_ring),
                RIG_CASE(broken_queue_leaves_others_alone),
                RIG_CASE(driver_refuses_what_no_device_may_return),
        };
        const struct rig_config configs[] = {
                { RIG_SPLIT, 16, 0 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 2048, 0 },
                { RIG_PACKED, 15, 0 },
                { RIG_PACKED | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 2048, 0 },
        };

        return rig_run_cases(cases, ARRAY_SIZE(cases), configs, ARRAY_SIZE(configs));
}
