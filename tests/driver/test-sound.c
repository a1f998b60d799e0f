/* SPDX-License-Identifier: MPL-2.0 */
/* The sound server as a process, with one or two guests. Spec: VIRTIO 1.4, 5.14. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>
#include <sndfile.h>

#include "base/cleanup.h"
#include "base/control.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness-expect.h"
#include "need.h"
#include "sound-guest.h"

#define OK VIRTIO_SND_S_OK
#define PERIOD 240 /* frames */
#define PERIOD_BYTES (PERIOD * 4U)
/* Half a second at once: a busy machine does not matter. */
#define LONG_PERIODS 100U
#define LONG_FRAMES (LONG_PERIODS * PERIOD)

static struct harness harness;
static struct sound_driver alpha, beta;

/* A guest's failure fails the case, so that the teardown shows what the server logged. */
void need_failed(const char *file, int line) { _fail(file, line); }

static int setup(void **state)
{
        alpha = beta = (struct sound_driver) { .d = { .memory_fd = -1, .inflight.fd = -1 } };
        return harness_init(&harness);
}

static int teardown(void **state)
{
        sound_driver_stop(&alpha);
        sound_driver_stop(&beta);
        harness_deinit(&harness);
        return 0;
}

static void write_scene(const char *backend, const char *over)
{
        auto_cleanup(freep) char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"ociVersion\": \"1.3.0\", \"speakers\": { \"cabin\": { \"backend\": \"%s\"%s } },"
                             "  \"audio\": { \"media\": { \"speakers\": \"cabin\", \"capture\": true },"
                             "               \"chime\": { \"speakers\": \"cabin\", \"priority\": 10, "
                             "\"over\": \"%s\" } } }",
                             backend, strcmp(backend, "wav") == 0 ? ", \"file\": \"out.wav\"" : "", over) > 0);
        assert_int_equal(fd_write_file_atomic(harness_path(&harness, "system.json"), text, strlen(text), 0600), 0);
}

/* Guest alpha has "media", beta "chime". */
static void start_server(void)
{
        char scene[256], control[256], state[256], first[256], second[256];
        const char *words[] = { "sound", scene, control, state, "--guest", first, "--guest", second, NULL };

        (void) snprintf(scene, sizeof(scene), "--scene=%s", harness_path(&harness, "system.json"));
        (void) snprintf(control, sizeof(control), "--control=%s", harness_path(&harness, "control"));
        (void) snprintf(state, sizeof(state), "--state=%s", harness_path(&harness, "state"));
        (void) snprintf(first, sizeof(first), "id=alpha,audio=media,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,audio=chime,socket-path=%s", harness_path(&harness, "b"));
        assert_int_equal(harness_start(&harness, words), 0);
}

static void start_guests(void)
{
        sound_driver_start(&alpha, harness_path(&harness, "a"), false);
        sound_driver_start(&beta, harness_path(&harness, "b"), true);
}

static void noise(int16_t *frames, size_t n)
{
        static uint32_t x = 1;

        for (size_t i = 0; i < n; i++) {
                x = x * 1664525 + 1013904223;
                frames[i] = (int16_t) ((x >> 16) | 1); /* never silent */
        }
}

/* All of @frames, LONG_FRAMES, queued before it starts. */
static void queue_long(struct sound_pcm *p, struct sound_driver *g, const int16_t *frames)
{
        sound_pcm_open(p, g, 0, false, LONG_PERIODS, PERIOD_BYTES);
        for (uint32_t i = 0; i < LONG_PERIODS; i++) {
                memcpy(sound_pcm_frames(p, i), frames + i * PERIOD * 2, PERIOD_BYTES);
                sound_pcm_add(p, i);
        }
        sound_pcm_kick(p);
}

static void wait_for_all(struct sound_pcm *p, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                uint32_t index;

                assert_int_equal(sound_pcm_wait(p, &index), OK);
                assert_int_equal(index, i % p->n_buffers);
        }
}

/* The file from its first sample that is not silent. */
static int32_t *read_wav(const char *path, size_t n_frames)
{
        int32_t *frames = calloc(n_frames + 480000, 2 * sizeof(*frames));
        SF_INFO info = { 0 };
        SNDFILE *f = sf_open(path, SFM_READ, &info);
        size_t at = 0, n;

        assert_non_null(f);
        assert_int_equal(info.channels, 2);
        n = (size_t) sf_readf_int(f, frames, (sf_count_t) n_frames + 480000);
        sf_close(f);
        while (at < n && frames[2 * at] == 0)
                at++;
        assert_true(n - at >= n_frames);
        memmove(frames, frames + 2 * at, n_frames * 2 * sizeof(*frames));
        return frames;
}

