/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the parts of the sound card share.
 *
 *   sound.c     the device: features, config space, queues, what outlives it
 *   request.c   the control queue: which request is whose; what there is (jacks, streams, channel maps)
 *   stream.c    the life of a stream: its parameters and states
 *   transfer.c  frames: the tx and the rx queue
 *   element.c   control elements: volume and mute
 *   event.c     the event queue
 *
 * All on the one loop of the card's queues, but for what is atomic.
 */
#pragma once

#include <stdatomic.h>

#include "base/loop.h"
#include "base/macros.h"
#include "device/sound/protocol.h"
#include "device/sound/sound.h"
#include "virtio/device.h"

#define SOUND_BUFFER_BYTES_MAX (UINT32_C(16) << 20)
#define VOLUME_MAX 127 /* unity; one less is 0.5 dB less; 0 is silence */

/* 5.14.6.6.1; a released stream is as one whose parameters are set. */
enum stream_state { STREAM_NEW, STREAM_SET, STREAM_PREPARED, STREAM_STARTED, STREAM_STOPPED };

#define TRANSFER_INLINE_IOV 6

/* A chain of the tx or rx queue on its way. */
struct transfer {
        struct transfer *next;
        struct chain chain;  /* its iov is `iov`, or allocated */
        uint32_t n_bytes;    /* of frames */
        uint32_t n_done;     /* of them: in the ring, or filled */
        uint64_t end;        /* position of the frame after the last; valid if all are done */
        struct iovec iov[TRANSFER_INLINE_IOV];
};

struct stream {
        struct sound *sound; /* borrowed */
        uint32_t id;
        bool capture;
        enum stream_state state;
        struct sound_saved_stream params; /* those of SET_PARAMS, volume and mute */
        struct voice_format format;
        uint32_t frame_bytes;
        struct voice *voice;               /* owned */
        struct transfer *first, **last;    /* in order */
};

struct transfer_pool {
        struct transfer *all; /* owned: as many as the queue has entries; NULL: stopped */
        struct transfer *free;
};

struct sound {
        struct device dev;
        struct speakers *speakers; /* borrowed */
        bool controls;
        uint32_t n_outputs, n_streams;
        struct stream *streams; /* owned */
        uint32_t n_jacks, n_chmaps;
        int wake_fd;            /* owned: the mixing thread has been where a stream asked */
        struct watch wake;
        unsigned n_queues_started;
        bool known;             /* what the driver told since reset is all known, or taken from `saved` */
        struct sound_saved *saved;     /* borrowed, or &own_saved */
        struct sound_saved own_saved;  /* for a driver whose connection breaks and comes back */
        struct transfer_pool pools[2]; /* of tx and rx */
        uint32_t xruns_due; /* bits of streams: events to send */
        atomic_uint n_running;
};

static inline struct sound *to_sound(const struct device *dev) { return container_of(dev, struct sound, dev); }
static inline bool sound_has_controls(const struct sound *s)
{
        return s->dev.negotiated & UINT64_C(1) << SOUND_FEATURE_CTLS;
}

/* The control queue's. Return: the VIRTIO_SND_S_*; what the answer has beside it was written, *n_more bytes. */
uint32_t stream_request(struct sound *s, const struct chain *c, uint32_t code);
uint32_t element_request(struct sound *s, const struct chain *c, uint32_t code, uint32_t *n_more);
/* @make fills one item. */
uint32_t items_request(struct sound *s, const struct chain *c, uint32_t n_items, size_t item_bytes,
                       void (*make)(struct sound *s, uint32_t i, void *item), uint32_t *n_more);
int sound_handle_requests(struct sound *s, struct queue *q);

/* Streams. */
uint64_t stream_formats(void);
uint64_t stream_rates(void);
uint32_t stream_channels_max(const struct sound *s);
void stream_reset(struct stream *st);          /* as new; its transfers are gone already */
void stream_set_volume(struct stream *st);     /* as params.volume and params.muted say */
void stream_save(const struct stream *st);
void stream_restore(struct stream *st, const struct sound_saved_stream *saved);

/* Transfers. */
int transfer_queue_start(struct sound *s, struct queue *q);
void transfer_queue_stop(struct sound *s, struct queue *q);
int transfer_handle_queue(struct sound *s, struct queue *q);
void transfer_move(struct stream *st);     /* as far as it goes now, and asks to be woken */
void transfer_give_back(struct stream *st); /* all of a stream, as failed, and tells the driver */

/* Events. */
void event_xrun(struct stream *st);
int event_send(struct sound *s);       /* in the queue's handler */
void event_try_send(struct sound *s);  /* elsewhere */
