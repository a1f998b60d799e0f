/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/format.h"
#include "base/log.h"
#include "base/macros.h"
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

static int set_up_with(void **state, uint64_t features)
{
        struct sound_guest *g = malloc(sizeof(*g));

        log_set_level(LOG_LEVEL_ERROR);
        assert_int_equal(sound_guest_init(g, features, NULL), 0);
        *state = g;
        return 0;
}

static int set_up(void **state) { return set_up_with(state, CTLS); }
static int set_up_packed(void **state) { return set_up_with(state, CTLS | FEATURE(VIRTIO_FEATURE_RING_PACKED)); }

static int tear_down(void **state)
{
        sound_guest_deinit(*state);
        free(*state);
        return 0;
}

/* ---- what a driver does ---- */

/* Return: the status; @ret_len of the answer. */
static uint32_t ask(struct sound_guest *g, const void *request, uint32_t n_request, uint32_t n_answer, uint32_t *ret_len)
{
        struct driver_buffer buffers[] = { { GUEST_REQUEST, n_request, false }, { GUEST_ANSWER, n_answer, true } };
        uint32_t status, len = 0;
        void *cookie;

        memcpy(g->memory + GUEST_REQUEST, request, n_request);
        memset(g->memory + GUEST_ANSWER, 0xaa, n_answer);
        assert_int_equal(sound_guest_send(g, CONTROL, buffers, 2, NULL), 0);
        assert_int_equal(driver_queue_get(&g->queues[CONTROL], &cookie, &len), 1);
        memcpy(&status, g->memory + GUEST_ANSWER, sizeof(status));
        if (ret_len)
                *ret_len = len;
        return le32toh(status);
}

static uint32_t ask_items(struct sound_guest *g, uint32_t code, uint32_t first, uint32_t count, uint32_t size, uint32_t n_answer)
{
        struct virtio_snd_query_info query = { { htole32(code) }, htole32(first), htole32(count), htole32(size) };

        return ask(g, &query, sizeof(query), n_answer, NULL);
}

static uint32_t ask_stream(struct sound_guest *g, uint32_t stream, uint32_t code)
{
        struct virtio_snd_pcm_hdr head = { { htole32(code) }, htole32(stream) };

        return ask(g, &head, sizeof(head), 4, NULL);
}

static struct virtio_snd_pcm_set_params params_of(uint32_t stream)
{
        return (struct virtio_snd_pcm_set_params) {
                .hdr = { { htole32(VIRTIO_SND_R_PCM_SET_PARAMS) }, htole32(stream) },
                .buffer_bytes = htole32(4 * PERIOD_BYTES),
                .period_bytes = htole32(PERIOD_BYTES),
                .features = htole32(1U << VIRTIO_SND_PCM_F_EVT_XRUNS),
                .channels = 2,
                .format = VIRTIO_SND_PCM_FMT_S16,
                .rate = VIRTIO_SND_PCM_RATE_48000,
        };
}

static void prepare(struct sound_guest *g, uint32_t stream)
{
        struct virtio_snd_pcm_set_params p = params_of(stream);

        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), OK);
        assert_int_equal(ask_stream(g, stream, VIRTIO_SND_R_PCM_PREPARE), OK);
}

/* A place in memory for each buffer: head, status, frames. */
#define SLOT_BYTES 0x4000U
static uint32_t slot(unsigned i) { return GUEST_FRAMES + i * SLOT_BYTES; }

static void send_frames(struct sound_guest *g, uint32_t stream, unsigned i, const void *frames, uint32_t n_bytes)
{
        uint32_t head = htole32(stream);
        struct driver_buffer buffers[] = { { slot(i), 4, false }, { slot(i) + 64, n_bytes, false }, { slot(i) + 32, 8, true } };

        memcpy(g->memory + slot(i), &head, 4);
        memcpy(g->memory + slot(i) + 64, frames, n_bytes);
        assert_int_equal(sound_guest_send(g, TX, buffers, 3, (void *) (uintptr_t) (i + 1)), 0);
}

static void give_frames(struct sound_guest *g, uint32_t stream, unsigned i, uint32_t n_bytes)
{
        uint32_t head = htole32(stream);
        struct driver_buffer buffers[] = { { slot(i), 4, false }, { slot(i) + 64, n_bytes, true }, { slot(i) + 32, 8, true } };

        memcpy(g->memory + slot(i), &head, 4);
        assert_int_equal(sound_guest_send(g, RX, buffers, 3, (void *) (uintptr_t) (i + 1)), 0);
}

