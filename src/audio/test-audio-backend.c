/* SPDX-License-Identifier: MPL-2.0 */
/* Backends on the mixing thread, and its clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sndfile.h>

#include "audio/test-audio-rig.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"

static void wait_for(int fd)
{
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 20000), 1);
        (void) fd_event_take(fd);
}

static void loopback_records_what_is_played(void **state)
{
        struct rig *rig = *state;
        struct voice_format f = { SAMPLE_S16, RATE, 2 };
        static int16_t in[2 * 4800], out[2 * 9600];
        struct voice *capture, *v;
        size_t n = 0, at = 0;

        make_speakers(rig, SOUND_LOOPBACK, 2, NULL);
        capture = add_voice(rig, true, 0, OVER_MIX);
        assert_int_equal(voice_open(capture, &f, 9600), 0);
        for (size_t i = 0; i < ARRAY_SIZE(in); i++)
                in[i] = (int16_t) (random32() | 1);
        v = add_voice(rig, false, 0, OVER_MIX);
        assert_int_equal(voice_open(v, &f, 4800), 0);
        assert_int_equal(voice_write(v, in, 4800), 4800);
        voice_start(capture);
        assert_int_equal(speakers_start(rig->speakers), 0);
        voice_start(v);
        if (voice_wake_at(v, 4800))
                wait_for(rig->wake_fd);
        voice_stop(v);
        while (n < 4800) {
                n += voice_read(capture, out + 2 * n, 9600 - n);
                if (n < 4800 && voice_wake_at(capture, voice_played(capture) + 1))
                        wait_for(rig->wake_fd);
                while (at < n && out[2 * at] == 0) {
                        memmove(out, out + 2, (2 * n - 2) * sizeof(*out));
                        n--;
                }
        }
        speakers_stop(rig->speakers);
        assert_memory_equal(in, out, sizeof(in));
        assert_int_equal(voice_n_xruns(v), 0);
}

static void play_into(struct rig *rig, char *file, const int32_t *frames, size_t n)
{
        struct voice *v;

        make_speakers(rig, SOUND_WAV, 2, file);
        v = open_voice(rig, 0, OVER_MIX, SAMPLE_S32, RATE, 2);
        assert_int_equal(voice_write(v, frames, n), n);
        assert_true(voice_wake_at(v, n));
        assert_int_equal(speakers_start(rig->speakers), 0);
        wait_for(rig->wake_fd);
}

static void assert_wav(const char *file, const int32_t *frames, size_t n, size_t n_at_least)
{
        SF_INFO info = { 0 };
        SNDFILE *f = sf_open(file, SFM_READ, &info);
        int32_t *read = calloc(n, 2 * sizeof(*read));
        size_t n_read;

        assert_non_null(f);
        assert_int_equal(info.samplerate, RATE);
        assert_int_equal(info.channels, 2);
        n_read = (size_t) sf_readf_int(f, read, (sf_count_t) n);
        assert_in_range(n_read, n_at_least, n);
        assert_memory_equal(read, frames, n_read * 2 * sizeof(*read));
        sf_close(f);
        free(read);
}

static void a_wav_file_holds_every_bit(void **state)
{
        char file[] = "/tmp/busbar-test-XXXXXX";
        static int32_t frames[2 * 4800];

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = (int32_t) random32();
        close(mkstemp(file));
        play_into(*state, file, frames, 4800);
        speakers_stop(((struct rig *) *state)->speakers);
        assert_wav(file, frames, 4800, 4560);
        unlink(file);
}

static void a_wav_file_is_right_after_a_kill(void **state)
{
        char file[] = "/tmp/busbar-test-XXXXXX";
        static int32_t frames[2 * 20000];
        pid_t child;
        int status;

        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = (int32_t) random32();
        close(mkstemp(file));
        child = fork();
        if (child == 0) {
                play_into(*state, file, frames, 4800);
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_wav(file, frames, 4800, 4560);
        unlink(file);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
        struct scene_speakers scene = { .name = (char *) "test", .backend = SOUND_WAV, .rate_hz = RATE, .n_channels = 2,
                                        .period_us = 5000, .file = (char *) "/dev/null" };
        struct speakers *s;

        assert_int_equal(speakers_new(&scene, &s), -EINVAL);
        scene.file = (char *) "/nonexistent/a.wav";
        assert_int_equal(speakers_new(&scene, &s), -ENOENT);
}

static void periods_come_at_their_time(void **state)
{
        struct rig *rig = *state;
        struct speakers_stats stats;
        struct voice *v;
        uint64_t begin_ns;
        static float frames[4800];

        v = open_mono(rig, 0, OVER_MIX);
        assert_int_equal(voice_write(v, frames, 4800), 4800);
        begin_ns = clock_now_ns();
        assert_true(voice_wake_at(v, 4800));
        assert_int_equal(speakers_start(rig->speakers), 0);
        wait_for(rig->wake_fd);
        /* The first period is mixed at once: 19 more. */
        assert_true(clock_now_ns() - begin_ns >= 95 * NSEC_PER_MSEC);
        voice_stop(v);
        speakers_stop(rig->speakers);
        speakers_get_stats(rig->speakers, &stats);
        assert_in_range(stats.n_periods, 20, 21);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(loopback_records_what_is_played),
                CASE(a_wav_file_holds_every_bit),
                CASE(a_wav_file_is_right_after_a_kill),
                cmocka_unit_test(a_file_that_cannot_be_is_refused),
                CASE(periods_come_at_their_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
