/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Towards the guest, in two ways: a frame that somebody has is copied into buffers (net_deliver()); a frame that is
 * still in the kernel is read straight into buffers that are lent for it (net_reserve(), net_commit()).
 *
 * With mergeable buffers a frame takes as many chains as it needs. They are popped one by one; if they do not
 * suffice all are put back, so that the driver never sees half a frame. What was written to them by then does not
 * matter: they are the device's to write to.
 *
 * Popping here is work of the wake-up that the frame came with, not of the receive queue: the latter's budget is
 * refilled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/net-private.h"
#include "virtio/features.h"

/* The window. */

static struct net_slot *slot_at(struct net_window *w, uint32_t i) { return &w->slots[(w->first + i) % NET_WINDOW]; }

static void window_drop_first(struct net_window *w)
{
        struct net_slot *s = slot_at(w, 0);

        w->n_bytes -= s->chain.n_write_bytes;
        chain_drop(&s->chain, s->iov);
        w->first = (w->first + 1) % NET_WINDOW;
        w->n--;
}

/* Puts back what is left. */
static void window_release(struct net_pair *p)
{
        struct net_window *w = &p->window;

        if (w->n == 0)
                return;
        queue_unpop(p->rx, w->n);
        while (w->n > 0)
                window_drop_first(w);
}

/* Pops a chain that may hold (a part of) a frame. Return: as queue_pop(); on an error the queue is broken. */
static int pop_buffer(struct queue *q, struct chain *ret)
{
        int r;

        q->budget = QUEUE_BUDGET;
        r = queue_pop(q, ret);
        if (unlikely(r > 0 && (ret->n_read > 0 || ret->n_write_bytes < FRAME_HEADER_BYTES)))
                r = -EBADMSG;
        if (unlikely(r < 0))
                queue_break(q, r);
        return r;
}

static int window_add(struct net_window *w, const struct chain *c)
{
        struct net_slot *s;
        int r;

        if (!w->slots) {
                w->slots = calloc(NET_WINDOW, sizeof(*w->slots));
                if (!w->slots)
                        return -ENOMEM;
        }
        if (w->n == NET_WINDOW)
                return -ENOBUFS;
        s = slot_at(w, w->n);
        r = chain_keep(&s->chain, c, s->iov, NET_WINDOW_IOV);
        if (r < 0)
                return r;
        w->n++;
        w->n_bytes += c->n_write_bytes;
        return 0;
}

/* True if the driver could not offer more than what is in the window, however long one waits. */
static bool window_is_all(const struct net_pair *p)
{
        bool indirect = queue_features(p->rx) & FEATURE(VIRTIO_FEATURE_INDIRECT_DESC);
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->window.n; i++)
                n += indirect ? 1 : p->window.slots[(p->window.first + i) % NET_WINDOW].chain.n_write;
        return n >= queue_size(p->rx);
}

/*
 * Pops until the window holds n_bytes. Return: 0; or after everything was put back: -EAGAIN there is not enough now;
 * -EMSGSIZE there never will be.
 */
static int window_fill(struct net_pair *p, size_t n_bytes)
{
        struct net_window *w = &p->window;
        int r = 0;

        while (w->n_bytes < n_bytes) {
                struct chain c;

                r = pop_buffer(p->rx, &c);
                if (r <= 0) {
                        r = r == 0 && window_is_all(p) ? -EMSGSIZE : -EAGAIN;
                        break;
                }
                r = window_add(w, &c);
                if (r < 0) {
                        queue_unpop(p->rx, 1);
                        r = r == -ENOBUFS ? -EMSGSIZE : -EAGAIN;
                        break;
                }
        }
        if (r < 0)
                window_release(p);
        return r;
}

/* Gives the first chains of the window, which hold a frame of n_bytes (header included), to the driver. */
static void window_push(struct net *net, struct net_pair *p, struct frame_header header, size_t n_bytes)
{
        struct net_window *w = &p->window;
        size_t left = n_bytes;
        uint16_t n = 0;

        while (left > 0) {
                left -= MIN(left, (size_t) slot_at(w, n)->chain.n_write_bytes);
                n++;
        }
        header.num_buffers = n;
        if (!net->takes.checksum)
                header.flags = 0;
        (void) chain_write(&slot_at(w, 0)->chain, 0, &header, sizeof(header));

        for (left = n_bytes; n > 0; n--) {
                const struct chain *c = &slot_at(w, 0)->chain;
                size_t k = MIN(left, (size_t) c->n_write_bytes);

                queue_push(p->rx, c, (uint32_t) k);
                left -= k;
                window_drop_first(w);
        }
        p->rx_dirty = true;
        net->counters.n_rx_frames++;
        net->counters.n_rx_bytes += n_bytes - FRAME_HEADER_BYTES;
}

/* Frames that somebody has. */

static int deliver_merged(struct net *net, struct net_pair *p, const struct frame *f)
{
        size_t skip = FRAME_HEADER_BYTES, n_bytes = FRAME_HEADER_BYTES + f->n_bytes;
        struct iovec iov[NET_WINDOW * NET_WINDOW_IOV];
        size_t n_iov = 0;
        int r;

        r = window_fill(p, n_bytes);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < p->window.n; i++) {
                const struct chain *c = &slot_at(&p->window, i)->chain;

                if (n_iov + c->n_write > ARRAY_SIZE(iov)) {
                        window_release(p);
                        return -EMSGSIZE;
                }
                memcpy(iov + n_iov, c->iov, c->n_write * sizeof(iov[0]));
                n_iov += c->n_write;
        }
        (void) frame_copy_to_iov(f, iov, n_iov, skip);
        window_push(net, p, f->header, n_bytes);
        return 0;
}

