/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What split and packed rings have in common: life, wake-ups, order, accounting. See queue.h and ring.h.
 *
 * A wake-up (kick, or the rest of one that spent its budget) refills the budget and calls the device. Kicks
 * come by an edge-triggered eventfd that is never read: each write to it is a new edge, which saves a system
 * call a wake-up. The driver is asked to kick only when the ring was found empty, so while the device has
 * work there are no kicks at all; whoever stops popping before that comes back by itself (`again`).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "virtio/device.h"
#include "virtio/features.h"
#include "virtio/ring.h"

#define KICK_EVENTS (EPOLLIN | EPOLLET)
#define KICK_PIPE_EVENTS EPOLLIN
#define PACKED_IDS 65536 /* a packed ring's buffer ids may be any; a split ring's are heads */

static struct queue_ring *ring_free(struct queue_ring *r)
{
        if (!r)
                return NULL;
        inflight_close(&r->inflight);
        free(r->iov);
        free(r->taken);
        free(r->id_bits);
        free(r->held);
        free(r->put_slots);
        free(r);
        return NULL;
}

static void ring_freep(struct queue_ring **r)
{
        *r = ring_free(*r);
}

static int ring_new(const struct queue_setup *setup, struct queue_ring **ret)
{
        auto_cleanup(ring_freep) struct queue_ring *r = calloc(1, sizeof(*r));
        bool packed = setup->features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
        uint32_t n_history = 1;
        int result;

        if (!r)
                return -ENOMEM;
        while (n_history < setup->size)
                n_history *= 2;
        *r = (struct queue_ring) {
                .ops = packed ? &packed_ops : &split_ops,
                .space = setup->space,
                .n_iov_max = setup->size + SPACE_REGIONS_MAX,
                .size = setup->size,
                .event_idx = setup->features & FEATURE(VIRTIO_FEATURE_EVENT_IDX),
                .indirect = setup->features & FEATURE(VIRTIO_FEATURE_INDIRECT_DESC),
                .in_order = setup->features & FEATURE(VIRTIO_FEATURE_IN_ORDER),
                .log_used = setup->log_used_ring,
                .call_fd = setup->call_fd,
                .history_mask = n_history - 1,
                .features = setup->features,
        };
        r->iov = calloc(r->n_iov_max, sizeof(*r->iov));
        r->taken = calloc(n_history, sizeof(*r->taken));
        r->id_bits = calloc(packed ? PACKED_IDS / 64 : (setup->size + 63) / 64, sizeof(*r->id_bits));
        if (r->in_order)
                r->held = calloc(n_history, sizeof(*r->held));
        if (setup->inflight)
                r->put_slots = calloc(setup->size, sizeof(*r->put_slots));
        if (!r->iov || !r->taken || !r->id_bits || (r->in_order && !r->held) || (setup->inflight && !r->put_slots))
                return -ENOMEM;

        result = r->ops->open(r, setup);
        if (result < 0)
                return result;
        *ret = take_ptr(&r);
        return 0;
}

/* ---- wake-ups ---- */

void queue_wake(struct queue *q)
{
        if (!q->ring || q->broken || !q->enabled)
                return;
        if (space_damaged(q->ring->space)) {
                queue_break(q, -EFAULT);
                return;
        }
        q->budget = QUEUE_BUDGET;
        q->poll.active = q->poll.window_ns > 0;
        device_handle_queue(q);
        if (q->poll.active)
                queue_poll_continue(q);
}

static void on_again(struct task *t)
{
        queue_wake(container_of(t, struct queue, again));
}

static void on_kick(struct watch *w, uint32_t events)
{
        struct queue *q = container_of(w, struct queue, kick);

        q->n_kicks++;
        if (q->poll.max_ns > 0)
                queue_poll_slept(q);
        queue_wake(q);
}

/* A peer without eventfds sends a pipe, which would fill up if nobody read it. */
static void on_kick_pipe(struct watch *w, uint32_t events)
{
        char waste[512];

        if (!(events & EPOLLIN) || read(w->fd, waste, sizeof(waste)) == 0)
                watch_stop(w);
        on_kick(w, events);
}

static int watch_kick(struct queue *q, int kick_fd)
{
        struct stat st;

        watch_stop(&q->kick);
        if (kick_fd < 0)
                return 0;
        if (fstat(kick_fd, &st) < 0)
                return -errno;
        if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
                return watch_start(&q->kick, q->loop, kick_fd, KICK_PIPE_EVENTS, on_kick_pipe);
        return watch_start(&q->kick, q->loop, kick_fd, KICK_EVENTS, on_kick);
}

void queue_kick(struct queue *q)
{
        queue_wake(q);
}

/* ---- life ---- */

