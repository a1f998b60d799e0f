/* SPDX-License-Identifier: MPL-2.0 */
#include "sound-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/macros.h"
#include "need.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define ANSWER_BYTES 4096U
#define FRAME_BYTES 4U

void sound_driver_start(struct sound_driver *g, const char *socket_path, bool packed)
{
        struct vhost_driver_options options = {
                .features_wanted = (RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED)) &
                                    ~FEATURE(VIRTIO_FEATURE_IN_ORDER)) | FEATURE(SOUND_FEATURE_CTLS),
                .memory_bytes = 16 << 20,
                .n_queues = 4,
                .queue_size = 256,
                .indirect_max = 8,
                .inflight = true,
        };

        need(vhost_driver_start(&g->d, socket_path, &options) == 0);
        g->request = vhost_driver_alloc(&g->d, ANSWER_BYTES, 64);
        g->answer = vhost_driver_alloc(&g->d, ANSWER_BYTES, 64);
        g->event = vhost_driver_alloc(&g->d, sizeof(struct virtio_snd_event), 64);
        need(g->request && g->answer && g->event);
}

void sound_driver_stop(struct sound_driver *g) { vhost_driver_stop(&g->d); }

void sound_driver_reconnect(struct sound_driver *g, const char *socket_path)
{
        need(vhost_driver_reconnect(&g->d, socket_path) == 0);
}

uint32_t sound_ask(struct sound_driver *g, const void *request, uint32_t n_request, uint32_t n_answer)
{
        struct driver_buffer buffers[] = { { g->request, n_request, false }, { g->answer, n_answer, true } };
        struct virtio_snd_hdr answer;
        uint32_t len;
        void *cookie;

        need(n_request <= ANSWER_BYTES && n_answer <= ANSWER_BYTES);
        memcpy(vhost_driver_pointer(&g->d, g->request), request, n_request);
        need(driver_queue_add(&g->d.queues[SOUND_CONTROL], buffers, 2, NULL) == 0);
        (void) driver_queue_kick(&g->d.queues[SOUND_CONTROL]);
        need(vhost_driver_wait(&g->d, SOUND_CONTROL, WAIT_MS, &cookie, &len) == 1);
        memcpy(&answer, vhost_driver_pointer(&g->d, g->answer), sizeof(answer));
        return le32toh(answer.code);
}

uint32_t sound_ask_stream(struct sound_driver *g, uint32_t stream, uint32_t code)
{
        struct virtio_snd_pcm_hdr head = { { htole32(code) }, htole32(stream) };

        return sound_ask(g, &head, sizeof(head), 4);
}

void sound_event_give(struct sound_driver *g)
{
        struct driver_buffer buffer = { g->event, sizeof(struct virtio_snd_event), true };

        need(driver_queue_add(&g->d.queues[SOUND_EVENT], &buffer, 1, NULL) == 0);
        (void) driver_queue_kick(&g->d.queues[SOUND_EVENT]);
        (void) driver_queue_arm(&g->d.queues[SOUND_EVENT]);
}

uint32_t sound_event_take(struct sound_driver *g)
{
        struct virtio_snd_event event;
        uint32_t len;
        void *cookie;

        if (driver_queue_get(&g->d.queues[SOUND_EVENT], &cookie, &len) != 1)
                return 0;
        memcpy(&event, vhost_driver_pointer(&g->d, g->event), sizeof(event));
        sound_event_give(g);
        return le32toh(event.hdr.code);
}

void sound_pcm_open(struct sound_pcm *p, struct sound_driver *g, uint32_t stream, bool capture, uint32_t n_buffers,
                    uint32_t buffer_bytes)
{
        struct virtio_snd_pcm_set_params params = {
                .hdr = { { htole32(VIRTIO_SND_R_PCM_SET_PARAMS) }, htole32(stream) },
                .buffer_bytes = htole32(n_buffers * buffer_bytes),
                .period_bytes = htole32(buffer_bytes),
                .features = htole32(1U << VIRTIO_SND_PCM_F_EVT_XRUNS),
                .channels = 2,
                .format = VIRTIO_SND_PCM_FMT_S16,
                .rate = VIRTIO_SND_PCM_RATE_48000,
        };

        *p = (struct sound_pcm) { .guest = g, .stream = stream, .capture = capture, .n_buffers = n_buffers,
                                  .buffer_bytes = buffer_bytes };
        p->buffers = calloc(n_buffers, sizeof(*p->buffers));
        need(p->buffers);
        for (uint32_t i = 0; i < n_buffers; i++) {
                struct sound_buffer *b = &p->buffers[i];
                uint32_t head = htole32(stream);

                b->index = i;
                b->head = vhost_driver_alloc(&g->d, 4, 64);
                b->status = vhost_driver_alloc(&g->d, 8, 64);
                b->frames = vhost_driver_alloc(&g->d, buffer_bytes, 64);
                need(b->head && b->status && b->frames);
                memcpy(vhost_driver_pointer(&g->d, b->head), &head, 4);
        }
        need(sound_ask(g, &params, sizeof(params), 4) == VIRTIO_SND_S_OK);
        need(sound_ask_stream(g, stream, VIRTIO_SND_R_PCM_PREPARE) == VIRTIO_SND_S_OK);
}

void sound_pcm_close(struct sound_pcm *p)
{
        free(p->buffers);
        p->buffers = NULL;
}

int16_t *sound_pcm_frames(struct sound_pcm *p, uint32_t i)
{
        return vhost_driver_pointer(&p->guest->d, p->buffers[i].frames);
}

void sound_pcm_add(struct sound_pcm *p, uint32_t i)
{
        struct sound_buffer *b = &p->buffers[i];
        struct driver_buffer buffers[] = { { b->head, 4, false },
                                           { b->frames, p->buffer_bytes, p->capture },
                                           { b->status, 8, true } };

        b->sent_ns = clock_now_ns();
        need(driver_queue_add(&p->guest->d.queues[p->capture ? SOUND_RX : SOUND_TX], buffers, 3, b) == 0);
}

void sound_pcm_kick(struct sound_pcm *p)
{
        (void) driver_queue_kick(&p->guest->d.queues[p->capture ? SOUND_RX : SOUND_TX]);
}

uint32_t sound_pcm_wait(struct sound_pcm *p, uint32_t *ret_i)
{
        struct virtio_snd_pcm_status status;
        struct sound_buffer *b;
        uint32_t len;
        void *cookie;

        need(vhost_driver_wait(&p->guest->d, p->capture ? SOUND_RX : SOUND_TX, WAIT_MS, &cookie, &len) == 1);
        b = cookie;
        b->back_ns = clock_now_ns();
        memcpy(&status, vhost_driver_pointer(&p->guest->d, b->status), sizeof(status));
        b->latency_bytes = le32toh(status.latency_bytes);
        *ret_i = b->index;
        return le32toh(status.status);
}
