/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Ten minutes of sound at periods of 5 ms in simulated time (audio/test-clock.h): two guests, each with two streams, on
 * speakers whose own thread mixes them. Thread and guests are late again and again, by less than they may be. How fast
 * the machine is plays no part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "audio/test-clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "device/sound/test-sound-driver.h"

#define SPEAKERS_RATE 48000U
#define PERIOD_NS (5 * NSEC_PER_MSEC)
#define TEN_MINUTES 120000U /* periods */
#define MIXER_LATE_NS NSEC_PER_MSEC
#define GUEST_LATE_NS (39 * NSEC_PER_MSEC / 10) /* both together: less than a period */
#define START_NS (1000 * NSEC_PER_SEC)
#define STREAMS 2U
#define BUFFERS_MAX 4U

/* What its driver knows of a stream. */
struct steady_stream {
        uint8_t rate_code;
        uint32_t rate_hz, n_frames, n_buffers; /* of each buffer; how many */
        uint64_t sent_ns[BUFFERS_MAX];
        uint64_t n_back;           /* buffers */
        uint64_t latency_max_ns;   /* from sent until mixed */
        uint32_t latency_bytes_max;
};

struct steady_guest {
        struct sound_guest *guest;
        struct steady_stream streams[STREAMS];
};

struct steady {
        struct speakers *speakers;
        struct steady_guest guests[2];
        uint64_t n_periods, mixed_ns;
        uint32_t random;
};

static struct speakers *new_speakers(void)
{
        struct scene_speakers scene = { .name = (char *) "steady", .backend = SOUND_NULL, .rate_hz = SPEAKERS_RATE,
                                        .n_channels = 2, .period_us = 5000 };
        struct speakers *s;

        assert_int_equal(speakers_new(&scene, &s), 0);
        return s;
}

static uint64_t random_below(struct steady *t, uint64_t n)
{
        t->random = t->random * 1664525 + 1013904223;
        return (uint64_t) (t->random >> 8) * n >> 24;
}

static void add_buffer(struct steady_guest *sg, uint32_t stream, uint32_t i)
{
        struct steady_stream *st = &sg->streams[stream];
        uint32_t at = slot(stream * BUFFERS_MAX + i);
        struct driver_buffer buffers[] = {
                { at, 4, false }, { at + 64, st->n_frames * FRAME_BYTES, false }, { at + 32, 8, true },
        };
        void *cookie = (void *) (uintptr_t) (stream * BUFFERS_MAX + i);

        st->sent_ns[i] = test_clock_now_ns();
        assert_int_equal(driver_queue_add(&sg->guest->vm.queues[TX], buffers, 3, cookie), 0);
}

static void open_stream(struct steady_guest *sg, uint32_t stream)
{
        struct steady_stream *st = &sg->streams[stream];
        struct virtio_snd_pcm_set_params p = params_of(stream);

        p.rate = st->rate_code;
        p.period_bytes = htole32(st->n_frames * FRAME_BYTES);
        p.buffer_bytes = htole32(st->n_buffers * st->n_frames * FRAME_BYTES);
        assert_int_equal(set_params(sg->guest, &p), OK);
        assert_int_equal(ask_stream(sg->guest, stream, VIRTIO_SND_R_PCM_PREPARE), OK);
        for (uint32_t i = 0; i < st->n_buffers; i++) {
                uint32_t at = slot(stream * BUFFERS_MAX + i), head = htole32(stream);

                memcpy(sg->guest->vm.memory + at, &head, 4);
                memset(sg->guest->vm.memory + at + 64, 0x11, st->n_frames * FRAME_BYTES);
                add_buffer(sg, stream, i);
        }
        (void) driver_queue_kick(&sg->guest->vm.queues[TX]);
        test_guest_settle(&sg->guest->vm);
        assert_int_equal(ask_stream(sg->guest, stream, VIRTIO_SND_R_PCM_START), OK);
}