int queue_start(struct queue *q, const struct queue_setup *setup)
{
        auto_cleanup(ring_freep) struct queue_ring *r = NULL;
        int result;

        if (q->ring)
                return -EBUSY;
        if (setup->size == 0 || setup->size > QUEUE_SIZE_MAX)
                return -EBADMSG;
        result = ring_new(setup, &r);
        if (result < 0)
                return result;

        result = watch_kick(q, setup->kick_fd);
        if (result < 0)
                return result;
        /* A predecessor may have been killed between publishing and telling. */
        r->call_missed = r->used != 0 || setup->inflight;

        /* Memory that was never written means "kick at once": so would a queue be that is rarely popped until empty, as
           one of receive buffers is. */
        r->ops->disarm(r);

        q->ring = take_ptr(&r);
        q->broken = false;
        q->lazy = false;
        q->budget = 0;
        if (q->device->ops->queue_start) {
                result = q->device->ops->queue_start(q->device, q);
                if (result < 0) {
                        watch_stop(&q->kick);
                        task_cancel(&q->again);
                        queue_poll_cancel(q);
                        q->ring = ring_free(q->ring);
                        return result;
                }
        }
        queue_set_call(q, setup->call_fd);
        task_schedule(&q->again, q->loop, on_again);
        return 0;
}

void queue_stop(struct queue *q, uint32_t *ret_base)
{
        struct queue_ring *r = q->ring;

        if (!r)
                return;
        watch_stop(&q->kick);
        r->stopping = true;
        if (q->device->ops->queue_stop)
                q->device->ops->queue_stop(q->device, q);
        (void) queue_notify(q);
        task_cancel(&q->again);
        queue_poll_cancel(q);
        if (ret_base)
                *ret_base = r->ops->base(r);
        q->ring = ring_free(r);
        q->broken = false;
}

bool queue_started(const struct queue *q)
{
        return q->ring != NULL;
}

uint64_t queue_features(const struct queue *q)
{
        return q->ring ? q->ring->features : 0;
}

uint16_t queue_size(const struct queue *q)
{
        return q->ring ? q->ring->size : 0;
}

const struct space *queue_space(const struct queue *q)
{
        return q->ring ? q->ring->space : NULL;
}

bool queue_looks_new(const struct queue *q)
{
        const struct queue_ring *r = q->ring;

        return r && r->used == 0 && (r->used_wrap || !(r->features & FEATURE(VIRTIO_FEATURE_RING_PACKED)));
}

void queue_set_lazy(struct queue *q, bool on)
{
        q->lazy = on;
}

void queue_set_deaf(struct queue *q, bool on)
{
        /* To listen again is an edge. */
        (void) watch_set_events(&q->kick, on ? 0 : q->kick.fn == on_kick ? KICK_EVENTS : KICK_PIPE_EVENTS);
}

uint32_t queue_next_sequence(const struct queue *q)
{
        return q->ring ? q->ring->sequence : 0;
}

static void call(struct queue *q)
{
        q->ring->call_missed = false;
        fd_event_signal(q->ring->call_fd);
        q->n_calls++;
}

void queue_set_call(struct queue *q, int call_fd)
{
        if (!q->ring)
                return;
        q->ring->call_fd = call_fd;
        if (call_fd >= 0 && q->ring->call_missed)
                call(q);
}

int queue_set_kick(struct queue *q, int kick_fd)
{
        int r;

        if (!q->ring)
                return 0;
        r = watch_kick(q, kick_fd);
        /* A kick of the old one that was not yet handled went with it. */
        if (r == 0 && !q->broken)
                task_schedule(&q->again, q->loop, on_again);
        return r;
}

void queue_set_enabled(struct queue *q, bool enabled)
{
        q->enabled = enabled;
        if (enabled && q->ring && !q->broken)
                task_schedule(&q->again, q->loop, on_again);
}

void queue_set_log(struct queue *q, bool log_used_ring)
{
        if (q->ring)
                q->ring->log_used = log_used_ring;
}

void queue_break(struct queue *q, int error)
{
        struct device *dev = q->device;

        if (!q->ring || q->broken)
                return;
        q->broken = true;
        task_cancel(&q->again);
        queue_poll_cancel(q);
        if (error == -EBADMSG)
                device_log_guest(dev, "queue %u: the driver broke the rules of ring or device; stopped until reset",
                                 q->index);
        else
                device_log_guest(dev, "queue %u: %s; stopped until reset", q->index, strerror(-error));
        if (dev->transport && dev->transport->needs_reset)
                dev->transport->needs_reset(dev, q, dev->transport_data);
}

/* ---- requests ---- */

/* Looks at the ring, and once more after asking for kicks. Return: as ring_ops.take(). */
static int take_or_arm(struct queue *q, struct chain *ret)
{
        struct queue_ring *r = q->ring;
        int n = r->ops->take(r, ret);

        if (n != 0 || r->armed || q->poll.active || q->lazy)
                return n;
        r->armed = true;
        if (r->ops->arm(r))
                n = r->ops->take(r, ret);
        if (n == 0 && q->poll.max_ns > 0 && q->poll.idle_since_ns == 0)
                q->poll.idle_since_ns = clock_now_ns();
        return n;
}