/* One chain holds it all. */
static void deliver_one(struct net *net, struct net_pair *p, const struct frame *f, const struct chain *c)
{
        uint8_t *to = c->iov[0].iov_base;

        if (likely(c->iov[0].iov_len >= FRAME_HEADER_BYTES + f->n_bytes && f->n_rest <= 1)) {
                static const uint16_t one = 1;

                memcpy(to, &f->header, FRAME_HEADER_BYTES);
                memcpy(to + offsetof(struct frame_header, num_buffers), &one, sizeof(one));
                if (!net->takes.checksum)
                        to[offsetof(struct frame_header, flags)] = 0; /* DATA_VALID, at most */
                memcpy(to + FRAME_HEADER_BYTES, f->head, f->n_head);
                if (f->n_bytes > f->n_head)
                        memcpy(to + FRAME_HEADER_BYTES + f->n_head, f->rest[0].iov_base, f->n_bytes - f->n_head);
        } else {
                struct frame_header header = f->header;

                header.num_buffers = 1;
                if (!net->takes.checksum)
                        header.flags = 0;
                (void) chain_write(c, 0, &header, sizeof(header));
                (void) frame_copy_to_iov(f, c->iov, c->n_write, FRAME_HEADER_BYTES);
        }
        queue_push(p->rx, c, FRAME_HEADER_BYTES + f->n_bytes);
        p->rx_dirty = true;
        net->counters.n_rx_frames++;
        net->counters.n_rx_bytes += f->n_bytes;
}

/* A receive queue that is started and enabled: the flow's, or any. */
static struct net_pair *pair_for(struct net *net, const struct frame *f)
{
        uint16_t i;

        if (likely(net->n_active == 1))
                return &net->pairs[0];
        i = net->port->ops->steers ? f->queue : net_flow_pair(net, f);
        for (uint16_t n = 0; n < net->n_active; n++) {
                struct net_pair *p = &net->pairs[(i + n) % net->n_active];

                if (queue_started(p->rx) && p->rx->enabled && !p->rx->broken)
                        return p;
        }
        return &net->pairs[0];
}

int net_deliver(void *data, const struct frame *f)
{
        struct net *net = data;
        struct net_pair *p = pair_for(net, f);
        struct chain c;
        int r;

        if (unlikely(!net->link_up || !net_filter_passes(&net->filter, f))) {
                net->counters.n_rx_filtered++;
                return 0;
        }
        window_release(p);
        r = pop_buffer(p->rx, &c);
        if (unlikely(r <= 0))
                return -EAGAIN;
        if (likely(c.n_write_bytes >= FRAME_HEADER_BYTES + f->n_bytes)) {
                deliver_one(net, p, f, &c);
                return 0;
        }
        queue_unpop(p->rx, 1);
        r = net->mergeable ? deliver_merged(net, p, f) : -EMSGSIZE;
        if (r == -EMSGSIZE)
                net->counters.n_rx_too_long++;
        return r;
}

/* Frames that are still in the kernel. */

int net_reserve(void *data, uint16_t queue, size_t n_bytes, struct iovec *iov, size_t n_max)
{
        struct net *net = data;
        struct net_pair *p = &net->pairs[queue % net->n_active];
        struct net_window *w = &p->window;
        size_t n = 0;

        /* What passes is known only after reading. */
        if (!net->link_up || !net->filter.promiscuous)
                return -EAGAIN;
        if (!net->mergeable)
                window_release(p);
        if (window_fill(p, n_bytes) < 0)
                return -EAGAIN;
        if (!net->mergeable && w->n > 1) {
                window_release(p);
                return -EAGAIN;
        }
        for (uint32_t i = 0; i < w->n; i++) {
                const struct chain *c = &slot_at(w, i)->chain;

                if (n + c->n_write > n_max)
                        return -EAGAIN;
                memcpy(iov + n, c->iov, c->n_write * sizeof(iov[0]));
                n += c->n_write;
        }
        return (int) n;
}

void net_commit(void *data, uint16_t queue, size_t n_bytes)
{
        struct net *net = data;
        struct net_pair *p = &net->pairs[queue % net->n_active];
        struct frame_header header;
        uint8_t bytes[sizeof(header)];
        size_t done = 0;

        if (p->window.n_bytes < n_bytes || n_bytes < FRAME_HEADER_BYTES + FRAME_MIN_BYTES)
                return;
        /* The kernel's own header, read back: whatever the guest makes of it meanwhile goes back to the guest only. */
        for (uint16_t i = 0; done < sizeof(bytes); i++) {
                const struct iovec *piece = &slot_at(&p->window, 0)->chain.iov[i];
                size_t k = MIN(piece->iov_len, sizeof(bytes) - done);

                memcpy(bytes + done, piece->iov_base, k);
                done += k;
        }
        memcpy(&header, bytes, sizeof(header));
        window_push(net, p, header, n_bytes);
}

void net_flush(void *data)
{
        struct net *net = data;

        for (uint16_t i = 0; i < net->n_active; i++) {
                struct net_pair *p = &net->pairs[i];

                window_release(p);
                if (p->rx_dirty) {
                        p->rx_dirty = false;
                        (void) queue_notify(p->rx);
                }
        }
}