/* A buffer is back. What the device says of it is true. */
static void check_buffer(const struct steady *t, struct steady_stream *st, const char *memory, uint32_t at, uint32_t i)
{
        uint64_t gone = (test_clock_now_ns() - t->mixed_ns) * SPEAKERS_RATE / NSEC_PER_SEC;
        struct virtio_snd_pcm_status status;

        memcpy(&status, memory + at + 32, sizeof(status));
        assert_int_equal(le32toh(status.status), OK);
        /* Where nothing was missed, its end is that of the last period. */
        if (st->rate_hz == SPEAKERS_RATE && st->n_back + 1 == t->n_periods)
                assert_int_equal(le32toh(status.latency_bytes), (GUEST_PERIOD - gone) * FRAME_BYTES);
        st->latency_bytes_max = MAX(st->latency_bytes_max, le32toh(status.latency_bytes));
        st->latency_max_ns = MAX(st->latency_max_ns, t->mixed_ns - st->sent_ns[i]);
        st->n_back++;
}

/* The driver's turn: sends again what is back. */
static void serve(const struct steady *t, struct steady_guest *sg)
{
        struct driver_queue *dq = &sg->guest->vm.queues[TX];
        bool any = false;
        uint32_t len;
        void *cookie;

        test_guest_settle(&sg->guest->vm);
        while (driver_queue_get(dq, &cookie, &len) == 1) {
                uint32_t index = (uint32_t) (uintptr_t) cookie, stream = index / BUFFERS_MAX, i = index % BUFFERS_MAX;

                check_buffer(t, &sg->streams[stream], sg->guest->vm.memory, slot(index), i);
                add_buffer(sg, stream, i);
                any = true;
        }
        if (any)
                (void) driver_queue_kick(dq);
        test_guest_settle(&sg->guest->vm);
}

/* After the last period @n_guests go on, then the next is mixed, so late. Ends while the thread sleeps. */
static void step(struct steady *t, size_t n_guests, uint64_t mixer_late_ns)
{
        uint64_t due_ns = START_NS + t->n_periods * PERIOD_NS, late_ns = 0;

        for (size_t i = 0; i < n_guests && t->n_periods > 0; i++) {
                late_ns += random_below(t, (GUEST_LATE_NS - late_ns) / (n_guests - i));
                test_clock_set(t->mixed_ns + late_ns);
                serve(t, &t->guests[i]);
        }
        t->mixed_ns = due_ns + mixer_late_ns;
        test_clock_set(t->mixed_ns);
        test_clock_wake();
        t->n_periods += 1 + mixer_late_ns / PERIOD_NS;
        assert_int_equal(test_clock_wait_sleeper(), START_NS + t->n_periods * PERIOD_NS);
}

/* The resampled one's buffers are a little longer than a period, so that their ends wander through the periods. */
static const struct steady_stream streams[2][STREAMS] = {
        {
                { VIRTIO_SND_PCM_RATE_48000, 48000, GUEST_PERIOD, 2 },
                { VIRTIO_SND_PCM_RATE_48000, 48000, GUEST_PERIOD, 4 },
        },
        {
                { VIRTIO_SND_PCM_RATE_44100, 44100, 221, 2 },
                { VIRTIO_SND_PCM_RATE_48000, 48000, GUEST_PERIOD, 4 },
        },
};

static void begin(struct steady *t)
{
        *t = (struct steady) { .speakers = new_speakers(), .random = 1 };
        test_clock_init(START_NS);
        for (size_t i = 0; i < ARRAY_SIZE(t->guests); i++) {
                struct steady_guest *sg = &t->guests[i];

                sg->guest = calloc(1, sizeof(*sg->guest));
                assert_non_null(sg->guest);
                assert_int_equal(sound_guest_init_on(sg->guest, CTLS, NULL, t->speakers), 0);
                memcpy(sg->streams, streams[i], sizeof(sg->streams));
        }
        assert_int_equal(speakers_start(t->speakers), 0);
        for (size_t i = 0; i < ARRAY_SIZE(t->guests); i++) {
                give_event_buffer(t->guests[i].guest, 8);
                for (uint32_t s = 0; s < STREAMS; s++)
                        open_stream(&t->guests[i], s);
        }
        assert_int_equal(test_clock_wait_sleeper(), START_NS);
}

static void end(struct steady *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(t->guests); i++)
                for (uint32_t s = 0; s < STREAMS; s++)
                        assert_int_equal(ask_stream(t->guests[i].guest, s, VIRTIO_SND_R_PCM_STOP), OK);
        test_clock_wake();
        for (size_t i = 0; i < ARRAY_SIZE(t->guests); i++) {
                sound_guest_deinit(t->guests[i].guest);
                free(t->guests[i].guest);
        }
        speakers_free(t->speakers);
        test_clock_deinit();
}

