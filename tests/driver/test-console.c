/* SPDX-License-Identifier: MPL-2.0 */
/* The console as a process: over vhost-user and as a plain stream, with the host's side on it.
   Spec: VIRTIO 1.4, 5.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/stream-socket.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "device/console.h"
#include "harness-expect.h"
#include "two-guests.h"
#include "virtio/features.h"

#define WAIT_MS 20000

enum { IN0, OUT0, CONTROL_IN, CONTROL_OUT, IN1, OUT1 };

static void connect_guest(struct vhost_driver *d, const char *name, bool packed, uint16_t n_queues)
{
        struct vhost_driver_options options = {
                .features_wanted = (RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED))) |
                                   FEATURE(CONSOLE_FEATURE_SIZE) |
                                   (n_queues > 2 ? FEATURE(CONSOLE_FEATURE_MULTIPORT) : 0),
                .memory_bytes = 8 << 20,
                .n_queues = n_queues,
                .queue_size = 64,
                .indirect_max = 8,
                .inflight = true,
        };

        assert_int_equal(vhost_driver_start(d, harness_path(&harness, name), &options), 0);
}

static gpa_t give(struct vhost_driver *d, uint16_t queue, const void *data, uint32_t n, bool device_writes)
{
        struct driver_buffer buffer = { vhost_driver_alloc(d, n, 64), n, device_writes };

        assert_true(buffer.address != 0);
        if (data)
                memcpy(vhost_driver_pointer(d, buffer.address), data, n);
        assert_int_equal(driver_queue_add(&d->queues[queue], &buffer, 1, vhost_driver_pointer(d, buffer.address)), 0);
        (void) driver_queue_kick(&d->queues[queue]);
        return buffer.address;
}

static void say(struct vhost_driver *d, uint16_t queue, const char *text)
{
        uint32_t len;
        void *cookie;

        (void) give(d, queue, text, (uint32_t) strlen(text), false);
        assert_int_equal(vhost_driver_wait(d, queue, WAIT_MS, &cookie, &len), 1);
        assert_int_equal(len, 0);
}

static void hear(struct vhost_driver *d, uint16_t queue, const char *text)
{
        uint32_t len;
        void *cookie;

        assert_int_equal(vhost_driver_wait(d, queue, WAIT_MS, &cookie, &len), 1);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(cookie, text, len);
}

static void control(struct vhost_driver *d, uint32_t id, uint16_t event, uint16_t value)
{
        struct console_control message = { htole32(id), htole16(event), htole16(value) };
        uint32_t len;
        void *cookie;

        (void) give(d, CONTROL_OUT, &message, sizeof(message), false);
        assert_int_equal(vhost_driver_wait(d, CONTROL_OUT, WAIT_MS, &cookie, &len), 1);
}

static void expect_control(struct vhost_driver *d, uint32_t id, uint16_t event, const char *name)
{
        struct console_control message;
        uint32_t len;
        void *cookie;

        (void) give(d, CONTROL_IN, NULL, 128, true);
        assert_int_equal(vhost_driver_wait(d, CONTROL_IN, WAIT_MS, &cookie, &len), 1);
        memcpy(&message, cookie, sizeof(message));
        assert_int_equal(le32toh(message.id), id);
        assert_int_equal(le16toh(message.event), event);
        assert_int_equal(len, sizeof(message) + strlen(name));
        assert_memory_equal((char *) cookie + sizeof(message), name, strlen(name));
}

/* Reads exactly this text from a socket or terminal. */
static void read_text(int fd, const char *text)
{
        size_t n = 0, expected = strlen(text);
        char buf[4096];

        while (n < expected) {
                struct pollfd ready = { .fd = fd, .events = POLLIN };
                ssize_t r;

                assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
                r = read(fd, buf + n, expected - n);
                assert_true(r > 0);
                n += (size_t) r;
        }
        assert_memory_equal(buf, text, expected);
}

static int connect_client(const char *name)
{
        int fd = fd_unix_connect(harness_path(&harness, name));

        assert_true(fd >= 0);
        return fd;
}

static void assert_file(const char *name, const char *expected)
{
        auto_cleanup(freep) char *text = NULL;
        size_t n;

        assert_int_equal(fd_read_file(harness_path(&harness, name), 1 << 20, &text, &n), 0);
        assert_string_equal(text, expected);
}

