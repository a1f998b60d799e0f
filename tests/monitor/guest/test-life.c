/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Life cycle: started twice, reset with requests in flight, reset again and again, queues reset alone. Nothing may be
 * written into the guest's memory once a reset is said to be done. Spec: VIRTIO 1.4, 2.4 (reset), 2.6.1 (queue reset).
 */
#include "guest.h"
#include "vio.h"

#define OK (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)
#define N_IN_FLIGHT 5
#define QUIET_MS 20
#define MARK 0xa5

static void put_in_flight(struct vio *v)
{
        for (unsigned i = 0; i < N_IN_FLIGHT; i++)
                vio_put(v, (uint16_t) vio_put_request(v, i * 3));
        vio_notify(v, 0);
}

/* Marks all that the device might write, and looks again later. */
static void must_be_quiet(struct vio *v)
{
        struct queue_memory *q = v->q;
        uint64_t end;
        unsigned n = 0;

        q->used_index = MARK;
        q->used_flags = MARK;
        for (unsigned i = 0; i < QUEUE_SIZE; i++)
                q->used[i].id = MARK;
        for (unsigned i = 0; i < sizeof(q->data); i++)
                q->data[i] = MARK;
        q->status = MARK;
        for (end = milliseconds() + QUIET_MS; milliseconds() < end;)
                ;
        n = (q->used_index != MARK) + (q->used_flags != MARK) + (q->status != MARK);
        for (unsigned i = 0; i < QUEUE_SIZE; i++)
                n += q->used[i].id != MARK;
        for (unsigned i = 0; i < sizeof(q->data); i++)
                n += q->data[i] != MARK;
        check_that(n == 0, "nothing is written after reset", n);
}

static void reset_with_requests_in_flight(struct vio *v)
{
        for (unsigned i = 0; i < 8; i++) {
                put_in_flight(v);
                check(vio_reset(v), vio_status(v));
                must_be_quiet(v);
                check(vio_start(v, 0), vio_status(v));
        }
}

static void double_start(struct vio *v)
{
        put_in_flight(v);
        for (unsigned i = 0; i < 4; i++)
                vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_wait_used(v, N_IN_FLIGHT, 10000), v->q->used_index);
        check(vio_request(v), vio_status(v));
}

/* All of the initialisation again, as if there had been no start. */
static void start_without_reset(struct vio *v)
{
        put_in_flight(v);
        vio_negotiate(v, 0);
        vio_select(v, 0);
        vio_set_queue_size(v, QUEUE_SIZE);
        vio_enable(v, 1);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
}

static void reset_loop(struct vio *v)
{
        for (unsigned i = 0; i < 30; i++)
                check(vio_start(v, 0) && vio_request(v), i);
        for (unsigned i = 0; i < 30; i++)
                vio_set_status(v, i & 1 ? 0 : OK | STATUS_DRIVER_OK);
        check(vio_reset(v), vio_status(v));
}

static void reset_at_every_step(struct vio *v)
{
        for (unsigned step = 0; step < 7; step++) {
                check(vio_reset(v), step);
                if (step > 0)
                        vio_set_status(v, STATUS_ACKNOWLEDGE);
                if (step > 1)
                        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
                if (step > 2)
                        vio_accept(v, F_VERSION_1);
                if (step > 3)
                        vio_set_status(v, OK);
                if (step > 4)
                        vio_setup_queue(v);
                if (step > 5)
                        vio_set_status(v, OK | STATUS_DRIVER_OK);
        }
        check(vio_reset(v), 7);
        vio_select(v, 0);
        check(vio_enabled(v) == 0, vio_enabled(v));
}

static void reset_forgets(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_select(v, 0);
        check(vio_enabled(v) == 0, vio_enabled(v));
        if (v->pci)
                check(load(v->common + 0x10, 2) == 0xffff, load(v->common + 0x10, 2));
        vio_notify(v, 0);
        must_be_quiet(v);
}

static bool queue_reset_done(struct vio *v)
{
        uint64_t end = milliseconds() + 10000;

        while (vio_queue_reset(v) & 1)
                if (milliseconds() > end)
                        return false;
        return vio_enabled(v) == 0;
}