/* The next buffer that came back is number @i, with this status. Return: its latency. */
static uint32_t expect_back(struct sound_guest *g, unsigned queue, unsigned i, uint32_t status, uint32_t n_written)
{
        struct virtio_snd_pcm_status answer;
        uint32_t len = 0;
        void *cookie = NULL;

        assert_int_equal(driver_queue_get(&g->queues[queue], &cookie, &len), 1);
        assert_int_equal((uintptr_t) cookie, i + 1);
        assert_int_equal(len, n_written);
        memcpy(&answer, g->memory + slot(i) + 32, sizeof(answer));
        assert_int_equal(le32toh(answer.status), status);
        return le32toh(answer.latency_bytes);
}

static void expect_none_back(struct sound_guest *g, unsigned queue)
{
        uint32_t len;
        void *cookie;

        sound_guest_settle(g);
        assert_int_equal(driver_queue_get(&g->queues[queue], &cookie, &len), 0);
}

static void noise(int16_t *frames, size_t n)
{
        static uint32_t x = 1;

        for (size_t i = 0; i < n; i++) {
                x = x * 1664525 + 1013904223;
                frames[i] = (int16_t) (x >> 16);
        }
}

static void assert_heard(const struct sound_guest *g, const int16_t *frames)
{
        int16_t heard[GUEST_PERIOD * 2];

        samples_encode(SAMPLE_S16, g->out, heard, ARRAY_SIZE(heard));
        assert_memory_equal(heard, frames, sizeof(heard));
}

/* ---- what there is ---- */

static void config_says_what_there_is(void **state)
{
        struct sound_guest *g = *state;
        struct sound_config config;

        assert_int_equal(device_config_size(g->dev), sizeof(config));
        assert_int_equal(device_config_read(g->dev, 0, &config, sizeof(config)), 0);
        assert_int_equal(le32toh(config.jacks), 2);
        assert_int_equal(le32toh(config.streams), 3);
        assert_int_equal(le32toh(config.chmaps), 4);
        assert_int_equal(le32toh(config.controls), 6);
}

static void every_item_can_be_asked_for(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_jack_info jack;
        struct virtio_snd_pcm_info pcm[3];
        struct virtio_snd_chmap_info map[4];
        struct sound_ctl_info element[6];

        assert_int_equal(ask_items(g, VIRTIO_SND_R_JACK_INFO, 1, 1, sizeof(jack), 4 + sizeof(jack)), OK);
        memcpy(&jack, g->memory + GUEST_ANSWER + 4, sizeof(jack));
        assert_int_equal(jack.connected, 1);
        assert_int_equal(le32toh(jack.hda_reg_defconf) >> 20 & 15, 10);

        assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, 0, 3, sizeof(pcm[0]), 4 + sizeof(pcm)), OK);
        memcpy(pcm, g->memory + GUEST_ANSWER + 4, sizeof(pcm));
        assert_int_equal(pcm[OUT1].direction, VIRTIO_SND_D_OUTPUT);
        assert_int_equal(pcm[IN0].direction, VIRTIO_SND_D_INPUT);
        assert_int_equal(pcm[IN0].channels_max, 2);
        assert_true(le64toh(pcm[0].formats) & 1U << VIRTIO_SND_PCM_FMT_FLOAT);
        assert_true(le64toh(pcm[0].rates) & 1U << VIRTIO_SND_PCM_RATE_192000);

        assert_int_equal(ask_items(g, VIRTIO_SND_R_CHMAP_INFO, 0, 4, sizeof(map[0]), 4 + sizeof(map)), OK);
        memcpy(map, g->memory + GUEST_ANSWER + 4, sizeof(map));
        assert_int_equal(map[0].channels, 1);
        assert_int_equal(map[1].channels, 2);
        assert_int_equal(map[1].positions[1], VIRTIO_SND_CHMAP_FR);
        assert_int_equal(map[3].direction, VIRTIO_SND_D_INPUT);

        assert_int_equal(ask_items(g, SOUND_R_CTL_INFO, 0, 6, sizeof(element[0]), 4 + sizeof(element)), OK);
        memcpy(element, g->memory + GUEST_ANSWER + 4, sizeof(element));
        assert_string_equal((char *) element[2].name, "PCM Playback Volume");
        assert_int_equal(le32toh(element[2].index), 1);
        assert_string_equal((char *) element[5].name, "Capture Switch");
        assert_int_equal(le32toh(element[5].index), 0);
        assert_int_equal(le32toh(element[0].value.integer.max), 127);
}