static void console_carries_both_ways_on_both_ring_kinds(void **state)
{
        const char *words[] = { "console", "--socket-path", harness_path(&harness, "s"), "--socket",
                                harness_path(&harness, "tty"), "--pty", harness_path(&harness, "pty"), "--log",
                                harness_path(&harness, "logs/log"), NULL };

        assert_int_equal(harness_start(&harness, words), 0);
        for (int packed = 0; packed < 2; packed++) {
                auto_cleanup(closep) int client = connect_client("tty");
                auto_cleanup(closep) int terminal = open(harness_path(&harness, "pty"), O_RDWR | O_NOCTTY | O_CLOEXEC);

                if (packed)
                        read_text(client, "login: ");
                connect_guest(&alpha, "s", packed, 2);
                say(&alpha, OUT0, "login: ");
                read_text(client, "login: ");
                read_text(terminal, "login: ");
                (void) give(&alpha, IN0, NULL, 64, true);
                assert_int_equal(write(client, "root\n", 5), 5);
                hear(&alpha, IN0, "root\n");
                (void) give(&alpha, IN0, NULL, 64, true);
                assert_int_equal(write(terminal, "x", 1), 1);
                hear(&alpha, IN0, "x");
                vhost_driver_stop(&alpha);
        }
        assert_file("logs/log", "login: login: ");
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(access(harness_path(&harness, "tty"), F_OK), -1);
        assert_int_equal(access(harness_path(&harness, "pty"), F_OK), -1);
}

static void ports_have_names_and_streams_of_their_own(void **state)
{
        char port[256];
        const char *words[] = { "console", "--socket-path", harness_path(&harness, "s"), "--log",
                                harness_path(&harness, "log"), "--name", "main", "--port", port, "--columns", "100",
                                "--rows", "30", NULL };
        auto_cleanup(closep) int client = -1;
        struct console_config config;

        (void) snprintf(port, sizeof(port), "agent;socket=%s", harness_path(&harness, "agent"));
        assert_int_equal(harness_start(&harness, words), 0);
        connect_guest(&alpha, "s", true, 6);
        assert_int_equal(frontend_get_config(alpha.frontend, 0, &config, sizeof(config)), 0);
        assert_int_equal(le16toh(config.columns), 100);
        assert_int_equal(le32toh(config.max_nr_ports), 2);
        control(&alpha, UINT32_MAX, CONSOLE_DEVICE_READY, 1);
        expect_control(&alpha, 0, CONSOLE_DEVICE_ADD, "");
        expect_control(&alpha, 1, CONSOLE_DEVICE_ADD, "");
        control(&alpha, 1, CONSOLE_PORT_READY, 1);
        expect_control(&alpha, 1, CONSOLE_PORT_NAME, "agent");
        expect_control(&alpha, 1, CONSOLE_PORT_OPEN, "");
        control(&alpha, 1, CONSOLE_PORT_OPEN, 1);
        client = connect_client("agent");
        (void) give(&alpha, IN1, NULL, 64, true);
        assert_int_equal(write(client, "ping", 4), 4);
        hear(&alpha, IN1, "ping");
        say(&alpha, OUT1, "pong");
        read_text(client, "pong");
        say(&alpha, OUT0, "only in the log");
        assert_file("log", "only in the log");
        assert_int_equal(frontend_set_config(alpha.frontend, offsetof(struct console_config, emerg_wr), "!\0\0", 4), 0);
        say(&alpha, OUT0, "?");
        assert_file("log", "only in the log!?");
        assert_int_equal(harness_stop(&harness), 0);
}

static bool needs_reset(struct vhost_driver *d)
{
        uint8_t status = 0;

        assert_int_equal(frontend_get_status(d->frontend, &status), 0);
        return status & VIRTIO_STATUS_NEEDS_RESET;
}

