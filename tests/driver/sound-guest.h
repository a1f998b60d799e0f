/* SPDX-License-Identifier: MPL-2.0 */
/* A guest's sound driver on a vhost-user device: as much of one as tests and benchmarks need.
   Failures end the process, or the case (need.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/sound/protocol.h"
#include "vhost/driver.h"

enum { SOUND_CONTROL, SOUND_EVENT, SOUND_TX, SOUND_RX };

struct sound_driver {
        struct vhost_driver d;
        gpa_t request, answer; /* of the control queue */
        gpa_t event;           /* the event queue's only buffer */
};

/* One stream of 16 bits and two channels at 48 kHz, whose buffers go round. */
struct sound_pcm {
        struct sound_driver *guest; /* borrowed */
        uint32_t stream;
        bool capture;
        uint32_t n_buffers, buffer_bytes;
        struct sound_buffer {
                gpa_t head, status, frames;
                uint64_t sent_ns, back_ns;
                uint32_t index, latency_bytes;
        } *buffers; /* owned */
};

void sound_driver_start(struct sound_driver *g, const char *socket_path, bool packed);
void sound_driver_stop(struct sound_driver *g); /* idempotent */
void sound_driver_reconnect(struct sound_driver *g, const char *socket_path);

/* Return: the status of the answer. */
uint32_t sound_ask(struct sound_driver *g, const void *request, uint32_t n_request, uint32_t n_answer);
uint32_t sound_ask_stream(struct sound_driver *g, uint32_t stream, uint32_t code);

/* Gives the device room for an event, and asks for a call when it comes. */
void sound_event_give(struct sound_driver *g);
/* Takes it, and gives its room back. Return: the VIRTIO_SND_EVT_*; 0: there is none. */
uint32_t sound_event_take(struct sound_driver *g);

/* SET_PARAMS and PREPARE. */
void sound_pcm_open(struct sound_pcm *p, struct sound_driver *g, uint32_t stream, bool capture, uint32_t n_buffers,
                    uint32_t buffer_bytes);
void sound_pcm_close(struct sound_pcm *p);
int16_t *sound_pcm_frames(struct sound_pcm *p, uint32_t i);
/* Adds buffer @i; not kicked. */
void sound_pcm_add(struct sound_pcm *p, uint32_t i);
void sound_pcm_kick(struct sound_pcm *p);
/* Waits for the next that is done. Return: its status; its index in *ret_i. */
uint32_t sound_pcm_wait(struct sound_pcm *p, uint32_t *ret_i);
