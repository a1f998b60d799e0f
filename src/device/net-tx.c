/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the guest. The header and the beginning of the frame are copied once, then looked at; what follows is passed
 * on where it lies.
 *
 * A wake-up ends when the ring is empty, the chains of QUEUE_BUDGET are used up, or the work in them is: bytes, and
 * segments that somebody may have to cut. So a guest that sends the most expensive frames there are holds up others
 * no longer than one that sends many.
 */
#include <errno.h>
#include <string.h>

#include "device/net-private.h"

#define BURST_COST_MAX (1 << 20) /* bytes, or what takes as long */
#define SEGMENT_COST 256
#define FIRST_MAX (FRAME_HEADER_BYTES + FRAME_HEAD_MAX)

/* Chains are taken in batches, so that the memory of one is on its way while another is worked on. */
#define TX_BATCH 64
#define FETCH_MAX 2048
#define TX_SLOT_IOV 4 /* pieces that are kept without an allocation */

struct tx_slot {
        struct chain chain;
        struct iovec iov[TX_SLOT_IOV];
};

struct tx_batch {
        struct tx_slot slots[TX_BATCH];
        unsigned n;
};

/* Leaves out the first n bytes of the readable part, which are there. Return: the pieces that follow. */
static const struct iovec *skip(struct chain *c, size_t n, uint32_t *ret_n)
{
        struct iovec *iov = c->iov;
        uint32_t n_iov = c->n_read;

        while (n_iov > 0 && n >= iov->iov_len) {
                n -= iov->iov_len;
                iov++;
                n_iov--;
        }
        if (n_iov > 0 && n > 0) {
                iov->iov_base = (uint8_t *) iov->iov_base + n;
                iov->iov_len -= n;
        }
        *ret_n = n_iov;
        return iov;
}

static uint32_t cost_of(const struct frame *f)
{
        uint32_t n_segments = f->header.gso_size > 0 ? f->n_bytes / f->header.gso_size : 0;

        return f->n_bytes + n_segments * SEGMENT_COST;
}

/* Copies at least 16 bytes; short ones of a length that the compiler does not know are slow by memcpy(). */
static inline void copy_first(uint8_t *to, const uint8_t *from, uint32_t n)
{
        uint32_t done = 0;

        for (; n - done >= 32; done += 32)
                memcpy(to + done, from + done, 32);
        if (n - done >= 16) {
                memcpy(to + done, from + done, 16);
                done += 16;
        }
        if (n > done)
                memcpy(to + n - 16, from + n - 16, 16);
}

/* Return: 0 done with the chain; -EAGAIN the port is full. */
static int transmit(struct net *net, uint16_t pair, struct chain *c, uint32_t *cost)
{
        uint8_t first[FIRST_MAX];
        uint32_t n_first = MIN(c->n_read_bytes, (uint32_t) FIRST_MAX);
        struct frame f;
        int r;

        if (unlikely(n_first < FRAME_HEADER_BYTES + FRAME_MIN_BYTES || c->n_write > 0)) {
                net->counters.n_tx_bad++;
                device_log_guest(&net->dev, "frame of %u bytes with its header: dropped", c->n_read_bytes);
                return 0;
        }
        if (likely(c->iov[0].iov_len >= n_first))
                copy_first(first, c->iov[0].iov_base, n_first);
        else
                (void) chain_read(c, 0, first, n_first);

        f = (struct frame) { .head = first + FRAME_HEADER_BYTES, .n_head = n_first - FRAME_HEADER_BYTES,
                             .n_bytes = c->n_read_bytes - FRAME_HEADER_BYTES, .queue = pair };
        memcpy(&f.header, first, sizeof(f.header));
        if (unlikely(frame_check(&f, &net->sends) < 0)) {
                net->counters.n_tx_bad++;
                device_log_guest(&net->dev,
                                 "frame whose header does not fit it, or asks for what was not agreed: dropped");
                return 0;
        }
        if (f.n_bytes > f.n_head)
                f.rest = skip(c, n_first, &f.n_rest);
        if (net->n_active > 1)
                net_flow_learn(net, &f, pair);

        *cost += cost_of(&f);
        r = net->link_up ? net->port->ops->send(net->port, &f) : -ENETDOWN;
        if (likely(r == 0)) {
                net->counters.n_tx_frames++;
                net->counters.n_tx_bytes += f.n_bytes;
        } else if (r != -EAGAIN) {
                net->counters.n_tx_dropped++;
                r = 0;
        }
        return r;
}

/* Pops what fits into a batch and has its first bytes fetched into the cache. Return: as queue_pop(). */
static int batch_fill(struct queue *q, struct tx_batch *b)
{
        int r = 1;

        b->n = 0;
        while (b->n < TX_BATCH && (r = queue_pop(q, &b->slots[b->n].chain)) > 0) {
                struct tx_slot *s = &b->slots[b->n];

                if (chain_own(&s->chain, s->iov, TX_SLOT_IOV) < 0) {
                        queue_unpop(q, 1);
                        return -ENOMEM;
                }
                __builtin_prefetch(s->chain.iov[0].iov_base);
                __builtin_prefetch((const uint8_t *) s->chain.iov[0].iov_base + 64);
                b->n++;
        }
        return r;
}

/* Has what follows the first lines of a frame fetched. */
static inline void fetch(const struct chain *c)
{
        const uint8_t *p = c->iov[0].iov_base;
        size_t n = MIN(c->iov[0].iov_len, (size_t) FETCH_MAX);

        for (size_t i = 128; i < n; i += 64)
                __builtin_prefetch(p + i);
}

/* Return: 0; if not all was sent, and the rest was put back: 1 if this wake-up has done enough, -EAGAIN. */
static int batch_send(struct net *net, struct queue *q, struct tx_batch *b, uint32_t *cost)
{
        uint16_t pair = q->index / 2;
        unsigned i;
        int r = 0;

        for (i = 0; i < b->n; i++) {
                struct chain *c = &b->slots[i].chain;

                if (unlikely(*cost >= BURST_COST_MAX)) {
                        r = 1;
                        break;
                }
                if (i + 1 < b->n)
                        fetch(&b->slots[i + 1].chain);
                r = transmit(net, pair, c, cost);
                if (unlikely(r == -EAGAIN)) {
                        net->pairs[pair].tx_blocked = true;
                        break;
                }
                queue_push(q, c, 0);
        }
        if (unlikely(i < b->n))
                queue_unpop(q, b->n - i);
        for (i = 0; i < b->n; i++)
                if (unlikely(b->slots[i].chain.iov != b->slots[i].iov))
                        chain_drop(&b->slots[i].chain, b->slots[i].iov);
        return r;
}

int net_handle_tx(struct net *net, struct queue *q)
{
        struct tx_batch batch;
        uint32_t cost = 0;
        int r, sent;

        /* Both sides learn of a batch as soon as it is done, so that they work while the next one is. */
        do {
                r = batch_fill(q, &batch);
                sent = batch_send(net, q, &batch, &cost);
                if (cost >= BURST_COST_MAX)
                        q->budget = 0; /* the next pop leaves the rest to the next round */
                if (net->port->ops->send_flush)
                        net->port->ops->send_flush(net->port);
                (void) queue_notify(q);
                /* Also what was put back after the ring had been found empty. */
        } while (sent > 0 || (r > 0 && sent == 0));
        return sent < 0 ? 0 : r;
}
