/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Frames. A chain of the tx queue is copied into its voice's ring as far as there is room and completed when the mixing
 * thread has taken its last frame; one of the rx queue is filled from the ring and completed when it is full. Of each
 * stream they are served in order, and one stream's wait for nobody else's.
 *
 *      tx  | stream id | frames ...          || status, latency |        what is right of || is the device's to write
 *      rx  | stream id || frames ...          | status, latency |
 *
 * A ring that a front end stops (for a pause, say) gives back what was not completed, as if it had never been popped;
 * the voice forgets it, too, so that it is heard once when the ring goes on. Only what was popped before a chain that
 * is completed already cannot be given back: it is completed as failed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audio/speakers.h"
#include "base/macros.h"
#include "device/sound/sound-private.h"

#define PART_BYTES 4096
#define HEAD_BYTES sizeof(struct virtio_snd_pcm_xfer)
#define STATUS_BYTES sizeof(struct virtio_snd_pcm_status)

static struct queue *queue_of(const struct stream *st)
{
        return &st->sound->dev.queues[st->capture ? VIRTIO_SND_VQ_RX : VIRTIO_SND_VQ_TX];
}

static struct transfer_pool *pool_of(struct sound *s, const struct queue *q)
{
        return &s->pools[q->index == VIRTIO_SND_VQ_RX];
}

/* Answers and returns it to the pool. */
static void complete(struct stream *st, struct transfer *t, uint32_t status)
{
        struct queue *q = queue_of(st);
        struct transfer_pool *pool = pool_of(st->sound, q);
        struct virtio_snd_pcm_status answer = { .status = htole32(status) };
        uint64_t latency = 0;
        uint32_t at = st->capture ? t->n_bytes : 0;

        if (status == VIRTIO_SND_S_OK)
                latency = voice_latency(st->voice, t->end) * st->frame_bytes;
        answer.latency_bytes = htole32((uint32_t) MIN(latency, (uint64_t) UINT32_MAX));
        if (st->capture && t->n_done < t->n_bytes)
                (void) chain_zero(&t->chain, t->n_done, t->n_bytes - t->n_done);
        (void) chain_write(&t->chain, at, &answer, sizeof(answer));
        queue_push(q, &t->chain, at + (uint32_t) sizeof(answer));
        chain_drop(&t->chain, t->iov);
        t->next = pool->free;
        pool->free = t;
}

static struct transfer *take_first(struct stream *st)
{
        struct transfer *t = st->first;

        st->first = t->next;
        if (!st->first)
                st->last = &st->first;
        return t;
}

void transfer_give_back(struct stream *st)
{
        if (!st->first)
                return;
        while (st->first)
                complete(st, take_first(st), VIRTIO_SND_S_IO_ERR);
        (void) queue_notify(queue_of(st));
}

/* ---- moving frames ---- */

/* Return: true if all of it is in the ring. */
static bool move_out(struct stream *st, struct transfer *t)
{
        uint8_t part[PART_BYTES];
        size_t n_part = PART_BYTES / st->frame_bytes * st->frame_bytes;

        while (t->n_done < t->n_bytes) {
                size_t n = MIN((size_t) (t->n_bytes - t->n_done), n_part), n_frames;

                n = chain_read(&t->chain, HEAD_BYTES + t->n_done, part, n);
                n_frames = voice_write(st->voice, part, n / st->frame_bytes);
                t->n_done += (uint32_t) n_frames * st->frame_bytes;
                if (n_frames < n / st->frame_bytes)
                        return false;
        }
        t->end = voice_written(st->voice);
        return true;
}

/* Return: true if it is full. */
static bool move_in(struct stream *st, struct transfer *t)
{
        uint8_t part[PART_BYTES];
        size_t n_part = PART_BYTES / st->frame_bytes * st->frame_bytes;

        while (t->n_done < t->n_bytes) {
                size_t n = MIN((size_t) (t->n_bytes - t->n_done), n_part);
                size_t n_frames = voice_read(st->voice, part, n / st->frame_bytes);

                (void) chain_write(&t->chain, t->n_done, part, n_frames * st->frame_bytes);
                t->n_done += (uint32_t) n_frames * st->frame_bytes;
                if (n_frames < n / st->frame_bytes)
                        return false;
        }
        return true;
}

