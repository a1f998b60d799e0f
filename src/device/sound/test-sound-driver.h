/* SPDX-License-Identifier: MPL-2.0 */
/* For the tests of the sound card: what a driver does, asserted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "device/sound/test-sound-guest.h"
#include "virtio/features.h"

enum { CONTROL, EVENT, TX, RX };
enum { OUT0, OUT1, IN0 };

#define CTLS FEATURE(SOUND_FEATURE_CTLS)
#define OK VIRTIO_SND_S_OK
#define BAD VIRTIO_SND_S_BAD_MSG
#define NOT_SUPP VIRTIO_SND_S_NOT_SUPP
#define IO_ERR VIRTIO_SND_S_IO_ERR
#define FRAME_BYTES 4U /* 16 bits, two channels */
#define PERIOD_BYTES (GUEST_PERIOD * FRAME_BYTES)
#define SLOT_BYTES 0x4000U

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_PACKED(name) { #name "_on_a_packed_ring", name, set_up_packed, tear_down, NULL }

/* The state of a test is its struct sound_guest. */
int set_up(void **state);
int set_up_packed(void **state);
int tear_down(void **state);

/* Return: the status; @ret_len of the answer, which is at GUEST_ANSWER. */
uint32_t ask(struct sound_guest *g, const void *request, uint32_t n_request, uint32_t n_answer, uint32_t *ret_len);
uint32_t ask_items(struct sound_guest *g, uint32_t code, uint32_t first, uint32_t count, uint32_t size,
                   uint32_t n_answer);
uint32_t ask_stream(struct sound_guest *g, uint32_t stream, uint32_t code);

/* 48 kHz, two channels of 16 bits, four periods. */
struct virtio_snd_pcm_set_params params_of(uint32_t stream);
/* Return: the status. */
uint32_t set_params(struct sound_guest *g, const struct virtio_snd_pcm_set_params *p);
void prepare(struct sound_guest *g, uint32_t stream);
void start(struct sound_guest *g, uint32_t stream); /* prepares it, too */

/* A place in memory for each buffer: head, status, frames. */
uint32_t slot(unsigned i);
void send_frames(struct sound_guest *g, uint32_t stream, unsigned i, const void *frames, uint32_t n_bytes);
/* A period each into slots 0 to @n - 1; what they hold in @frames. */
void send_noise(struct sound_guest *g, uint32_t stream, unsigned n, int16_t frames[][GUEST_PERIOD * 2]);
void give_frames(struct sound_guest *g, uint32_t stream, unsigned i, uint32_t n_bytes);

/* The next buffer that came back is number @i, with this status. Return: its latency. */
uint32_t expect_back(struct sound_guest *g, unsigned queue, unsigned i, uint32_t status, uint32_t n_written);
void expect_none_back(struct sound_guest *g, unsigned queue);

void noise(int16_t *frames, size_t n);
void assert_heard(const struct sound_guest *g, const int16_t *frames);

void give_event_buffer(struct sound_guest *g, uint32_t n);

/* Return: the status; the value. */
uint32_t write_element(struct sound_guest *g, uint32_t id, uint32_t value);
uint32_t read_element(struct sound_guest *g, uint32_t id);