static json_t *ask_stats(void)
{
        static const char question[] = "{\"stats\": true}\n";
        auto_cleanup(closep) int fd = fd_unix_connect(harness_path(&harness, "control"));
        char text[8192] = "";
        size_t n = 0;
        json_t *answer;

        assert_true(fd >= 0);
        assert_int_equal(fd_write_full(fd, question, strlen(question)), 0);
        while (!memchr(text, '\n', n)) {
                ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);

                assert_true(got > 0);
                n += (size_t) got;
        }
        answer = json_loads(text, 0, NULL);
        assert_non_null(answer);
        return answer;
}

static long guest_xruns(size_t i)
{
        json_t *stats = ask_stats();
        long n = (long) json_integer_value(
                json_object_get(json_array_get(json_object_get(stats, "guests"), i), "xruns"));

        json_decref(stats);
        return n;
}

/* ---- */

static void a_tone_alone_arrives_bit_for_bit(void **state)
{
        static int16_t frames[LONG_FRAMES * 2];
        struct sound_pcm p;
        int32_t *heard;

        write_scene("wav", "mix");
        start_server();
        start_guests();
        noise(frames, ARRAY_SIZE(frames));
        queue_long(&p, &alpha, frames);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        wait_for_all(&p, LONG_PERIODS);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_RELEASE), OK);
        sound_pcm_close(&p);
        assert_int_equal(guest_xruns(0), 0);
        assert_int_equal(harness_stop(&harness), 0);
        heard = read_wav(harness_path(&harness, "out.wav"), LONG_FRAMES);
        for (size_t i = 0; i < LONG_FRAMES * 2; i++)
                assert_int_equal(heard[i], (int32_t) ((uint32_t) (uint16_t) frames[i] << 16));
        free(heard);
}

static void two_guests_are_mixed_within_rounding(void **state)
{
        static int16_t first[LONG_FRAMES * 2], second[LONG_FRAMES * 2];
        struct sound_pcm p, q;
        size_t shift;
        int32_t *heard;

        write_scene("wav", "mix");
        start_server();
        start_guests();
        noise(first, ARRAY_SIZE(first));
        noise(second, ARRAY_SIZE(second));
        for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
                first[i] /= 2;
                second[i] /= 2;
        }
        queue_long(&p, &alpha, first);
        queue_long(&q, &beta, second);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(sound_ask_stream(&beta, 0, VIRTIO_SND_R_PCM_START), OK);
        wait_for_all(&p, LONG_PERIODS);
        wait_for_all(&q, LONG_PERIODS);
        sound_pcm_close(&p);
        sound_pcm_close(&q);
        assert_int_equal(harness_stop(&harness), 0);
        heard = read_wav(harness_path(&harness, "out.wav"), LONG_FRAMES);
        /* The second began some whole periods later: as many as the first was alone. */
        for (shift = 0; shift < LONG_PERIODS - 1; shift++)
                if (heard[shift * PERIOD * 2] != (int32_t) ((uint32_t) (uint16_t) first[shift * PERIOD * 2] << 16))
                        break;
        assert_true(shift < LONG_PERIODS - 1);
        for (size_t i = shift * PERIOD * 2; i < LONG_FRAMES * 2; i++)
                assert_int_equal(heard[i], (first[i] + second[i - shift * PERIOD * 2]) * 65536);
        free(heard);
}