static void items_of_a_driver_that_knows_less_or_more_fit(void **state)
{
        struct sound_guest *g = *state;
        uint8_t answer[3 * 64];

        assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, 0, 3, 8, 4 + 3 * 8), OK);
        assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, 0, 3, 64, 4 + 3 * 64), OK);
        memcpy(answer, g->memory + GUEST_ANSWER + 4, sizeof(answer));
        assert_int_equal(answer[2 * 64 + 24], VIRTIO_SND_D_INPUT);
        assert_int_equal(answer[2 * 64 + 63], 0);
}

static void bad_input_11_info_ranges_that_overflow(void **state)
{
        struct sound_guest *g = *state;
        static const struct {
                uint32_t first, count, size, n_answer;
        } wrong[] = {
                { 0, 4, 32, 4096 },          { 3, 1, 32, 4096 },         { 1, UINT32_MAX, 32, 4096 },
                { UINT32_MAX, 1, 32, 4096 }, { UINT32_MAX, 2, 32, 4096 }, { 0, 3, 32, 4 + 95 },
                { 0, 3, UINT32_MAX, 4096 },  { 0, 3, 0x55555556, 4096 }, { 0, 3, 0, 4096 },
                { 0, 1, 32, 4 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, wrong[i].first, wrong[i].count, wrong[i].size,
                                           wrong[i].n_answer), BAD);
        assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, 3, 0, 32, 4), OK);
}

static void requests_that_are_none_are_answered_so(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_jack_remap remap = { .hdr = { { htole32(VIRTIO_SND_R_JACK_REMAP) }, htole32(1) } };
        uint32_t code = htole32(0x7777);

        assert_int_equal(ask(g, &code, 4, 4, NULL), NOT_SUPP);
        assert_int_equal(ask(g, &code, 3, 4, NULL), BAD);
        code = htole32(VIRTIO_SND_R_PCM_START);
        assert_int_equal(ask(g, &code, 4, 4, NULL), BAD);
        assert_int_equal(ask(g, &remap, sizeof(remap), 4, NULL), NOT_SUPP);
        assert_int_equal(ask(g, &remap, 8, 4, NULL), BAD);
        remap.hdr.jack_id = htole32(2);
        assert_int_equal(ask(g, &remap, sizeof(remap), 4, NULL), BAD);
        assert_int_equal(ask_stream(g, 3, VIRTIO_SND_R_PCM_START), BAD);
        assert_int_equal(ask_stream(g, UINT32_MAX, VIRTIO_SND_R_PCM_RELEASE), BAD);
        assert_int_equal(g->n_needs_reset, 0);
}

static void a_request_without_room_for_its_answer_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer buffers[] = { { GUEST_REQUEST, 8, false }, { GUEST_ANSWER, 3, true } };

        assert_int_equal(sound_guest_send(g, CONTROL, buffers, 2, NULL), 0);
        assert_int_equal(g->n_needs_reset, 1);
        expect_none_back(g, CONTROL);
}

/* ---- states ---- */

static void bad_input_11_a_period_larger_than_the_buffer(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params p = params_of(OUT0);

        p.period_bytes = htole32(8 * PERIOD_BYTES);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), BAD);
        p.period_bytes = htole32(3 * PERIOD_BYTES);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), BAD);
        p.period_bytes = 0;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), BAD);
        p.buffer_bytes = 0;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), BAD);
        p.buffer_bytes = p.period_bytes = htole32(6);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), BAD);
        p.buffer_bytes = p.period_bytes = htole32(UINT32_MAX & ~3U);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_PREPARE), BAD);
}

static void parameters_that_are_not_offered_are_refused(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params good = params_of(OUT0), p = good;

        p.channels = 3;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p.channels = 0;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p = good;
        p.format = VIRTIO_SND_PCM_FMT_IMA_ADPCM;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p.format = 255;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p = good;
        p.rate = VIRTIO_SND_PCM_RATE_384000;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p.rate = 255;
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        p = good;
        p.features = htole32(1U << VIRTIO_SND_PCM_F_SHMEM_HOST);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), NOT_SUPP);
        assert_int_equal(ask(g, &p, sizeof(p) - 1, 4, NULL), BAD);
}