/* Fills the ring. Return: true if the mixer was faster than the question to be woken. */
static bool play(struct stream *st)
{
        uint64_t position;

        for (struct transfer *t = st->first; t; t = t->next)
                if ((t->n_done < t->n_bytes || t->end == UINT64_MAX) && !move_out(st, t))
                        break;
        while (st->first && st->first->end <= voice_played(st->voice))
                complete(st, take_first(st), VIRTIO_SND_S_OK);
        if (!st->first)
                return false;
        /* A chain larger than the ring is never all in it: come back when there is room. */
        position = st->first->end != UINT64_MAX ? st->first->end
                                                : (voice_written(st->voice) + voice_played(st->voice)) / 2 + 1;
        return !voice_wake_at(st->voice, position);
}

static bool record(struct stream *st)
{
        uint64_t n_left;

        while (st->first && move_in(st, st->first))
                complete(st, take_first(st), VIRTIO_SND_S_OK);
        if (!st->first)
                return false;
        n_left = (st->first->n_bytes - st->first->n_done) / st->frame_bytes;
        return !voice_wake_at(st->voice, voice_played(st->voice) + voice_frames_for(st->voice, n_left));
}

void transfer_move(struct stream *st)
{
        /* Once more if the mixing thread came between; it takes a period each time, so that this ends. */
        while (st->capture ? record(st) : play(st))
                ;
        if (voice_take_xrun(st->voice))
                event_xrun(st);
}

/* ---- queues ---- */

/* Which stream, if frames may come for it now. */
static struct stream *find_stream(struct sound *s, const struct queue *q, const struct chain *c, uint32_t n_bytes)
{
        struct virtio_snd_pcm_xfer head;
        struct stream *st;

        (void) chain_read(c, 0, &head, sizeof(head));
        if (le32toh(head.stream_id) >= s->n_streams)
                return NULL;
        st = &s->streams[le32toh(head.stream_id)];
        if (st->capture != (q->index == VIRTIO_SND_VQ_RX) || st->state < STREAM_PREPARED || n_bytes == 0 ||
            n_bytes % st->frame_bytes != 0)
                return NULL;
        return st;
}

static void refuse(struct queue *q, const struct chain *c)
{
        struct virtio_snd_pcm_status answer = { .status = htole32(VIRTIO_SND_S_IO_ERR) };
        uint32_t at = q->index == VIRTIO_SND_VQ_RX ? c->n_write_bytes - (uint32_t) STATUS_BYTES : 0;

        (void) chain_zero(c, 0, at);
        (void) chain_write(c, at, &answer, sizeof(answer));
        queue_push(q, c, at + (uint32_t) sizeof(answer));
        q->budget -= MIN(q->budget, at >> 16);
}

static int take_chain(struct sound *s, struct queue *q, struct chain *c)
{
        struct transfer_pool *pool = pool_of(s, q);
        bool rx = q->index == VIRTIO_SND_VQ_RX;
        struct transfer *t = pool->free;
        struct stream *st;
        uint32_t n_bytes;
        int r;

        if (c->n_write_bytes < STATUS_BYTES || c->n_read_bytes < HEAD_BYTES)
                return -EBADMSG;
        n_bytes = rx ? c->n_write_bytes - (uint32_t) STATUS_BYTES : c->n_read_bytes - (uint32_t) HEAD_BYTES;
        /* More than a stream's whole buffer: pieces that overlap, to keep us busy. */
        if (n_bytes > SOUND_BUFFER_BYTES_MAX)
                return -EBADMSG;
        st = find_stream(s, q, c, n_bytes);
        if (!st || !t) {
                refuse(q, c);
                return 0;
        }
        t->chain = *c;
        r = chain_own(&t->chain, t->iov, ARRAY_SIZE(t->iov));
        if (r < 0)
                return r;
        pool->free = t->next;
        t->next = NULL;
        t->n_bytes = n_bytes;
        t->n_done = 0;
        t->end = UINT64_MAX;
        *st->last = t;
        st->last = &t->next;
        return 0;
}