static void recording_returns_what_was_played(void **state)
{
        static int16_t frames[LONG_FRAMES * 2], heard[2 * LONG_FRAMES * 2];
        struct sound_pcm p, q;
        uint32_t index, at = 0;

        write_scene("loopback", "mix");
        start_server();
        start_guests();
        noise(frames, ARRAY_SIZE(frames));
        queue_long(&p, &alpha, frames);
        sound_pcm_open(&q, &alpha, 2, true, LONG_PERIODS, PERIOD_BYTES);
        for (uint32_t i = 0; i < LONG_PERIODS; i++)
                sound_pcm_add(&q, i);
        sound_pcm_kick(&q);
        assert_int_equal(sound_ask_stream(&alpha, 2, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        for (uint32_t i = 0; i < 2 * LONG_PERIODS; i++) {
                assert_int_equal(sound_pcm_wait(&q, &index), OK);
                memcpy(heard + i * PERIOD * 2, sound_pcm_frames(&q, index), PERIOD_BYTES);
                sound_pcm_add(&q, index);
                sound_pcm_kick(&q);
        }
        while (at < LONG_FRAMES && heard[2 * at] == 0)
                at++;
        assert_true(at < LONG_FRAMES);
        assert_memory_equal(heard + 2 * at, frames, sizeof(frames));
        assert_int_equal(sound_ask_stream(&alpha, 2, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(sound_ask_stream(&alpha, 2, VIRTIO_SND_R_PCM_RELEASE), OK);
        sound_pcm_close(&p);
        sound_pcm_close(&q);
        assert_int_equal(harness_stop(&harness), 0);
}

/* ALSA's own PCM that writes what it is given into a file. */
static void alsa_gets_every_bit(void **state)
{
        static int16_t frames[LONG_FRAMES * 2];
        const char *words[] = { "sound", "--socket-path", harness_path(&harness, "a"), "--backend=alsa", NULL, NULL };
        auto_cleanup(freep) char *device = NULL, *text = NULL;
        size_t n_text, at = 0;
        struct sound_pcm p;
        int32_t sample;

        assert_true(asprintf(&device, "--device=file:FILE=%s,FORMAT=raw", harness_path(&harness, "out.raw")) > 0);
        words[4] = device;
        if (harness_start(&harness, words) < 0) {
                fprintf(stderr, "# without ALSA: %s", harness_log(&harness));
                skip();
        }
        sound_driver_start(&alpha, harness_path(&harness, "a"), false);
        noise(frames, ARRAY_SIZE(frames));
        queue_long(&p, &alpha, frames);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        wait_for_all(&p, LONG_PERIODS);
        sound_pcm_close(&p);
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(fd_read_file(harness_path(&harness, "out.raw"), 1 << 24, &text, &n_text), 0);
        do {
                memcpy(&sample, text + at, sizeof(sample));
                at += sizeof(sample);
        } while (sample == 0 && at < n_text);
        at -= sizeof(sample);
        /* What was mixed last may not have been written when the server ended. */
        for (size_t i = 0; i < (LONG_FRAMES - 8 * PERIOD) * 2; i++) {
                assert_true(at + sizeof(sample) <= n_text);
                memcpy(&sample, text + at, sizeof(sample));
                assert_int_equal(sample, (int32_t) ((uint32_t) (uint16_t) frames[i] << 16));
                at += sizeof(sample);
        }
}

/* Asks for everything, and for nothing that is, without end. */
static void misbehave(struct sound_driver *g, unsigned n)
{
        static const uint32_t codes[] = { VIRTIO_SND_R_PCM_START, VIRTIO_SND_R_PCM_RELEASE, VIRTIO_SND_R_PCM_STOP,
                                          VIRTIO_SND_R_PCM_PREPARE, VIRTIO_SND_R_PCM_INFO, 0xffffffff, 0 };

        for (unsigned i = 0; i < n; i++)
                (void) sound_ask_stream(g, i % 5, codes[i % ARRAY_SIZE(codes)]);
}

static void stalls_floods_and_deaths_are_their_guests_own(void **state)
{
        static int16_t frames[LONG_FRAMES * 2];
        struct sound_pcm p, q;
        int32_t *heard;

        write_scene("wav", "mix");
        start_server();
        start_guests();
        noise(frames, ARRAY_SIZE(frames));
        queue_long(&p, &alpha, frames);
        /* Started without a frame. */
        sound_pcm_open(&q, &beta, 0, false, 2, PERIOD_BYTES);
        assert_int_equal(sound_ask_stream(&beta, 0, VIRTIO_SND_R_PCM_START), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        misbehave(&beta, 2000);
        /* Frames that are not waited for, and the end. */
        memset(sound_pcm_frames(&q, 0), 0, PERIOD_BYTES);
        for (int i = 0; i < 60; i++)
                sound_pcm_add(&q, 0);
        sound_pcm_kick(&q);
        sound_driver_stop(&beta);
        wait_for_all(&p, LONG_PERIODS);
        sound_pcm_close(&p);
        sound_pcm_close(&q);
        assert_int_equal(guest_xruns(0), 0);
        assert_int_equal(harness_stop(&harness), 0);
        heard = read_wav(harness_path(&harness, "out.wav"), LONG_FRAMES);
        for (size_t i = 0; i < LONG_FRAMES * 2; i++)
                assert_int_equal(heard[i], (int32_t) ((uint32_t) (uint16_t) frames[i] << 16));
        free(heard);
}

static void check_killed_server(bool packed)
{
        static int16_t frames[LONG_FRAMES * 2];
        struct sound_pcm p;
        uint32_t index;

        write_scene("null", "duck");
        start_server();
        sound_driver_start(&alpha, harness_path(&harness, "a"), packed);
        queue_long(&p, &alpha, frames);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        wait_for_all(&p, 10);
        harness_kill(&harness);
        start_server();
        sound_driver_reconnect(&alpha, harness_path(&harness, "a"));
        /* The rest is played, and so is what comes now, without a word about parameters. */
        for (uint32_t i = 10; i < LONG_PERIODS; i++)
                assert_int_equal(sound_pcm_wait(&p, &index), OK);
        sound_pcm_add(&p, 0);
        sound_pcm_kick(&p);
        assert_int_equal(sound_pcm_wait(&p, &index), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_STOP), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_RELEASE), OK);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_PREPARE), OK);
        sound_pcm_close(&p);
        assert_int_equal(harness_stop(&harness), 0);
}

static void sound_goes_on_after_a_killed_server(void **state) { check_killed_server(false); }
static void sound_goes_on_after_a_killed_server_on_packed_rings(void **state) { check_killed_server(true); }

static void another_driver_after_a_kill_begins_anew(void **state)
{
        static int16_t frames[LONG_FRAMES * 2];
        struct sound_pcm p;

        write_scene("null", "duck");
        start_server();
        sound_driver_start(&alpha, harness_path(&harness, "a"), false);
        queue_long(&p, &alpha, frames);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_START), OK);
        harness_kill(&harness);
        sound_pcm_close(&p);
        sound_driver_stop(&alpha);
        start_server();
        sound_driver_start(&alpha, harness_path(&harness, "a"), false);
        assert_int_equal(sound_ask_stream(&alpha, 0, VIRTIO_SND_R_PCM_STOP), VIRTIO_SND_S_BAD_MSG);
        sound_pcm_open(&p, &alpha, 0, false, 2, PERIOD_BYTES);
        sound_pcm_close(&p);
        assert_int_equal(harness_stop(&harness), 0);
}