static void states_allow_what_the_specification_allows(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params p = params_of(OUT0);
        static const uint32_t requests[] = { VIRTIO_SND_R_PCM_SET_PARAMS, VIRTIO_SND_R_PCM_PREPARE, VIRTIO_SND_R_PCM_START,
                                             VIRTIO_SND_R_PCM_STOP, VIRTIO_SND_R_PCM_RELEASE };
        /* How to come to each state, and which of the requests it allows. */
        static const struct {
                uint8_t path[5], n_path;
                bool allowed[5];
        } states[] = {
                { { 0 }, 0, { true, false, false, false, false } },
                { { 0 }, 1, { true, true, false, false, false } },
                { { 0, 1 }, 2, { true, true, true, false, true } },
                { { 0, 1, 2 }, 3, { false, false, false, true, false } },
                { { 0, 1, 2, 3 }, 4, { false, false, true, false, true } },
                { { 0, 1, 2, 3, 4 }, 5, { true, true, false, false, false } },
        };

        for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
                for (size_t k = 0; k < ARRAY_SIZE(requests); k++) {
                        uint32_t r = OK;

                        sound_guest_deinit(g);
                        assert_int_equal(sound_guest_init(g, CTLS, NULL), 0);
                        for (size_t n = 0; n <= states[i].n_path; n++) {
                                size_t request = n < states[i].n_path ? states[i].path[n] : k;

                                assert_int_equal(r, OK);
                                r = request == 0 ? ask(g, &p, sizeof(p), 4, NULL) : ask_stream(g, OUT0, requests[request]);
                        }
                        assert_int_equal(r, states[i].allowed[k] ? OK : BAD);
                }
        }
}

static void bad_input_11_stop_without_start(void **state)
{
        struct sound_guest *g = *state;

        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), BAD);
        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), BAD);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), BAD);
}

static void bad_input_11_a_stream_that_never_gets_buffers(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2];

        prepare(g, OUT0);
        prepare(g, OUT1);
        prepare(g, IN0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(ask_stream(g, OUT1, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 100; i++) {
                noise(frames, ARRAY_SIZE(frames));
                send_frames(g, OUT1, 0, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                assert_heard(g, frames);
                expect_back(g, TX, 0, OK, 8);
        }
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_RELEASE), OK);
}

/* ---- frames ---- */

static void a_buffer_comes_back_when_its_last_frame_is_played(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[4][GUEST_PERIOD * 2];
        uint32_t latency;

        prepare(g, OUT0);
        for (unsigned i = 0; i < 4; i++) {
                noise(frames[i], GUEST_PERIOD * 2);
                send_frames(g, OUT0, i, frames[i], PERIOD_BYTES);
        }
        sound_guest_mix(g);
        expect_none_back(g, TX);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 4; i++) {
                expect_none_back(g, TX);
                sound_guest_mix(g);
                assert_heard(g, frames[i]);
                latency = expect_back(g, TX, i, OK, 8);
                assert_in_range(latency, 1, PERIOD_BYTES);
        }
        expect_none_back(g, TX);
}

static void buffers_of_any_size_and_shape_are_one_stream(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2];
        uint32_t at = slot(0) + 64, head = htole32(OUT0);
        /* The head split in two, the frames in the midst of samples. */
        struct driver_buffer buffers[] = { { slot(0), 1, false },       { slot(0) + 1, 3, false },      { at, 3, false },
                                           { at + 3, 5, false },        { at + 8, 401, false },         { at + 409, PERIOD_BYTES - 409, false },
                                           { slot(0) + 32, 2, true },   { slot(0) + 34, 6, true } };

        prepare(g, OUT0);
        noise(frames, ARRAY_SIZE(frames));
        memcpy(g->memory + slot(0), &head, 4);
        memcpy(g->memory + at, frames, sizeof(frames));
        assert_int_equal(sound_guest_send(g, TX, buffers, ARRAY_SIZE(buffers), (void *) 1), 0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        assert_heard(g, frames);
        expect_back(g, TX, 0, OK, 8);
}

static void streams_of_one_guest_do_not_wait_for_each_other(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2];

        prepare(g, OUT0);
        prepare(g, OUT1);
        noise(frames, ARRAY_SIZE(frames));
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        send_frames(g, OUT1, 1, frames, PERIOD_BYTES);
        assert_int_equal(ask_stream(g, OUT1, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_back(g, TX, 1, OK, 8);
        expect_none_back(g, TX);
}

static void more_than_the_buffer_waits_its_turn(void **state)
{
        struct sound_guest *g = *state;
        static int16_t frames[10][GUEST_PERIOD * 8];

        prepare(g, OUT0);
        for (unsigned i = 0; i < 10; i++) {
                noise(frames[i], GUEST_PERIOD * 8);
                send_frames(g, OUT0, i, frames[i], 4 * PERIOD_BYTES);
        }
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 40; i++) {
                sound_guest_mix(g);
                assert_heard(g, &frames[i / 4][i % 4 * GUEST_PERIOD * 2]);
                if (i % 4 == 3)
                        expect_back(g, TX, i / 4, OK, 8);
                expect_none_back(g, TX);
        }
}