/* Chains are written to *ret field by field, and not copied: a copy would wait for those stores to settle. */
int queue_pop(struct queue *q, struct chain *ret)
{
        struct queue_ring *r = q->ring;
        struct ring_taken *t;
        bool recovered;
        int n;

        if (unlikely(!r || q->broken || !q->enabled || r->stopping))
                return 0;
        if (unlikely(q->budget == 0)) {
                task_schedule(&q->again, q->loop, on_again);
                return 0;
        }
        if (unlikely(r->bad))
                return -EBADMSG;

        recovered = r->inflight.n_resubmitted < r->inflight.n_resubmit;
        if (unlikely(recovered))
                n = r->ops->retake(r, r->inflight.resubmit[r->inflight.n_resubmitted], ret);
        else
                n = take_or_arm(q, ret);
        if (unlikely(n <= 0)) {
                r->bad = n < 0;
                return n;
        }
        if (r->armed) {
                r->armed = false;
                r->ops->disarm(r);
        }

        if (unlikely(recovered))
                r->inflight.n_resubmitted++;
        ret->iov = r->iov;
        ret->sequence = r->sequence++;
        t = &r->taken[ret->sequence & r->history_mask];
        t->id = ret->id;
        t->n_descriptors = ret->n_descriptors;
        t->inflight_slot = ret->inflight_slot;
        t->recovered = recovered;
        r->id_bits[ret->id / 64] |= UINT64_C(1) << (ret->id % 64);
        r->n_in_flight += ret->n_descriptors;
        q->budget--;
        q->n_popped++;
        return 1;
}

void queue_unpop(struct queue *q, unsigned n_chains)
{
        struct queue_ring *r = q->ring;

        if (!r || q->broken)
                return;
        for (; n_chains > 0; n_chains--) {
                const struct ring_taken *t = &r->taken[--r->sequence & r->history_mask];

                assert(ring_id_taken(r, t->id));
                r->id_bits[t->id / 64] &= ~(UINT64_C(1) << (t->id % 64));
                r->n_in_flight -= t->n_descriptors;
                if (t->recovered)
                        r->inflight.n_resubmitted--;
                else
                        r->ops->untake(r, t);
                q->budget++;
                q->n_popped--;
        }
}

static inline void put(struct queue_ring *r, uint16_t id, uint16_t n_descriptors, uint16_t inflight_slot,
                       uint32_t n_written)
{
        r->ops->put(r, id, n_descriptors, n_written);
        if (r->put_slots)
                r->put_slots[r->n_put] = inflight_slot;
        r->n_put++;
        r->n_put_descriptors += n_descriptors;
}

/* Keeps a chain until all before it are pushed. */
static void hold(struct queue_ring *r, const struct chain *c, uint32_t n_written)
{
        struct ring_held *h = &r->held[c->sequence & r->history_mask];

        *h = (struct ring_held) { c->id, c->n_descriptors, c->inflight_slot, true, n_written };
        while ((h = &r->held[r->held_next & r->history_mask])->pushed) {
                h->pushed = false;
                r->held_next++;
                put(r, h->id, h->n_descriptors, h->inflight_slot, h->n_written);
        }
}

static void log_written(struct space *s, const struct chain *c, size_t left)
{
        for (uint16_t i = c->n_read; left > 0 && i < c->n_read + c->n_write; i++) {
                size_t n = MIN(left, c->iov[i].iov_len);
                gpa_t at;

                if (space_from_pointer(s, c->iov[i].iov_base, &at) == 0)
                        space_mark_dirty(s, at, n);
                left -= n;
        }
}

void queue_push(struct queue *q, const struct chain *c, uint32_t n_written)
{
        struct queue_ring *r = q->ring;

        if (unlikely(!r || q->broken || !ring_id_taken(r, c->id)))
                return;
        r->id_bits[c->id / 64] &= ~(UINT64_C(1) << (c->id % 64));
        n_written = MIN(n_written, c->n_write_bytes);
        if (unlikely(space_logs(r->space)))
                log_written(r->space, c, n_written);
        if (unlikely(r->in_order))
                hold(r, c, n_written);
        else
                put(r, c->id, c->n_descriptors, c->inflight_slot, n_written);
        q->n_pushed++;
}

int queue_notify(struct queue *q)
{
        struct queue_ring *r = q->ring;

        if (!r || q->broken || r->n_put == 0)
                return 0;
        if (r->ops->publish(r, r->call_fd >= 0))
                call(q);
        r->call_missed |= r->call_fd < 0;
        r->n_in_flight -= r->n_put_descriptors;
        r->n_put = 0;
        r->n_put_descriptors = 0;
        return 0;
}