static void the_control_socket_answers_every_line_though_others_idle(void **state)
{
        static const char *const lines[] = { "{}", "{\"stats\": 1}", "{\"colour\": true}", "[]", "x", "" };
        auto_cleanup(closep) int fd = -1;
        char text[1024], flood[CONTROL_REQUEST_MAX];
        int idle[CONTROL_CLIENTS_MAX];

        write_scene("null", "duck");
        start_server();
        for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
                assert_true((idle[i] = fd_unix_connect(harness_path(&harness, "control"))) >= 0);
        fd = fd_unix_connect(harness_path(&harness, "control"));
        assert_true(fd >= 0);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                size_t n = (size_t) snprintf(text, sizeof(text), "%s\n", lines[i]);
                ssize_t got;

                assert_int_equal(fd_write_full(fd, text, n), 0);
                got = read(fd, text, sizeof(text) - 1);
                assert_true(got > 0);
                text[got] = '\0';
                assert_non_null(strstr(text, "\"error\""));
        }
        memset(flood, 'x', sizeof(flood));
        assert_int_equal(fd_write_full(fd, flood, sizeof(flood)), 0);
        while (read(fd, text, sizeof(text)) > 0) /* an error, and the end */
                ;
        assert_int_equal(guest_xruns(0), 0);
        for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
                (void) close(idle[i]);
        assert_int_equal(harness_stop(&harness), 0);
}

static void wrong_settings_are_named(void **state)
{
        static const char *const bad[][2] = {
                { "--backend=wav", "backend=wav needs file" },
                { "--scene=/nonexistent", "/nonexistent" },
                { "--audio=bell", "audio=bell: there is none of that name" },
                { "--state=/dev/null", "state /dev/null: not a regular file" },
                { "--streams=9", "streams=9: expected" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                const char *words[] = { "sound", "--socket-path", harness_path(&harness, "s"), bad[i][0], NULL };

                harness_expect_refused(&harness, words, bad[i][1]);
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_tone_alone_arrives_bit_for_bit),
                CASE(two_guests_are_mixed_within_rounding),
                CASE(recording_returns_what_was_played),
                CASE(alsa_gets_every_bit),
                CASE(stalls_floods_and_deaths_are_their_guests_own),
                CASE(sound_goes_on_after_a_killed_server),
                CASE(sound_goes_on_after_a_killed_server_on_packed_rings),
                CASE(another_driver_after_a_kill_begins_anew),
                CASE(the_control_socket_answers_every_line_though_others_idle),
                CASE(wrong_settings_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
