/* SPDX-License-Identifier: MPL-2.0 */
#include "device/sound/test-sound-driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "audio/format.h"
#include "base/log.h"
#include "base/macros.h"

static int set_up_with(void **state, uint64_t features)
{
        struct sound_guest *g = malloc(sizeof(*g));

        log_set_level(LOG_LEVEL_ERROR);
        assert_int_equal(sound_guest_init(g, features, NULL), 0);
        *state = g;
        return 0;
}

int set_up(void **state) { return set_up_with(state, CTLS); }
int set_up_packed(void **state) { return set_up_with(state, CTLS | FEATURE(VIRTIO_FEATURE_RING_PACKED)); }

int tear_down(void **state)
{
        sound_guest_deinit(*state);
        free(*state);
        return 0;
}

/* Return: the status; @ret_len of the answer. */
uint32_t ask(struct sound_guest *g, const void *request, uint32_t n_request, uint32_t n_answer, uint32_t *ret_len)
{
        struct driver_buffer buffers[] = { { GUEST_REQUEST, n_request, false }, { GUEST_ANSWER, n_answer, true } };
        uint32_t status, len = 0;
        void *cookie;

        memcpy(g->vm.memory + GUEST_REQUEST, request, n_request);
        memset(g->vm.memory + GUEST_ANSWER, 0xaa, n_answer);
        assert_int_equal(test_guest_send(&g->vm, CONTROL, buffers, 2, NULL), 0);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL], &cookie, &len), 1);
        memcpy(&status, g->vm.memory + GUEST_ANSWER, sizeof(status));
        if (ret_len)
                *ret_len = len;
        return le32toh(status);
}

uint32_t ask_items(struct sound_guest *g, uint32_t code, uint32_t first, uint32_t count, uint32_t size,
                   uint32_t n_answer)
{
        struct virtio_snd_query_info query = { { htole32(code) }, htole32(first), htole32(count), htole32(size) };

        return ask(g, &query, sizeof(query), n_answer, NULL);
}

uint32_t ask_stream(struct sound_guest *g, uint32_t stream, uint32_t code)
{
        struct virtio_snd_pcm_hdr head = { { htole32(code) }, htole32(stream) };

        return ask(g, &head, sizeof(head), 4, NULL);
}

struct virtio_snd_pcm_set_params params_of(uint32_t stream)
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

uint32_t set_params(struct sound_guest *g, const struct virtio_snd_pcm_set_params *p)
{
        return ask(g, p, sizeof(*p), 4, NULL);
}

void prepare(struct sound_guest *g, uint32_t stream)
{
        struct virtio_snd_pcm_set_params p = params_of(stream);

        assert_int_equal(set_params(g, &p), OK);
        assert_int_equal(ask_stream(g, stream, VIRTIO_SND_R_PCM_PREPARE), OK);
}

void start(struct sound_guest *g, uint32_t stream)
{
        prepare(g, stream);
        assert_int_equal(ask_stream(g, stream, VIRTIO_SND_R_PCM_START), OK);
}

uint32_t slot(unsigned i) { return GUEST_FRAMES + i * SLOT_BYTES; }

void send_frames(struct sound_guest *g, uint32_t stream, unsigned i, const void *frames, uint32_t n_bytes)
{
        uint32_t head = htole32(stream);
        struct driver_buffer buffers[] = { { slot(i), 4, false },
                                           { slot(i) + 64, n_bytes, false },
                                           { slot(i) + 32, 8, true } };

        memcpy(g->vm.memory + slot(i), &head, 4);
        memcpy(g->vm.memory + slot(i) + 64, frames, n_bytes);
        assert_int_equal(test_guest_send(&g->vm, TX, buffers, 3, (void *) (uintptr_t) (i + 1)), 0);
}

void give_frames(struct sound_guest *g, uint32_t stream, unsigned i, uint32_t n_bytes)
{
        uint32_t head = htole32(stream);
        struct driver_buffer buffers[] = { { slot(i), 4, false },
                                           { slot(i) + 64, n_bytes, true },
                                           { slot(i) + 32, 8, true } };

        memcpy(g->vm.memory + slot(i), &head, 4);
        assert_int_equal(test_guest_send(&g->vm, RX, buffers, 3, (void *) (uintptr_t) (i + 1)), 0);
}

void send_noise(struct sound_guest *g, uint32_t stream, unsigned n, int16_t frames[][GUEST_PERIOD * 2])
{
        for (unsigned i = 0; i < n; i++) {
                noise(frames[i], GUEST_PERIOD * 2);
                send_frames(g, stream, i, frames[i], PERIOD_BYTES);
        }
}

/* The next buffer that came back is number @i, with this status. Return: its latency. */
uint32_t expect_back(struct sound_guest *g, unsigned queue, unsigned i, uint32_t status, uint32_t n_written)
{
        struct virtio_snd_pcm_status answer;
        uint32_t len = 0;
        void *cookie = NULL;

        assert_int_equal(driver_queue_get(&g->vm.queues[queue], &cookie, &len), 1);
        assert_int_equal((uintptr_t) cookie, i + 1);
        assert_int_equal(len, n_written);
        memcpy(&answer, g->vm.memory + slot(i) + 32, sizeof(answer));
        assert_int_equal(le32toh(answer.status), status);
        return le32toh(answer.latency_bytes);
}

void expect_none_back(struct sound_guest *g, unsigned queue)
{
        uint32_t len;
        void *cookie;

        test_guest_settle(&g->vm);
        assert_int_equal(driver_queue_get(&g->vm.queues[queue], &cookie, &len), 0);
}

void noise(int16_t *frames, size_t n)
{
        static uint32_t x = 1;

        for (size_t i = 0; i < n; i++) {
                x = x * 1664525 + 1013904223;
                frames[i] = (int16_t) (x >> 16);
        }
}

void assert_heard(const struct sound_guest *g, const int16_t *frames)
{
        int16_t heard[GUEST_PERIOD * 2];

        samples_encode(SAMPLE_S16, g->out, heard, ARRAY_SIZE(heard));
        assert_memory_equal(heard, frames, sizeof(heard));
}

void give_event_buffer(struct sound_guest *g, uint32_t n)
{
        struct driver_buffer buffer = { GUEST_ANSWER + 0x1000, n, true };

        assert_int_equal(test_guest_send(&g->vm, EVENT, &buffer, 1, NULL), 0);
}

uint32_t write_element(struct sound_guest *g, uint32_t id, uint32_t value)
{
        struct {
                struct sound_ctl_hdr head;
                uint32_t value[128];
        } request = { { htole32(SOUND_R_CTL_WRITE), htole32(id) }, { htole32(value) } };

        return ask(g, &request, sizeof(request), 4, NULL);
}

uint32_t read_element(struct sound_guest *g, uint32_t id)
{
        struct sound_ctl_hdr head = { htole32(SOUND_R_CTL_READ), htole32(id) };
        uint32_t value, len;

        assert_int_equal(ask(g, &head, sizeof(head), 4 + SOUND_CTL_VALUE_BYTES, &len), OK);
        assert_int_equal(len, 4 + SOUND_CTL_VALUE_BYTES);
        memcpy(&value, g->vm.memory + GUEST_ANSWER + 4, sizeof(value));
        return le32toh(value);
}