static void release_completes_all_that_is_pending_first(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };
        uint32_t len;
        void *cookie;
        struct virtio_snd_pcm_hdr head = { { htole32(VIRTIO_SND_R_PCM_RELEASE) }, htole32(OUT0) };
        struct driver_buffer request[] = { { GUEST_REQUEST, sizeof(head), false }, { GUEST_ANSWER, 4, true } };
        struct driver_buffer last[] = { { slot(2), 4, false }, { slot(2) + 64, PERIOD_BYTES, false }, { slot(2) + 32, 8, true } };

        prepare(g, OUT0);
        prepare(g, OUT1);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        send_frames(g, OUT1, 1, frames, PERIOD_BYTES);
        /* One that the device has not seen yet when the request comes. */
        assert_int_equal(driver_queue_add(&g->queues[TX], last, 3, (void *) 3), 0);
        g->queues[TX].kick_fd = -1;
        (void) driver_queue_kick(&g->queues[TX]);
        memset(g->memory + slot(2), 0, 4);
        memcpy(g->memory + GUEST_REQUEST, &head, sizeof(head));
        assert_int_equal(sound_guest_send(g, CONTROL, request, 2, NULL), 0);
        assert_int_equal(driver_queue_get(&g->queues[CONTROL], &cookie, &len), 1);
        expect_back(g, TX, 0, IO_ERR, 8);
        expect_back(g, TX, 2, IO_ERR, 8);
        expect_none_back(g, TX);
}

static void frames_for_no_stream_fail(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };

        send_frames(g, OUT0, 0, frames, PERIOD_BYTES); /* has no parameters */
        expect_back(g, TX, 0, IO_ERR, 8);
        send_frames(g, 3, 0, frames, PERIOD_BYTES); /* is none */
        expect_back(g, TX, 0, IO_ERR, 8);
        send_frames(g, UINT32_MAX, 0, frames, PERIOD_BYTES);
        expect_back(g, TX, 0, IO_ERR, 8);
        prepare(g, IN0);
        send_frames(g, IN0, 0, frames, PERIOD_BYTES); /* records */
        expect_back(g, TX, 0, IO_ERR, 8);
        prepare(g, OUT0);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES - 1); /* part of a frame */
        expect_back(g, TX, 0, IO_ERR, 8);
        give_frames(g, OUT0, 0, PERIOD_BYTES); /* plays */
        expect_back(g, RX, 0, IO_ERR, PERIOD_BYTES + 8);
        assert_int_equal(g->n_needs_reset, 0);
}

static void bad_input_11_status_sized_receive_buffers(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer only[] = { { slot(0), 4, false }, { slot(0) + 32, 8, true } };
        struct driver_buffer less[] = { { slot(0), 4, false }, { slot(0) + 32, 7, true } };

        prepare(g, IN0);
        memset(g->memory + slot(0), 0, 64);
        g->memory[slot(0)] = IN0;
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_START), OK);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(sound_guest_send(g, RX, only, 2, (void *) 1), 0);
                expect_back(g, RX, 0, IO_ERR, 8);
        }
        assert_int_equal(sound_guest_send(g, TX, only, 2, (void *) 1), 0);
        expect_back(g, TX, 0, IO_ERR, 8);
        assert_int_equal(g->n_needs_reset, 0);
        assert_int_equal(sound_guest_send(g, RX, less, 2, NULL), 0);
        assert_int_equal(g->n_needs_reset, 1);
        sound_guest_mix(g);
}

/* The same memory again and again: what is refused is filled with zeroes, which would take minutes. */
static void bad_input_11_a_receive_buffer_larger_than_any(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer buffers[19] = { { slot(0), 4, false } };

        for (size_t i = 1; i < 18; i++)
                buffers[i] = (struct driver_buffer) { GUEST_REQUEST, 1U << 20, true };
        buffers[18] = (struct driver_buffer) { slot(0) + 32, 8, true };
        assert_int_equal(sound_guest_send(g, RX, buffers, 19, NULL), 0);
        assert_int_equal(g->n_needs_reset, 1);
}