static void queue_reset(struct vio *v)
{
        check(vio_start(v, F_RING_RESET), vio_status(v));
        if (!(v->features & F_RING_RESET)) {
                print("# %s offers no RING_RESET\n", v->name);
                return;
        }
        for (unsigned i = 0; i < 8; i++) {
                put_in_flight(v);
                vio_select(v, 0);
                vio_set_queue_reset(v, 1);
                check(queue_reset_done(v), i);
                must_be_quiet(v);
                vio_setup_queue(v);
                check(vio_enabled(v) == 1, i);
                check(vio_queue_reset(v) == 0, i);
                check(vio_request(v), i);
        }
        vio_set_queue_reset(v, 1);
        vio_set_queue_reset(v, 1);
        vio_set_queue_reset(v, 0);
        check(queue_reset_done(v), vio_queue_reset(v));
        vio_notify(v, 0);
        check(vio_reset(v), vio_status(v));
}

static void queue_reset_after_broken_ring(struct vio *v)
{
        check(vio_start(v, F_RING_RESET), vio_status(v));
        if (!(v->features & F_RING_RESET))
                return;
        vio_put(v, QUEUE_SIZE + 7);
        vio_notify(v, 0);
        (void) vio_wait_status(v, STATUS_NEEDS_RESET, 5000);
        vio_select(v, 0);
        vio_set_queue_reset(v, 1);
        (void) queue_reset_done(v);
        vio_setup_queue(v);
        vio_notify(v, 0);
}

static void queue_reset_not_negotiated(struct vio *v)
{
        vio_select(v, 0);
        vio_set_queue_reset(v, 1);
        check(vio_enabled(v) == 1, vio_enabled(v));
        check(vio_request(v), vio_status(v));
}

static void queue_reset_of_one_that_is_not_on(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, F_RING_RESET);
        vio_select(v, 0);
        vio_set_queue_reset(v, 1);
        vio_select(v, 0xffff);
        vio_set_queue_reset(v, 0xffff);
        vio_setup_queue(v);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_request(v), vio_status(v));
}

static void reset_by_others_in_flight(struct vio *v)
{
        for (unsigned i = 0; i < n_vio_devices; i++)
                put_in_flight(&vio_devices[i]);
        check(vio_reset(v), vio_status(v));
        must_be_quiet(v);
        for (unsigned i = 0; i < n_vio_devices; i++)
                if (&vio_devices[i] != v)
                        check(vio_wait_used(&vio_devices[i], N_IN_FLIGHT, 10000), i);
}

static void config_past_the_end(struct vio *v)
{
        static const unsigned sizes[] = { 1, 2, 4, 8 };

        for (unsigned i = 0; i < v->config_bytes + 64; i++) {
                if (i >= 256 && i + 64 < v->config_bytes) /* the middle is like the rest */
                        i = v->config_bytes - 64;
                if (!v->pci && i + 8 > v->config_bytes) /* the next device's */
                        break;
                for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
                        (void) load(v->config + i, sizes[k]);
                        store(v->config + i, sizes[k], UINT64_MAX);
                }
        }
        check(vio_request(v), vio_status(v));
}

#define QUEUE_RESET "QEMU 10.0 fails an assertion when the queue of a vhost-user device is reset alone"

const struct test life_tests[] = {
        { "reset-with-requests-in-flight", reset_with_requests_in_flight, ANY, NULL },
        { "double-start", double_start, ANY, NULL },
        { "start-without-reset", start_without_reset, ANY, NULL },
        { "reset-loop", reset_loop, ANY, NULL },
        { "reset-at-every-step", reset_at_every_step, ANY, NULL },
        { "reset-forgets", reset_forgets, ANY, NULL },
        { "queue-reset", queue_reset, ANY, QUEUE_RESET },
        { "queue-reset-after-broken-ring", queue_reset_after_broken_ring, ANY, QUEUE_RESET },
        { "queue-reset-not-negotiated", queue_reset_not_negotiated, ANY, QUEUE_RESET },
        { "queue-reset-of-one-that-is-not-on", queue_reset_of_one_that_is_not_on, ANY, QUEUE_RESET },
        { "reset-while-others-have-requests", reset_by_others_in_flight, ANY, NULL },
        { "config-past-the-end", config_past_the_end, ANY, NULL },
};
const size_t n_life_tests = ARRAY_SIZE(life_tests);
