/* SPDX-License-Identifier: MPL-2.0 */
/* bad-input 11 and its like: what a driver must not do is refused, and nobody else hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "base/macros.h"
#include "device/sound/test-sound-driver.h"

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
        assert_int_equal(g->vm.n_needs_reset, 0);
}

static void a_request_without_room_for_its_answer_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer buffers[] = { { GUEST_REQUEST, 8, false }, { GUEST_ANSWER, 3, true } };

        assert_int_equal(test_guest_send(&g->vm, CONTROL, buffers, 2, NULL), 0);
        assert_int_equal(g->vm.n_needs_reset, 1);
        expect_none_back(g, CONTROL);
}

static void bad_input_11_a_period_larger_than_the_buffer(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params p = params_of(OUT0);

        p.period_bytes = htole32(8 * PERIOD_BYTES);
        assert_int_equal(set_params(g, &p), BAD);
        p.period_bytes = htole32(3 * PERIOD_BYTES);
        assert_int_equal(set_params(g, &p), BAD);
        p.period_bytes = 0;
        assert_int_equal(set_params(g, &p), BAD);
        p.buffer_bytes = 0;
        assert_int_equal(set_params(g, &p), BAD);
        p.buffer_bytes = p.period_bytes = htole32(6);
        assert_int_equal(set_params(g, &p), BAD);
        p.buffer_bytes = p.period_bytes = htole32(UINT32_MAX & ~3U);
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_PREPARE), BAD);
}

static void parameters_that_are_not_offered_are_refused(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params good = params_of(OUT0), p = good;

        p.channels = 3;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p.channels = 0;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p = good;
        p.format = VIRTIO_SND_PCM_FMT_IMA_ADPCM;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p.format = 255;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p = good;
        p.rate = VIRTIO_SND_PCM_RATE_384000;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p.rate = 255;
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        p = good;
        p.features = htole32(1U << VIRTIO_SND_PCM_F_SHMEM_HOST);
        assert_int_equal(set_params(g, &p), NOT_SUPP);
        assert_int_equal(ask(g, &p, sizeof(p) - 1, 4, NULL), BAD);
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
        assert_int_equal(g->vm.n_needs_reset, 0);
}

static void bad_input_11_status_sized_receive_buffers(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer only[] = { { slot(0), 4, false }, { slot(0) + 32, 8, true } };
        struct driver_buffer less[] = { { slot(0), 4, false }, { slot(0) + 32, 7, true } };

        prepare(g, IN0);
        memset(g->vm.memory + slot(0), 0, 64);
        g->vm.memory[slot(0)] = IN0;
        assert_int_equal(ask_stream(g, IN0, VIRTIO_SND_R_PCM_START), OK);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(test_guest_send(&g->vm, RX, only, 2, (void *) 1), 0);
                expect_back(g, RX, 0, IO_ERR, 8);
        }
        assert_int_equal(test_guest_send(&g->vm, TX, only, 2, (void *) 1), 0);
        expect_back(g, TX, 0, IO_ERR, 8);
        assert_int_equal(g->vm.n_needs_reset, 0);
        assert_int_equal(test_guest_send(&g->vm, RX, less, 2, NULL), 0);
        assert_int_equal(g->vm.n_needs_reset, 1);
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
        assert_int_equal(test_guest_send(&g->vm, RX, buffers, 19, NULL), 0);
        assert_int_equal(g->vm.n_needs_reset, 1);
}

static void a_buffer_without_a_head_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        struct driver_buffer buffers[] = { { slot(0), 3, false }, { slot(0) + 32, 8, true } };

        prepare(g, OUT0);
        assert_int_equal(test_guest_send(&g->vm, TX, buffers, 2, NULL), 0);
        assert_int_equal(g->vm.n_needs_reset, 1);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_RELEASE), OK);
}

static void an_event_buffer_that_is_too_small_stops_the_queue(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };

        give_event_buffer(g, 7);
        start(g, OUT0);
        for (unsigned i = 0; i < 2; i++) {
                send_frames(g, OUT0, i, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                sound_guest_mix(g);
        }
        assert_int_equal(g->vm.n_needs_reset, 1);
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
        memcpy(&tlv, g->vm.memory + GUEST_ANSWER + 4, sizeof(tlv));
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(bad_input_11_info_ranges_that_overflow),
                CASE(requests_that_are_none_are_answered_so),
                CASE(a_request_without_room_for_its_answer_stops_the_queue),
                CASE(bad_input_11_a_period_larger_than_the_buffer),
                CASE(parameters_that_are_not_offered_are_refused),
                CASE(bad_input_11_stop_without_start),
                CASE(bad_input_11_a_stream_that_never_gets_buffers),
                CASE(frames_for_no_stream_fail),
                CASE(bad_input_11_status_sized_receive_buffers),
                CASE(bad_input_11_a_receive_buffer_larger_than_any),
                CASE(a_buffer_without_a_head_stops_the_queue),
                CASE(an_event_buffer_that_is_too_small_stops_the_queue),
                CASE(elements_refuse_what_they_are_not),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