static int take_all(struct sound *s, struct queue *q)
{
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                r = take_chain(s, q, &chain);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < s->n_streams; i++)
                if (s->streams[i].first && s->streams[i].capture == (q->index == VIRTIO_SND_VQ_RX))
                        transfer_move(&s->streams[i]);
        return 0;
}

/* Every stream that runs will wake us while it still has this many periods of mixing:
   what its driver adds can be found then. */
#define PERIODS_AHEAD 2

static bool is_ahead(const struct sound *s, const struct queue *q)
{
        bool any = false;

        for (uint32_t i = 0; i < s->n_streams; i++) {
                const struct stream *st = &s->streams[i];

                if (st->capture || st->state != STREAM_STARTED)
                        continue;
                if (!st->first || st->first->end == UINT64_MAX ||
                    voice_written(st->voice) - st->first->end < PERIODS_AHEAD * speakers_period(s->speakers))
                        return false;
                any = true;
        }
        return any && q->index == VIRTIO_SND_VQ_TX;
}

/* A driver whose buffers are far enough ahead need not kick for each: that saves one of three wake-ups a period. */
int transfer_handle_queue(struct sound *s, struct queue *q)
{
        int r;

        queue_set_lazy(q, true);
        r = take_all(s, q);
        if (r == 0 && !is_ahead(s, q)) {
                queue_set_lazy(q, false);
                r = take_all(s, q);
        }
        return r < 0 ? r : queue_notify(q);
}

int transfer_queue_start(struct sound *s, struct queue *q)
{
        struct transfer_pool *pool = pool_of(s, q);
        uint16_t n = queue_size(q);

        pool->all = calloc(n, sizeof(*pool->all));
        if (!pool->all)
                return -ENOMEM;
        pool->free = NULL;
        for (uint16_t i = n; i > 0; i--) {
                pool->all[i - 1].next = pool->free;
                pool->free = &pool->all[i - 1];
        }
        /* After a pause it goes on where it was. */
        for (uint32_t i = 0; i < s->n_streams; i++)
                if (s->streams[i].capture == (q->index == VIRTIO_SND_VQ_RX) && s->streams[i].state == STREAM_STARTED)
                        voice_start(s->streams[i].voice);
        return 0;
}

static int newest_first(const void *a, const void *b)
{
        const struct transfer *x = *(struct transfer *const *) a, *y = *(struct transfer *const *) b;

        return (int32_t) (y->chain.sequence - x->chain.sequence) > 0 ? 1 : -1;
}

/* Gives back what can be: the last that were popped, none of which is completed. The rest is completed. */
static void return_transfers(struct queue *q, struct transfer **all, size_t n)
{
        size_t n_back = 0;

        qsort(all, n, sizeof(*all), newest_first);
        while (n_back < n && all[n_back]->chain.sequence == queue_next_sequence(q) - 1 - n_back)
                n_back++;
        queue_unpop(q, (unsigned) n_back);
        for (size_t i = n; i > n_back; i--)
                refuse(q, &all[i - 1]->chain);
        for (size_t i = 0; i < n; i++)
                chain_drop(&all[i]->chain, all[i]->iov);
}

void transfer_queue_stop(struct sound *s, struct queue *q)
{
        struct transfer_pool *pool = pool_of(s, q);
        struct transfer **all = calloc(queue_size(q), sizeof(struct transfer *));
        size_t n = 0;

        for (uint32_t i = 0; i < s->n_streams; i++) {
                struct stream *st = &s->streams[i];

                if (st->capture != (q->index == VIRTIO_SND_VQ_RX))
                        continue;
                voice_stop(st->voice);
                while (st->first) {
                        struct transfer *t = take_first(st);

                        if (all)
                                all[n++] = t;
                        else
                                complete(st, t, VIRTIO_SND_S_IO_ERR);
                }
                voice_drop(st->voice);
        }
        if (all)
                return_transfers(q, all, n);
        free(all);
        free(pool->all);
        *pool = (struct transfer_pool) { 0 };
}
