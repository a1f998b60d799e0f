/* SPDX-License-Identifier: MPL-2.0 */
/* What every device server does, seen from outside; type rng stands for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "sandbox/sandbox.h"
#include "server/server.h"
#include "two-guests.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define GIVEN_FD 9
#define RSS_MAX_KIB (6 * 1024)

static void start_at(const char *socket_name, const char *option)
{
        const char *words[] = { "rng", "--rate=0", "--socket-path", harness_path(&harness, socket_name), option, NULL };

        assert_int_equal(harness_start(&harness, words), 0);
}

static int connect_guest(struct vhost_driver *d, const char *socket_name)
{
        struct vhost_driver_options options = { .features_wanted = RING_FEATURES, .memory_bytes = 1 << 20,
                                                .n_queues = 1, .queue_size = 16 };

        return vhost_driver_start(d, harness_path(&harness, socket_name), &options);
}

static void exchange(struct vhost_driver *d)
{
        struct driver_buffer buffer = { vhost_driver_alloc(d, 64, 64), 64, true };
        uint32_t len;
        void *cookie;

        assert_int_equal(driver_queue_add(&d->queues[0], &buffer, 1, d), 0);
        (void) driver_queue_kick(&d->queues[0]);
        assert_int_equal(vhost_driver_wait(d, 0, WAIT_MS, &cookie, &len), 1);
        assert_int_equal(len, 64);
}

static void expect_log(const char *text)
{
        if (!strstr(harness_log(&harness), text))
                fail_msg("'%s' is not in the log", text);
}

static bool exists(const char *path)
{
        struct stat st;

        return lstat(path, &st) == 0;
}

static void end_by_sigterm_is_orderly_and_leaves_no_socket(void **state)
{
        start_at("a", NULL);
        assert_true(exists(harness_path(&harness, "a")));
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        exchange(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
        assert_false(exists(harness_path(&harness, "a")));
        expect_log("info rng: ends by SIGTERM\n");
}

static void socket_is_for_its_owner_only(void **state)
{
        struct stat st;

        start_at("a", NULL);
        assert_int_equal(stat(harness_path(&harness, "a"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(harness_stop(&harness), 0);
}

static void second_connection_is_refused_and_the_first_lives(void **state)
{
        start_at("a", NULL);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        for (int i = 0; i < 3; i++) {
                assert_true(connect_guest(&beta, "a") < 0);
                vhost_driver_stop(&beta);
                exchange(&alpha);
        }
        vhost_driver_stop(&alpha);
        assert_int_equal(connect_guest(&beta, "a"), 0);
        exchange(&beta);
        assert_int_equal(harness_stop(&harness), 0);
}

static void killed_server_leaves_a_socket_that_the_next_one_replaces(void **state)
{
        start_at("a", NULL);
        harness_kill(&harness);
        assert_true(exists(harness_path(&harness, "a")));
        start_at("a", NULL);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        exchange(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

static void socket_of_a_live_server_is_left_alone(void **state)
{
        struct harness other;
        const char *words[] = { "rng", "--socket-path", harness_path(&harness, "a"), NULL };

        start_at("a", NULL);
        assert_int_equal(harness_init(&other), 0);
        assert_int_equal(harness_start(&other, words), -ECHILD);
        assert_int_equal(harness_wait(&other), 1);
        assert_non_null(strstr(harness_log(&other), "Address already in use\n"));
        harness_deinit(&other);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        exchange(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

static void listening_descriptor_serves_guest_after_guest(void **state)
{
        const char *words[] = { "rng", "--fd=9", NULL };
        auto_cleanup(closep) int fd = fd_unix_listen(harness_path(&harness, "a"), 4);
        struct process_fd fds[] = { { fd, GIVEN_FD } };

        assert_true(fd >= 0);
        assert_int_equal(harness_start_with(&harness, words, fds, 1), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(connect_guest(&alpha, "a"), 0);
                exchange(&alpha);
                vhost_driver_stop(&alpha);
        }
        assert_int_equal(harness_stop(&harness), 0);
        /* Who made it removes it. */
        assert_true(exists(harness_path(&harness, "a")));
}

static void connected_descriptor_is_served_once(void **state)
{
        const char *words[] = { "rng", "--fd=9", NULL };
        struct process_fd fds[1];
        struct frontend *frontend;
        uint64_t features;
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        fds[0] = (struct process_fd) { ends[1], GIVEN_FD };
        assert_int_equal(harness_start_with(&harness, words, fds, 1), 0);
        assert_int_equal(close(ends[1]), 0);
        assert_int_equal(frontend_new(ends[0], &frontend), 0);
        assert_int_equal(frontend_negotiate(frontend, 0, &features), 0);
        assert_true(features & FEATURE(VIRTIO_FEATURE_VERSION_1));
        assert_true(harness_running(&harness));
        frontend_free(frontend);
        assert_int_equal(harness_wait(&harness), 0);
}

static void descriptor_that_is_no_unix_stream_socket_is_refused(void **state)
{
        const char *words[] = { "rng", "--fd=9", NULL };
        auto_cleanup(closep) int memory = memfd_create("x", MFD_CLOEXEC);
        auto_cleanup(closep) int unconnected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct process_fd fds[] = { { memory, GIVEN_FD } };

        assert_int_equal(harness_start(&harness, words), -ECHILD);
        assert_int_equal(harness_wait(&harness), 1);
        assert_int_equal(harness_start_with(&harness, words, fds, 1), -ECHILD);
        fds[0].fd = unconnected;
        assert_int_equal(harness_start_with(&harness, words, fds, 1), -ECHILD);
        expect_log("error rng: guest rng: fd=9: expected a unix stream socket that listens or is connected\n");
}