static void a_buffer_without_a_head_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer buffers[] = { { slot(0), 3, false }, { slot(0) + 32, 8, true } };

        prepare(g, OUT0);
        assert_int_equal(sound_guest_send(g, TX, buffers, 2, NULL), 0);
        assert_int_equal(g->n_needs_reset, 1);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_RELEASE), OK);
}

static void recording_returns_what_is_heard(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2], silence[GUEST_PERIOD * 2] = { 0 };

        prepare(g, OUT0);
        prepare(g, IN0);
        for (unsigned i = 0; i < 4; i++)
                give_frames(g, IN0, 10 + i, 2 * PERIOD_BYTES);
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_none_back(g, RX);
        for (unsigned i = 0; i < 4; i++) {
                noise(frames, ARRAY_SIZE(frames));
                send_frames(g, OUT0, i, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                expect_back(g, RX, 10 + i, OK, 2 * PERIOD_BYTES + 8);
                assert_memory_equal(g->memory + slot(10 + i) + 64, silence, PERIOD_BYTES);
                assert_memory_equal(g->memory + slot(10 + i) + 64 + PERIOD_BYTES, frames, PERIOD_BYTES);
                sound_guest_mix(g);
        }
        give_frames(g, IN0, 10, PERIOD_BYTES);
        expect_back(g, RX, 10, OK, PERIOD_BYTES + 8);
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_STOP), OK);
        give_frames(g, IN0, 11, PERIOD_BYTES);
        expect_none_back(g, RX);
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_RELEASE), OK);
        expect_back(g, RX, 11, IO_ERR, PERIOD_BYTES + 8);
}

static void another_rate_is_played_in_the_same_time(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params p = params_of(OUT0);
        int16_t frames[441];
        double peak = 0;

        p.channels = 1;
        p.rate = VIRTIO_SND_PCM_RATE_44100;
        p.buffer_bytes = htole32(441 * 2 * 4);
        p.period_bytes = htole32(441 * 2);
        assert_int_equal(ask(g, &p, sizeof(p), 4, NULL), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_PREPARE), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 4; i++) {
                for (int k = 0; k < 441; k++)
                        frames[k] = (int16_t) (16384 * sin(2 * M_PI * 1000 / 44100 * (double) (441 * (int) i + k)));
                send_frames(g, OUT0, i, frames, sizeof(frames));
        }
        /* 40 ms: 8 periods. */
        for (unsigned i = 0; i < 8; i++) {
                sound_guest_mix(g);
                for (size_t k = 0; k < GUEST_PERIOD && i > 0 && i < 7; k++) {
                        peak = MAX(peak, fabs(g->out[2 * k]));
                        assert_true(g->out[2 * k] == g->out[2 * k + 1]);
                }
        }
        assert_true(peak > 0.49 && peak < 0.51);
        for (unsigned i = 0; i < 4; i++)
                expect_back(g, TX, i, OK, 8);
}

/* ---- events ---- */

static void give_event_buffer(struct sound_guest *g, uint32_t n)
{
        struct driver_buffer buffer = { GUEST_ANSWER + 0x1000, n, true };

        assert_int_equal(sound_guest_send(g, EVENT, &buffer, 1, NULL), 0);
}

static void going_on_after_a_gap_is_an_xrun_and_an_end_is_none(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_event event;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };
        uint32_t len = 0;
        void *cookie;

        give_event_buffer(g, 8);
        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        for (int i = 0; i < 3; i++)
                sound_guest_mix(g);
        expect_none_back(g, EVENT);
        send_frames(g, OUT0, 1, frames, PERIOD_BYTES);
        assert_int_equal(driver_queue_get(&g->queues[EVENT], &cookie, &len), 1);
        assert_int_equal(len, sizeof(event));
        memcpy(&event, g->memory + GUEST_ANSWER + 0x1000, sizeof(event));
        assert_int_equal(le32toh(event.hdr.code), VIRTIO_SND_EVT_PCM_XRUN);
        assert_int_equal(le32toh(event.data), OUT0);
}

static void events_wait_for_buffers(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };
        uint32_t len = 0;
        void *cookie;

        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 3; i++) {
                send_frames(g, OUT0, i, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                sound_guest_mix(g);
        }
        give_event_buffer(g, 8);
        assert_int_equal(driver_queue_get(&g->queues[EVENT], &cookie, &len), 1);
        give_event_buffer(g, 8);
        expect_none_back(g, EVENT);
}

