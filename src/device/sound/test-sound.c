/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "device/sound/test-sound-driver.h"

/* ---- what there is ---- */

static void config_says_what_there_is(void **state)
{
        struct sound_guest *g = *state;
        struct sound_config config;

        assert_int_equal(device_config_size(g->vm.dev), sizeof(config));
        assert_int_equal(device_config_read(g->vm.dev, 0, &config, sizeof(config)), 0);
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
        memcpy(&jack, g->vm.memory + GUEST_ANSWER + 4, sizeof(jack));
        assert_int_equal(jack.connected, 1);
        assert_int_equal(le32toh(jack.hda_reg_defconf) >> 20 & 15, 10);

        assert_int_equal(ask_items(g, VIRTIO_SND_R_PCM_INFO, 0, 3, sizeof(pcm[0]), 4 + sizeof(pcm)), OK);
        memcpy(pcm, g->vm.memory + GUEST_ANSWER + 4, sizeof(pcm));
        assert_int_equal(pcm[OUT1].direction, VIRTIO_SND_D_OUTPUT);
        assert_int_equal(pcm[IN0].direction, VIRTIO_SND_D_INPUT);
        assert_int_equal(pcm[IN0].channels_max, 2);
        assert_true(le64toh(pcm[0].formats) & 1U << VIRTIO_SND_PCM_FMT_FLOAT);
        assert_true(le64toh(pcm[0].rates) & 1U << VIRTIO_SND_PCM_RATE_192000);

        assert_int_equal(ask_items(g, VIRTIO_SND_R_CHMAP_INFO, 0, 4, sizeof(map[0]), 4 + sizeof(map)), OK);
        memcpy(map, g->vm.memory + GUEST_ANSWER + 4, sizeof(map));
        assert_int_equal(map[0].channels, 1);
        assert_int_equal(map[1].channels, 2);
        assert_int_equal(map[1].positions[1], VIRTIO_SND_CHMAP_FR);
        assert_int_equal(map[3].direction, VIRTIO_SND_D_INPUT);

        assert_int_equal(ask_items(g, SOUND_R_CTL_INFO, 0, 6, sizeof(element[0]), 4 + sizeof(element)), OK);
        memcpy(element, g->vm.memory + GUEST_ANSWER + 4, sizeof(element));
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
        memcpy(answer, g->vm.memory + GUEST_ANSWER + 4, sizeof(answer));
        assert_int_equal(answer[2 * 64 + 24], VIRTIO_SND_D_INPUT);
        assert_int_equal(answer[2 * 64 + 63], 0);
}

/* ---- states ---- */

static void states_allow_what_the_specification_allows(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_pcm_set_params p = params_of(OUT0);
        static const uint32_t requests[] = { VIRTIO_SND_R_PCM_SET_PARAMS, VIRTIO_SND_R_PCM_PREPARE,
                                             VIRTIO_SND_R_PCM_START, VIRTIO_SND_R_PCM_STOP, VIRTIO_SND_R_PCM_RELEASE };
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
                                r = request == 0 ? set_params(g, &p) : ask_stream(g, OUT0, requests[request]);
                        }
                        assert_int_equal(r, states[i].allowed[k] ? OK : BAD);
                }
        }
}

/* ---- frames ---- */

static void a_buffer_comes_back_when_its_last_frame_is_played(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[4][GUEST_PERIOD * 2];
        uint32_t latency;

        prepare(g, OUT0);
        send_noise(g, OUT0, 4, frames);
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
        struct driver_buffer buffers[] = { { slot(0), 1, false },     { slot(0) + 1, 3, false },
                                           { at, 3, false },          { at + 3, 5, false },
                                           { at + 8, 401, false },    { at + 409, PERIOD_BYTES - 409, false },
                                           { slot(0) + 32, 2, true }, { slot(0) + 34, 6, true } };

        prepare(g, OUT0);
        noise(frames, ARRAY_SIZE(frames));
        memcpy(g->vm.memory + slot(0), &head, 4);
        memcpy(g->vm.memory + at, frames, sizeof(frames));
        assert_int_equal(test_guest_send(&g->vm, TX, buffers, ARRAY_SIZE(buffers), (void *) 1), 0);
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
        struct driver_buffer last[] = { { slot(2), 4, false },
                                        { slot(2) + 64, PERIOD_BYTES, false },
                                        { slot(2) + 32, 8, true } };

        prepare(g, OUT0);
        prepare(g, OUT1);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        send_frames(g, OUT1, 1, frames, PERIOD_BYTES);
        /* One that the device has not seen yet when the request comes. */
        assert_int_equal(driver_queue_add(&g->vm.queues[TX], last, 3, (void *) 3), 0);
        g->vm.queues[TX].kick_fd = -1;
        (void) driver_queue_kick(&g->vm.queues[TX]);
        memset(g->vm.memory + slot(2), 0, 4);
        memcpy(g->vm.memory + GUEST_REQUEST, &head, sizeof(head));
        assert_int_equal(test_guest_send(&g->vm, CONTROL, request, 2, NULL), 0);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL], &cookie, &len), 1);
        expect_back(g, TX, 0, IO_ERR, 8);
        expect_back(g, TX, 2, IO_ERR, 8);
        expect_none_back(g, TX);
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
                assert_memory_equal(g->vm.memory + slot(10 + i) + 64, silence, PERIOD_BYTES);
                assert_memory_equal(g->vm.memory + slot(10 + i) + 64 + PERIOD_BYTES, frames, PERIOD_BYTES);
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
        assert_int_equal(set_params(g, &p), OK);
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