static void guests_of_one_process_are_independent(void **state)
{
        char first[256], second[256];
        const char *words[] = { "rng", "--queue-threads=2", "--guest", first, "--guest", second, NULL };

        (void) snprintf(first, sizeof(first), "id=alpha,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,socket-path=%s", harness_path(&harness, "b"));
        assert_int_equal(harness_start(&harness, words), 0);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        assert_int_equal(connect_guest(&beta, "b"), 0);
        exchange(&alpha);
        exchange(&beta);
        vhost_driver_stop(&alpha);
        exchange(&beta);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        exchange(&alpha);
        exchange(&beta);
        assert_int_equal(harness_stop(&harness), 0);
        assert_false(exists(harness_path(&harness, "a")) || exists(harness_path(&harness, "b")));
}

static void service_manager_is_told(void **state)
{
        const char *path = harness_path(&harness, "notify");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        auto_cleanup(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char text[64] = "";

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
        start_at("a", NULL);
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
        assert_string_equal(text, "READY=1\n");
        assert_int_equal(harness_stop(&harness), 0);
        memset(text, 0, sizeof(text));
        assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
        assert_string_equal(text, "STOPPING=1\n");
}

static void expect_status(const char *line)
{
        auto_cleanup(freep) char *text = NULL;
        char path[64];
        size_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) harness_pid(&harness));
        assert_int_equal(fd_read_file(path, 1 << 16, &text, &n), 0);
        if (!strstr(text, line))
                fail_msg("'%s' is not in the status of the server", line);
}

static void ready_server_is_locked_down(void **state)
{
        start_at("a", "--log-level=debug");
        expect_status("\nNoNewPrivs:\t1\n");
        expect_status("\nCapEff:\t0000000000000000\n");
        expect_status("\nCapPrm:\t0000000000000000\n");
        expect_status("\nCapAmb:\t0000000000000000\n");
        expect_log("debug rng: sandbox: no capabilities");
        if (!sandbox_sanitizer_build()) {
                expect_status("\nSeccomp:\t2\n");
                expect_log("debug rng: sandbox: system calls restricted to a list\n");
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void lock_down_can_be_left_out_and_says_so(void **state)
{
        start_at("a", "--no-sandbox");
        expect_status("\nSeccomp:\t0\n");
        expect_log("warning rng: runs without a sandbox\n");
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        exchange(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

static void expect_small(void)
{
        if (sandbox_sanitizer_build()) {
                print_message("# sanitizer build: its memory is not ours\n");
                return;
        }
        print_message("# RssAnon + RssFile: %ld KiB\n", harness_rss_kib(&harness));
        assert_in_range(harness_rss_kib(&harness), 1, RSS_MAX_KIB);
}

static void server_stays_small_at_work(void **state)
{
        start_at("a", NULL);
        assert_int_equal(connect_guest(&alpha, "a"), 0);
        for (int i = 0; i < 64; i++)
                exchange(&alpha);
        expect_small();
        assert_int_equal(harness_stop(&harness), 0);
}

/* The least that each type needs; a type that is missing here fails the test. */
static const struct {
        const char *type, *option;
} ways_to_start[] = {
        { "blk", "--null=1M" },
        { "console", NULL },
        { "net", NULL },
        { "net", "--backend=user" },
        { "net", "--uplink=user" },
        { "rng", NULL },
};

static void every_type_locks_down_stays_small_and_ends_orderly(void **state)
{
        for (size_t i = 0; server_types[i]; i++) {
                bool found = false;

                for (size_t k = 0; k < ARRAY_SIZE(ways_to_start); k++)
                        found |= strcmp(ways_to_start[k].type, server_types[i]->name) == 0;
                assert_true(found);
        }
        for (size_t k = 0; k < ARRAY_SIZE(ways_to_start); k++) {
                const char *words[] = { ways_to_start[k].type, "--socket-path", harness_path(&harness, "a"),
                                        ways_to_start[k].option, NULL };

                print_message("# %s %s\n", words[0], words[3] ? words[3] : "");
                assert_int_equal(harness_start(&harness, words), 0);
                expect_status("\nNoNewPrivs:\t1\n");
                if (!sandbox_sanitizer_build())
                        expect_status("\nSeccomp:\t2\n");
                expect_small();
                assert_int_equal(harness_stop(&harness), 0);
                assert_false(exists(harness_path(&harness, "a")));
        }
}

static void capabilities_are_json_of_the_convention(void **state)
{
        const char *words[] = { "device", "rng", "--print-capabilities", NULL };

        assert_int_equal(harness_run(&harness, words), 0);
        assert_non_null(strstr(harness_output(&harness), "\"type\": \"rng\""));
        assert_non_null(strstr(harness_output(&harness), "\"features\": []"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(end_by_sigterm_is_orderly_and_leaves_no_socket),
                CASE(socket_is_for_its_owner_only),
                CASE(second_connection_is_refused_and_the_first_lives),
                CASE(killed_server_leaves_a_socket_that_the_next_one_replaces),
                CASE(socket_of_a_live_server_is_left_alone),
                CASE(listening_descriptor_serves_guest_after_guest),
                CASE(connected_descriptor_is_served_once),
                CASE(descriptor_that_is_no_unix_stream_socket_is_refused),
                CASE(guests_of_one_process_are_independent),
                CASE(service_manager_is_told),
                CASE(ready_server_is_locked_down),
                CASE(lock_down_can_be_left_out_and_says_so),
                CASE(server_stays_small_at_work),
                CASE(every_type_locks_down_stays_small_and_ends_orderly),
                CASE(capabilities_are_json_of_the_convention),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