static void an_event_buffer_that_is_too_small_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };

        give_event_buffer(g, 7);
        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        for (unsigned i = 0; i < 2; i++) {
                send_frames(g, OUT0, i, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                sound_guest_mix(g);
        }
        assert_int_equal(g->n_needs_reset, 1);
}

/* ---- control elements ---- */

static uint32_t write_element(struct sound_guest *g, uint32_t id, uint32_t value)
{
        struct {
                struct sound_ctl_hdr head;
                uint32_t value[128];
        } request = { { htole32(SOUND_R_CTL_WRITE), htole32(id) }, { htole32(value) } };

        return ask(g, &request, sizeof(request), 4, NULL);
}

static uint32_t read_element(struct sound_guest *g, uint32_t id)
{
        struct sound_ctl_hdr head = { htole32(SOUND_R_CTL_READ), htole32(id) };
        uint32_t value, len;

        assert_int_equal(ask(g, &head, sizeof(head), 4 + SOUND_CTL_VALUE_BYTES, &len), OK);
        assert_int_equal(len, 4 + SOUND_CTL_VALUE_BYTES);
        memcpy(&value, g->memory + GUEST_ANSWER + 4, sizeof(value));
        return le32toh(value);
}

static void volume_and_mute_are_heard(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2];

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = 16384;
        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(read_element(g, 0), 127);
        assert_int_equal(read_element(g, 1), 1);
        assert_int_equal(write_element(g, 0, 127 - 12), OK);
        assert_int_equal(read_element(g, 0), 115);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        sound_guest_mix(g);
        assert_true(fabs(g->out[2 * GUEST_PERIOD - 1] - 0.5 * pow(10, -6.0 / 20)) < 1e-9);
        assert_int_equal(write_element(g, 1, 0), OK);
        send_frames(g, OUT0, 1, frames, PERIOD_BYTES);
        sound_guest_mix(g);
        assert_true(g->out[2 * GUEST_PERIOD - 1] == 0);
        assert_int_equal(read_element(g, 1), 0);
        assert_int_equal(read_element(g, 3), 1);
}

static void elements_refuse_what_they_are_not(void **state)
{
        struct sound_guest *g = *state;
        struct sound_ctl_hdr head = { htole32(SOUND_R_CTL_TLV_READ), 0 };
        struct sound_tlv_db_scale tlv;
        uint32_t len;

        assert_int_equal(write_element(g, 0, 128), BAD);
        assert_int_equal(write_element(g, 1, 2), BAD);
        assert_int_equal(write_element(g, 6, 0), BAD);
        assert_int_equal(ask(g, &head, sizeof(head), 4 + sizeof(tlv), &len), OK);
        memcpy(&tlv, g->memory + GUEST_ANSWER + 4, sizeof(tlv));
        assert_int_equal(le32toh(tlv.length_bytes), 8);
        assert_int_equal(ask(g, &head, sizeof(head), 4 + 6, &len), OK);
        assert_int_equal(len, 10);
        head.control_id = htole32(1);
        assert_int_equal(ask(g, &head, sizeof(head), 4 + sizeof(tlv), NULL), NOT_SUPP);
        head.code = htole32(SOUND_R_CTL_ENUM_ITEMS);
        assert_int_equal(ask(g, &head, sizeof(head), 4 + 64, NULL), NOT_SUPP);
        head.code = htole32(SOUND_R_CTL_TLV_WRITE);
        assert_int_equal(ask(g, &head, sizeof(head), 4, NULL), NOT_SUPP);
        head.code = htole32(SOUND_R_CTL_READ);
        assert_int_equal(ask(g, &head, sizeof(head), 4 + 3, NULL), BAD);
}

static void without_the_feature_there_are_no_elements(void **state)
{
        struct sound_guest *g = *state;

        sound_guest_deinit(g);
        assert_int_equal(sound_guest_init(g, 0, NULL), 0);
        assert_int_equal(ask_items(g, SOUND_R_CTL_INFO, 0, 1, 96, 100), NOT_SUPP);
}

/* ---- pauses, restarts ---- */

static void a_pause_gives_buffers_back_and_they_are_heard_once(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[4][GUEST_PERIOD * 2];

        prepare(g, OUT0);
        for (unsigned i = 0; i < 4; i++) {
                noise(frames[i], GUEST_PERIOD * 2);
                send_frames(g, OUT0, i, frames[i], PERIOD_BYTES);
        }
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_back(g, TX, 0, OK, 8);
        queue_stop(&g->dev->queues[TX], NULL);
        sound_guest_mix(g);
        assert_true(g->out[0] == 0);
        assert_int_equal(sound_guest_start_queue(g, TX), 0);
        sound_guest_settle(g);
        for (unsigned i = 1; i < 4; i++) {
                sound_guest_mix(g);
                assert_heard(g, frames[i]);
                expect_back(g, TX, i, OK, 8);
        }
}

