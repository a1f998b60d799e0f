/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The event queue. What is due is kept as bits, one for each stream, so that a driver without buffers costs nothing and
 * hears of everything once when it has some.
 */
#include <errno.h>

#include "device/sound/sound-private.h"

/* The next that is due. */
static struct virtio_snd_event next_event(struct sound *s)
{
        uint32_t i = (uint32_t) __builtin_ctz(s->xruns_due);

        s->xruns_due &= ~(1U << i);
        return (struct virtio_snd_event) { { htole32(VIRTIO_SND_EVT_PCM_XRUN) }, htole32(i) };
}

int event_send(struct sound *s)
{
        struct queue *q = &s->dev.queues[VIRTIO_SND_VQ_EVENT];
        struct virtio_snd_event event;
        struct chain chain;
        int r = 0;

        while (s->xruns_due && (r = queue_pop(q, &chain)) > 0) {
                if (chain.n_read_bytes > 0 || chain.n_write_bytes < sizeof(event))
                        return -EBADMSG;
                event = next_event(s);
                queue_push(q, &chain, (uint32_t) chain_write(&chain, 0, &event, sizeof(event)));
        }
        return r < 0 ? r : queue_notify(q);
}

void event_try_send(struct sound *s)
{
        struct queue *q = &s->dev.queues[VIRTIO_SND_VQ_EVENT];
        int r = queue_started(q) ? event_send(s) : 0;

        if (r < 0)
                queue_break(q, r);
}

void event_xrun(struct stream *st)
{
        if (!(st->params.features & 1U << VIRTIO_SND_PCM_F_EVT_XRUNS))
                return;
        st->sound->xruns_due |= 1U << st->id;
        event_try_send(st->sound);
}