static uint64_t n_xruns(const struct steady *t, size_t guest)
{
        struct sound_stats stats;

        sound_get_stats(t->guests[guest].guest->vm.dev, &stats);
        return stats.n_xruns;
}

/* As many frames are back as were mixed, but for what may be under way: no more after ten minutes than after one. */
static void check_no_drift(const struct steady *t, const struct steady_stream *st)
{
        uint64_t n_back = st->n_back * st->n_frames;
        uint64_t n_mixed = t->n_periods * GUEST_PERIOD * st->rate_hz / SPEAKERS_RATE;

        if (st->rate_hz == SPEAKERS_RATE)
                assert_int_equal(n_back, n_mixed);
        else
                assert_in_range(n_back + st->n_frames, n_mixed, n_mixed + 2 * st->n_frames);
}

static void ten_minutes_have_no_xrun_and_do_not_drift(void **state)
{
        struct speakers_stats stats;
        struct steady t;

        begin(&t);
        while (t.n_periods < TEN_MINUTES) {
                step(&t, ARRAY_SIZE(t.guests), random_below(&t, MIXER_LATE_NS));
                if (t.n_periods % 200 > 0)
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(t.guests); i++) {
                        serve(&t, &t.guests[i]);
                        for (uint32_t s = 0; s < STREAMS; s++)
                                check_no_drift(&t, &t.guests[i].streams[s]);
                }
        }
        speakers_get_stats(t.speakers, &stats);
        assert_int_equal(stats.n_periods, TEN_MINUTES);
        assert_int_equal(stats.n_missed, 0);
        assert_in_range(stats.late_max_ns, MIXER_LATE_NS * 9 / 10, MIXER_LATE_NS);
        for (size_t i = 0; i < ARRAY_SIZE(t.guests); i++) {
                assert_int_equal(n_xruns(&t, i), 0);
                expect_none_back(t.guests[i].guest, EVENT);
                for (uint32_t s = 0; s < STREAMS; s++) {
                        const struct steady_stream *st = &t.guests[i].streams[s];

                        /* What is mixed at once is heard within a period, and nothing lies behind it. */
                        assert_in_range(st->latency_bytes_max, 1,
                                        GUEST_PERIOD * st->rate_hz / SPEAKERS_RATE * FRAME_BYTES);
                        if (st->rate_hz == SPEAKERS_RATE)
                                assert_in_range(st->latency_max_ns, 0, st->n_buffers * PERIOD_NS + NSEC_PER_MSEC);
                }
        }
        end(&t);
}

static void a_guest_that_is_too_late_has_an_xrun_alone(void **state)
{
        struct steady t;

        begin(&t);
        for (int i = 0; i < 10; i++)
                step(&t, 2, 0);
        /* Beta does nothing after this period and the next two: its two buffers are played then, its four are not. */
        for (int i = 0; i < 2; i++)
                step(&t, 1, 0);
        for (int i = 0; i < 10; i++)
                step(&t, 2, 0);
        assert_int_equal(n_xruns(&t, 0), 0);
        assert_int_equal(n_xruns(&t, 1), 1);
        end(&t);
}

static void a_thread_that_was_held_up_misses_periods_and_goes_on_in_time(void **state)
{
        struct speakers_stats stats;
        struct steady t;

        begin(&t);
        for (int i = 0; i < 10; i++)
                step(&t, 2, 0);
        step(&t, 2, 34 * NSEC_PER_MSEC);
        for (int i = 0; i < 10; i++)
                step(&t, 2, 0);
        speakers_get_stats(t.speakers, &stats);
        assert_int_equal(stats.n_periods, 21);
        assert_int_equal(stats.n_missed, 6);
        assert_int_equal(stats.late_max_ns, 34 * NSEC_PER_MSEC);
        for (size_t i = 0; i < ARRAY_SIZE(t.guests); i++) {
                assert_int_equal(n_xruns(&t, i), 0);
                assert_int_equal(t.guests[i].streams[0].n_back, 20);
        }
        end(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ten_minutes_have_no_xrun_and_do_not_drift),
                cmocka_unit_test(a_guest_that_is_too_late_has_an_xrun_alone),
                cmocka_unit_test(a_thread_that_was_held_up_misses_periods_and_goes_on_in_time),
        };

        log_set_level(LOG_LEVEL_ERROR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