static void bad_input_15_control_garbage_hurts_nobody_else(void **state)
{
        char first[256], second[256];
        const char *words[] = { "console", "--guest", first, "--guest", second, NULL };
        struct driver_buffer outside = { 1ULL << 40, 64, false };
        uint32_t len;
        void *cookie;

        (void) snprintf(first, sizeof(first), "id=alpha,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,socket-path=%s,log=%s", harness_path(&harness, "b"),
                        harness_path(&harness, "log"));
        assert_int_equal(harness_start(&harness, words), 0);
        connect_guest(&beta, "b", false, 4);
        for (int packed = 0; packed < 2; packed++) {
                connect_guest(&alpha, "a", packed, 4);
                for (uint32_t id = 1; id < 200; id++)
                        control(&alpha, id * 0x01234567, (uint16_t) (id * 7), (uint16_t) id);
                assert_false(needs_reset(&alpha));
                (void) give(&alpha, CONTROL_OUT, "short", 5, false);
                assert_int_equal(vhost_driver_wait(&alpha, CONTROL_OUT, 50, &cookie, &len), -ETIMEDOUT);
                assert_true(needs_reset(&alpha));
                say(&alpha, OUT0, "its other queues go on");
                assert_int_equal(driver_queue_add(&alpha.queues[OUT0], &outside, 1, NULL), 0);
                (void) driver_queue_kick(&alpha.queues[OUT0]);
                assert_int_equal(vhost_driver_wait(&alpha, OUT0, 50, &cookie, &len), -ETIMEDOUT);
                vhost_driver_stop(&alpha);
                say(&beta, OUT0, "b");
                connect_guest(&alpha, "a", packed, 4);
                assert_false(needs_reset(&alpha));
                say(&alpha, OUT0, "revived");
                vhost_driver_stop(&alpha);
        }
        assert_file("log", "bb");
        assert_int_equal(harness_stop(&harness), 0);
}

static void bad_input_15_idle_clients_and_silent_readers_do_not_hold_up_the_guest(void **state)
{
        const char *words[] = { "console", "--socket-path", harness_path(&harness, "s"), "--socket",
                                harness_path(&harness, "tty"), NULL };
        static char block[65536];
        int fds[3 * STREAM_SOCKET_CLIENTS_MAX];

        memset(block, 'x', sizeof(block) - 1);
        assert_int_equal(harness_start(&harness, words), 0);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = connect_client("tty");
        connect_guest(&alpha, "s", true, 2);
        for (size_t i = 0; i < 60; i++)
                say(&alpha, OUT0, block);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                closep(&fds[i]);
        fds[0] = connect_client("tty");
        read_text(fds[0], "xxx");
        closep(&fds[0]);
        assert_int_equal(harness_stop(&harness), 0);
}

static void console_goes_on_after_a_killed_server(void **state)
{
        const char *words[] = { "console", "--socket-path", harness_path(&harness, "s"), "--log",
                                harness_path(&harness, "log"), "--socket", harness_path(&harness, "tty"), NULL };

        for (int packed = 0; packed < 2; packed++) {
                auto_cleanup(closep) int client = -1;

                (void) unlink(harness_path(&harness, "log"));
                assert_int_equal(harness_start(&harness, words), 0);
                connect_guest(&alpha, "s", packed, 4);
                control(&alpha, UINT32_MAX, CONSOLE_DEVICE_READY, 1);
                say(&alpha, OUT0, "one ");
                (void) give(&alpha, IN0, NULL, 64, true);
                for (int i = 0; i < 3; i++) {
                        harness_kill(&harness);
                        assert_int_equal(harness_start(&harness, words), 0);
                        assert_int_equal(vhost_driver_reconnect(&alpha, harness_path(&harness, "s")), 0);
                        say(&alpha, OUT0, "more ");
                }
                client = connect_client("tty");
                assert_int_equal(write(client, "typed", 5), 5);
                hear(&alpha, IN0, "typed");
                assert_file("log", "one more more more ");
                vhost_driver_stop(&alpha);
                assert_int_equal(harness_stop(&harness), 0);
        }
}