static void going_on_after_a_gap_is_an_xrun_and_an_end_is_none(void **state)
{
        struct sound_guest *g = *state;
        struct virtio_snd_event event;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };
        uint32_t len = 0;
        void *cookie;

        give_event_buffer(g, 8);
        start(g, OUT0);
        send_frames(g, OUT0, 0, frames, PERIOD_BYTES);
        for (int i = 0; i < 3; i++)
                sound_guest_mix(g);
        expect_none_back(g, EVENT);
        send_frames(g, OUT0, 1, frames, PERIOD_BYTES);
        assert_int_equal(driver_queue_get(&g->vm.queues[EVENT], &cookie, &len), 1);
        assert_int_equal(len, sizeof(event));
        memcpy(&event, g->vm.memory + GUEST_ANSWER + 0x1000, sizeof(event));
        assert_int_equal(le32toh(event.hdr.code), VIRTIO_SND_EVT_PCM_XRUN);
        assert_int_equal(le32toh(event.data), OUT0);
}

static void events_wait_for_buffers(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2] = { 0 };
        uint32_t len = 0;
        void *cookie;

        start(g, OUT0);
        for (unsigned i = 0; i < 3; i++) {
                send_frames(g, OUT0, i, frames, PERIOD_BYTES);
                sound_guest_mix(g);
                sound_guest_mix(g);
        }
        give_event_buffer(g, 8);
        assert_int_equal(driver_queue_get(&g->vm.queues[EVENT], &cookie, &len), 1);
        give_event_buffer(g, 8);
        expect_none_back(g, EVENT);
}

/* ---- control elements ---- */

static void volume_and_mute_are_heard(void **state)
{
        struct sound_guest *g = *state;
        int16_t frames[GUEST_PERIOD * 2];

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = 16384;
        start(g, OUT0);
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
        send_noise(g, OUT0, 4, frames);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_back(g, TX, 0, OK, 8);
        queue_stop(&g->vm.dev->queues[TX], NULL);
        sound_guest_mix(g);
        assert_true(g->out[0] == 0);
        assert_int_equal(test_guest_start_queue(&g->vm, TX), 0);
        test_guest_settle(&g->vm);
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
        send_noise(g, OUT0, 2, frames);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_START), OK);
        sound_guest_mix(g);
        expect_back(g, TX, 0, OK, 8);
        device_reset(g->vm.dev);
        assert_int_equal(device_start(g->vm.dev, g->vm.features), 0);
        for (uint16_t i = 0; i < GUEST_QUEUES; i++)
                assert_int_equal(test_guest_start_queue(&g->vm, i), 0);
        test_guest_settle(&g->vm);
        sound_guest_mix(g);
        assert_heard(g, frames[1]);
        expect_back(g, TX, 1, OK, 8);
        assert_int_equal(read_element(g, 2), 100);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), OK);
}

static void rings_that_begin_anew_have_no_past(void **state)
{
        struct sound_guest *g = *state;

        start(g, OUT0);
        assert_int_equal(test_guest_resume(&g->vm, true), 0);
        assert_int_equal(ask_stream(g, OUT0, VIRTIO_SND_R_PCM_STOP), BAD);
        prepare(g, OUT0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(config_says_what_there_is),
                CASE(every_item_can_be_asked_for),
                CASE(items_of_a_driver_that_knows_less_or_more_fit),
                CASE(states_allow_what_the_specification_allows),
                CASE(a_buffer_comes_back_when_its_last_frame_is_played),
                CASE_PACKED(a_buffer_comes_back_when_its_last_frame_is_played),
                CASE(buffers_of_any_size_and_shape_are_one_stream),
                CASE(streams_of_one_guest_do_not_wait_for_each_other),
                CASE_PACKED(streams_of_one_guest_do_not_wait_for_each_other),
                CASE(more_than_the_buffer_waits_its_turn),
                CASE(release_completes_all_that_is_pending_first),
                CASE(recording_returns_what_is_heard),
                CASE(another_rate_is_played_in_the_same_time),
                CASE(going_on_after_a_gap_is_an_xrun_and_an_end_is_none),
                CASE(events_wait_for_buffers),
                CASE(volume_and_mute_are_heard),
                CASE(without_the_feature_there_are_no_elements),
                CASE(a_pause_gives_buffers_back_and_they_are_heard_once),
                CASE_PACKED(a_pause_gives_buffers_back_and_they_are_heard_once),
                CASE(a_stream_goes_on_where_rings_go_on),
                CASE_PACKED(a_stream_goes_on_where_rings_go_on),
                CASE(rings_that_begin_anew_have_no_past),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