static void a_stream_goes_on_where_rings_go_on(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[2][GUEST_PERIOD * 2];

        prepare(g, OUT0);
        assert_int_equal(write_element(g, 2, 100), OK);
        for (unsigned i = 0; i < 2; i++) {
                noise(frames[i], GUEST_PERIOD * 2);
                send_frames(g, OUT0, i, frames[i], PERIOD_BYTES);
        }
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_back(g, TX, 0, OK, 8);
        device_reset(g->dev);
        assert_int_equal(device_start(g->dev, g->features), 0);
        for (uint16_t i = 0; i < GUEST_QUEUES; i++)
                assert_int_equal(sound_guest_start_queue(g, i), 0);
        sound_guest_settle(g);
        sound_guest_mix(g);
        assert_heard(g, frames[1]);
        expect_back(g, TX, 1, OK, 8);
        assert_int_equal(read_element(g, 2), 100);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
}

static void rings_that_begin_anew_have_no_past(void **state)
{
        struct sound_guest *g = *state;

        prepare(g, OUT0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        device_reset(g->dev);
        assert_int_equal(device_start(g->dev, g->features), 0);
        for (uint16_t i = 0; i < GUEST_QUEUES; i++) {
                int kick = g->queues[i].kick_fd, call = g->queues[i].call_fd;

                driver_queue_deinit(&g->queues[i]);
                assert_int_equal(driver_queue_init(&g->queues[i], g->space, 4096 + i * 0x10000U, g->features, GUEST_QUEUE_SIZE, 16), 0);
                g->queues[i].kick_fd = kick;
                g->queues[i].call_fd = call;
                assert_int_equal(sound_guest_start_queue(g, i), 0);
        }
        sound_guest_settle(g);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), BAD);
        prepare(g, OUT0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_PACKED(name) { #name "_on_a_packed_ring", name, set_up_packed, tear_down, NULL }

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(config_says_what_there_is),
                CASE(every_item_can_be_asked_for),
                CASE(items_of_a_driver_that_knows_less_or_more_fit),
                CASE(bad_input_11_info_ranges_that_overflow),
                CASE(requests_that_are_none_are_answered_so),
                CASE(a_request_without_room_for_its_answer_stops_the_queue),
                CASE(bad_input_11_a_period_larger_than_the_buffer),
                CASE(parameters_that_are_not_offered_are_refused),
                CASE(states_allow_what_the_specification_allows),
                CASE(bad_input_11_stop_without_start),
                CASE(bad_input_11_a_stream_that_never_gets_buffers),
                CASE(a_buffer_comes_back_when_its_last_frame_is_played),
                CASE_PACKED(a_buffer_comes_back_when_its_last_frame_is_played),
                CASE(buffers_of_any_size_and_shape_are_one_stream),
                CASE(streams_of_one_guest_do_not_wait_for_each_other),
                CASE_PACKED(streams_of_one_guest_do_not_wait_for_each_other),
                CASE(more_than_the_buffer_waits_its_turn),
                CASE(release_completes_all_that_is_pending_first),
                CASE(frames_for_no_stream_fail),
                CASE(bad_input_11_status_sized_receive_buffers),
                CASE(bad_input_11_a_receive_buffer_larger_than_any),
                CASE(a_buffer_without_a_head_stops_the_queue),
                CASE(recording_returns_what_is_heard),
                CASE(another_rate_is_played_in_the_same_time),
                CASE(going_on_after_a_gap_is_an_xrun_and_an_end_is_none),
                CASE(events_wait_for_buffers),
                CASE(an_event_buffer_that_is_too_small_stops_the_queue),
                CASE(volume_and_mute_are_heard),
                CASE(elements_refuse_what_they_are_not),
                CASE(without_the_feature_there_are_no_elements),
                CASE(a_pause_gives_buffers_back_and_they_are_heard_once),
                CASE_PACKED(a_pause_gives_buffers_back_and_they_are_heard_once),
                CASE(a_stream_goes_on_where_rings_go_on),
                CASE_PACKED(a_stream_goes_on_where_rings_go_on),
                CASE(rings_that_begin_anew_have_no_past),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