/* As the supervisor does it: sockets that outlive the server, which a hypervisor's own console connects to. */
static void a_stream_goes_on_over_restarts_of_either_side(void **state)
{
        const char *words[] = { "console", "--guest", NULL, NULL };
        auto_cleanup(closep) int listen_stream = fd_unix_listen(harness_path(&harness, "stream"), 4);
        auto_cleanup(closep) int listen_tty = fd_unix_listen(harness_path(&harness, "tty"), 4);
        const struct process_fd fds[] = { { listen_stream, 4 }, { listen_tty, 5 } };
        auto_cleanup(closep) int client = -1;
        char guest[256];

        (void) snprintf(guest, sizeof(guest), "id=m.console,fd=4,stream=on,socket-fd=5,log=%s/console/console.log",
                        harness.folder);
        words[2] = guest;
        assert_int_equal(harness_start_with(&harness, words, fds, 2), 0);
        for (int i = 0; i < 3; i++) {
                auto_cleanup(closep) int monitor = connect_client("stream");

                assert_int_equal(write(monitor, "boot ", 5), 5);
                client = connect_client("tty");
                for (int k = 0; k <= i; k++)
                        read_text(client, "boot ");
                assert_int_equal(write(client, "typed", 5), 5);
                read_text(monitor, "typed");
                fd_close(&client);
        }
        harness_kill(&harness);
        {
                auto_cleanup(closep) int monitor = connect_client("stream");

                assert_int_equal(write(monitor, "early ", 6), 6);
                assert_int_equal(harness_start_with(&harness, words, fds, 2), 0);
                client = connect_client("tty");
                read_text(client, "early ");
        }
        assert_int_equal(harness_stop(&harness), 0);
        assert_file("console/console.log", "boot boot boot early ");
        assert_int_equal(access(harness_path(&harness, "tty"), F_OK), 0);
}

static void a_second_stream_is_refused_and_the_first_goes_on(void **state)
{
        const char *words[] = { "console", "--stream", "--socket-path", harness_path(&harness, "s"), "--log",
                                harness_path(&harness, "log"), NULL };
        auto_cleanup(closep) int first = -1, second = -1;
        char byte;

        assert_int_equal(harness_start(&harness, words), 0);
        first = connect_client("s");
        assert_int_equal(write(first, "1", 1), 1);
        second = connect_client("s");
        assert_int_equal(read(second, &byte, 1), 0);
        assert_int_equal(write(first, "2", 1), 1);
        assert_int_equal(harness_stop(&harness), 0);
        assert_file("log", "12");
}

static void a_log_rotates_inside_the_sandbox(void **state)
{
        const char *words[] = { "console", "--stream", "--socket-path", harness_path(&harness, "s"), "--log",
                                harness_path(&harness, "logs/log"), "--log-bytes", "4096", "--log-files", "3", NULL };
        auto_cleanup(closep) int monitor = -1;
        static char block[5 * 4096];
        struct stat st;

        memset(block, 'a', sizeof(block));
        assert_int_equal(harness_start(&harness, words), 0);
        monitor = connect_client("s");
        assert_int_equal(fd_write_full(monitor, block, sizeof(block)), 0);
        fd_close(&monitor);
        assert_int_equal(harness_wait_log(&harness, "disconnected"), 0);
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(stat(harness_path(&harness, "logs/log"), &st), 0);
        assert_int_equal(st.st_size, 4096);
        assert_int_equal(stat(harness_path(&harness, "logs/log.2"), &st), 0);
        assert_int_equal(st.st_size, 4096);
        assert_int_equal(access(harness_path(&harness, "logs/log.3"), F_OK), -1);
}

static void wrong_settings_are_named(void **state)
{
        static const char *const bad[][2] = {
                { "--socket-fd=77", "socket-fd=77: expected a listening socket" },
                { "--log=/dev/null", "log=/dev/null: not a regular file" },
                { "--port=a;colour=red", "port a: unknown 'colour=red'" },
                { "--log-bytes=1", "log-bytes=1: expected" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                const char *words[] = { "console", "--socket-path", harness_path(&harness, "s"), bad[i][0], NULL };

                harness_expect_refused(&harness, words, bad[i][1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(console_carries_both_ways_on_both_ring_kinds),
                CASE(ports_have_names_and_streams_of_their_own),
                CASE(bad_input_15_control_garbage_hurts_nobody_else),
                CASE(bad_input_15_idle_clients_and_silent_readers_do_not_hold_up_the_guest),
                CASE(console_goes_on_after_a_killed_server),
                CASE(a_stream_goes_on_over_restarts_of_either_side),
                CASE(a_second_stream_is_refused_and_the_first_goes_on),
                CASE(a_log_rotates_inside_the_sandbox),
                CASE(wrong_settings_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
