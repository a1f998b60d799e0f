/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The input server as a process: two guests side by side on one screen, driven as their drivers do it, and somebody who
 * touches the screen. Spec: VIRTIO 1.4, 5.8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness.h"
#include "seat/sender.h"
#include "vhost/driver.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define SHORT_MS 50
#define QUEUE_SIZE 64
#define EVENTS 0
#define STATUS 1

/* Two displays of 800 by 600 side by side; keys go to the right one. */
static const char scene[] =
        "{ \"screens\": { \"main\": { \"output\": \"headless\", \"size\": [1600, 600], \"input\": { \"keyFocus\": \"right\" } } },\n"
        "  \"displays\": { \"left\": { \"screen\": \"main\", \"region\": [0, 0, 800, 600] },\n"
        "                \"right\": { \"screen\": \"main\", \"region\": [800, 0, 800, 600] } } }\n";

static struct harness harness;
static struct vhost_driver left, right, keyboard;
static struct seat_sender *sender;
static const char *seat_path;

static void write_scene(const char *path, const char *text)
{
        assert_int_equal(fd_write_file_atomic(path, text, strlen(text), 0600), 0);
}

static int setup(void **state)
{
        left = right = keyboard = (struct vhost_driver) { .memory_fd = -1, .inflight.fd = -1 };
        assert_int_equal(harness_init(&harness), 0);
        seat_path = harness_path(&harness, "seat");
        write_scene(harness_path(&harness, "system.json"), scene);
        return seat_sender_new(seat_path, "main", &sender);
}

static int teardown(void **state)
{
        sender = seat_sender_free(sender);
        vhost_driver_stop(&left);
        vhost_driver_stop(&right);
        vhost_driver_stop(&keyboard);
        harness_deinit(&harness);
        return 0;
}

static void start_server(void)
{
        char guests[3][256], scene_option[256], seat_option[256];
        const char *words[] = { "input",   scene_option, seat_option, "--guest", guests[0],
                                "--guest", guests[1],    "--guest",   guests[2], NULL };

        (void) snprintf(scene_option, sizeof(scene_option), "--scene=%s", harness_path(&harness, "system.json"));
        (void) snprintf(seat_option, sizeof(seat_option), "--seat=%s", seat_path);
        (void) snprintf(guests[0], sizeof(guests[0]), "id=left.touch,kind=touch,display=left,socket-path=%s",
                        harness_path(&harness, "left"));
        (void) snprintf(guests[1], sizeof(guests[1]), "id=right.touch,kind=touch,display=right,socket-path=%s",
                        harness_path(&harness, "right"));
        (void) snprintf(guests[2], sizeof(guests[2]), "id=right.keys,kind=keyboard,display=right,socket-path=%s",
                        harness_path(&harness, "keys"));
        assert_int_equal(harness_start(&harness, words), 0);
}

static void connect_guest(struct vhost_driver *d, const char *name, bool packed)
{
        const struct vhost_driver_options options = {
                .features_wanted = RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED)),
                .memory_bytes = 4 << 20,
                .n_queues = 2,
                .queue_size = QUEUE_SIZE,
                .inflight = true,
        };

        assert_int_equal(vhost_driver_start(d, harness_path(&harness, name), &options), 0);
}

static void add_event_buffer(struct vhost_driver *d, gpa_t at)
{
        struct driver_buffer buffer = { .address = at, .len_bytes = 8, .device_writes = true };

        assert_int_equal(driver_queue_add(&d->queues[EVENTS], &buffer, 1, vhost_driver_pointer(d, at)), 0);
}

static void give(struct vhost_driver *d, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                add_event_buffer(d, vhost_driver_alloc(d, 8, 8));
        (void) driver_queue_kick(&d->queues[EVENTS]);
}

/* The next event; its buffer is given again. Return: false if none comes within @ms. */
static bool next_event(struct vhost_driver *d, unsigned ms, struct virtio_input_event *ret)
{
        struct virtio_input_event e;
        void *cookie;
        uint32_t len;

        if (vhost_driver_wait(d, EVENTS, ms, &cookie, &len) != 1)
                return false;
        assert_int_equal(len, sizeof(e));
        memcpy(&e, cookie, sizeof(e));
        *ret = (struct virtio_input_event) { le16toh(e.type), le16toh(e.code), le32toh(e.value) };
        add_event_buffer(d, (gpa_t) ((char *) cookie - d->memory));
        (void) driver_queue_kick(&d->queues[EVENTS]);
        return true;
}

/* The next report as text. */
static const char *next_report(struct vhost_driver *d, unsigned ms)
{
        static char text[8192];
        struct virtio_input_event e;
        size_t at = 0;

        *text = 0;
        while (next_event(d, ms, &e)) {
                if (e.type == EV_SYN)
                        return text;
                at += (size_t) snprintf(text + at, sizeof(text) - at, "%u:%u=%d ", e.type, e.code, (int32_t) e.value);
                assert_true(at < sizeof(text) - 64);
                ms = WAIT_MS; /* what was begun is finished */
        }
        return NULL;
}

static void expect_report(struct vhost_driver *d, const char *text)
{
        const char *report = next_report(d, WAIT_MS);

        assert_non_null(report);
        assert_string_equal(report, text);
}

static void expect_silence(struct vhost_driver *d)
{
        const char *report = next_report(d, SHORT_MS);

        if (report)
                fail_msg("unexpected report: %s", report);
}

/* What the kernel's socket buffer does not hold is sent again: only tests may wait. */
static void say(const struct seat_message *m)
{
        int r;

        while ((r = seat_send(sender, m)) == -EAGAIN)
                (void) usleep(1000);
        assert_int_equal(r, 0);
}

static void finger(uint32_t kind, uint32_t id, uint32_t x, uint32_t y)
{
        say(&(struct seat_message) { .kind = kind, .id = id, .x = seat_axis_from_pixel(x, 1600),
                                     .y = seat_axis_from_pixel(y, 600) });
}

static void key(uint32_t code, int value)
{
        say(&(struct seat_message) { .kind = SEAT_KEY, .code = code, .value = value });
}

static struct virtio_input_config ask(struct vhost_driver *d, uint8_t select, uint8_t subsel)
{
        const uint8_t words[2] = { select, subsel };
        struct virtio_input_config c;

        assert_int_equal(frontend_set_config(d->frontend, 0, words, 2), 0);
        assert_int_equal(frontend_get_config(d->frontend, 0, &c, sizeof(c)), 0);
        return c;
}

static void driver_reads_what_the_device_is(void **state)
{
        struct virtio_input_config c;
        uint8_t byte = 1;

        start_server();
        connect_guest(&left, "left", true);
        connect_guest(&keyboard, "keys", false);
        c = ask(&left, VIRTIO_INPUT_CFG_ID_NAME, 0);
        assert_memory_equal(c.u.string, "Busbar touch screen", c.size);
        c = ask(&left, VIRTIO_INPUT_CFG_ID_SERIAL, 0);
        assert_int_equal(c.size, strlen("left.touch"));
        assert_memory_equal(c.u.string, "left.touch", c.size);
        assert_int_equal(le32toh(ask(&left, VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_POSITION_X).u.abs.max), 799);
        assert_true(ask(&keyboard, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY).size > 16);
        /* Bad input: selectors out of range, writes to what is read-only. */
        assert_int_equal(ask(&left, 0xff, 0xff).size, 0);
        assert_int_equal(ask(&left, VIRTIO_INPUT_CFG_ABS_INFO, 0xff).size, 0);
        assert_int_equal(ask(&left, VIRTIO_INPUT_CFG_EV_BITS, 0xff).size, 0);
        assert_true(frontend_set_config(left.frontend, 8, &byte, 1) < 0);
        assert_int_equal(harness_stop(&harness), 0);
}

static void touches_and_keys_arrive_on_both_ring_kinds(void **state)
{
        for (int packed = 0; packed < 2; packed++) {
                start_server();
                connect_guest(&left, "left", packed);
                connect_guest(&keyboard, "keys", packed);
                give(&left, QUEUE_SIZE);
                give(&keyboard, QUEUE_SIZE);
                finger(SEAT_TOUCH_DOWN, 0, 10, 20);
                expect_report(&left, "3:47=0 3:57=0 3:53=10 3:54=20 1:330=1 3:0=10 3:1=20 ");
                finger(SEAT_TOUCH_MOVE, 0, 30, 40);
                expect_report(&left, "3:47=0 3:53=30 3:54=40 3:0=30 3:1=40 ");
                finger(SEAT_TOUCH_UP, 0, 0, 0);
                expect_report(&left, "3:47=0 3:57=-1 1:330=0 ");
                /* More than the ring has places, so that it goes round. */
                for (int i = 0; i < 3 * QUEUE_SIZE; i++) {
                        key(KEY_A, i % 2 == 0);
                        expect_report(&keyboard, i % 2 == 0 ? "1:30=1 " : "1:30=0 ");
                }
                vhost_driver_stop(&left);
                vhost_driver_stop(&keyboard);
                assert_int_equal(harness_stop(&harness), 0);
        }
}

/* Two fingers, each on a display of its own or both on one, here and there: each guest gets what is its own,
   exactly. */
static void nothing_reaches_the_wrong_guest(void **state)
{
        struct vhost_driver *guests[] = { &left, &right };
        unsigned seed = 1;

        start_server();
        connect_guest(&left, "left", true);
        connect_guest(&right, "right", false);
        connect_guest(&keyboard, "keys", true);
        for (int i = 0; i < 2; i++)
                give(guests[i], QUEUE_SIZE);
        give(&keyboard, QUEUE_SIZE);
        for (int round = 0; round < 300; round++) {
                uint32_t x[2], y[2], n_on[2] = { 0 };
                char text[128];

                for (uint32_t id = 0; id < 2; id++) {
                        uint32_t on;

                        x[id] = (uint32_t) rand_r(&seed) % 1600;
                        y[id] = (uint32_t) rand_r(&seed) % 600;
                        on = x[id] / 800;
                        finger(SEAT_TOUCH_DOWN, id, x[id], y[id]);
                        (void) snprintf(text, sizeof(text), "3:53=%u 3:54=%u ", x[id] % 800, y[id]);
                        assert_non_null(strstr(next_report(guests[on], WAIT_MS), text));
                        n_on[on]++;
                }
                /* Moves to the other side stay with the guest. */
                finger(SEAT_TOUCH_MOVE, 0, 1599 - x[0], y[0] ^ 1);
                assert_non_null(next_report(guests[x[0] / 800], WAIT_MS));
                for (uint32_t id = 0; id < 2; id++) {
                        finger(SEAT_TOUCH_UP, id, 0, 0);
                        assert_non_null(strstr(next_report(guests[x[id] / 800], WAIT_MS), "3:57=-1 "));
                }
        }
        expect_silence(&left);
        expect_silence(&right);
        expect_silence(&keyboard);
        assert_int_equal(harness_stop(&harness), 0);
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

struct latency {
        uint64_t median_ns, most_ns; /* most: 99 of 100 */
};

/* From a touch's datagram to its last event in the guest's used ring, as a poll of the call eventfd sees it. */
static struct latency measure(struct vhost_driver *d, uint32_t x0, const char *what)
{
        enum { SAMPLES = 1000 };
        static uint64_t ns[SAMPLES];

        for (uint32_t i = 0; i < SAMPLES; i++) {
                uint64_t begin_ns = clock_now_ns();

                finger(i == 0 ? SEAT_TOUCH_DOWN : SEAT_TOUCH_MOVE, 0, x0 + i % 700, 100);
                assert_non_null(next_report(d, WAIT_MS));
                ns[i] = clock_now_ns() - begin_ns;
        }
        finger(SEAT_TOUCH_UP, 0, 0, 0);
        assert_non_null(next_report(d, WAIT_MS));
        qsort(ns, SAMPLES, sizeof(ns[0]), compare);
        print_message("# datagram to used ring, %s: median %.1f us, 99 %% %.1f us, longest %.1f us (%d touches)\n",
                      what, (double) ns[SAMPLES / 2] / 1e3, (double) ns[SAMPLES * 99 / 100] / 1e3,
                      (double) ns[SAMPLES - 1] / 1e3, SAMPLES);
        return (struct latency) { ns[SAMPLES / 2], ns[SAMPLES * 99 / 100] };
}

/* The other guest has no buffers while it is touched all the time. Bounds are wide: a loaded host is no failure. */
static void guest_without_buffers_delays_nobody(void **state)
{
        struct latency alone, beside;
        const char *report = NULL;
        int n = 0;

        start_server();
        connect_guest(&left, "left", true);
        give(&left, QUEUE_SIZE);
        alone = measure(&left, 0, "alone");

        connect_guest(&right, "right", true);
        for (int i = 0; i < 2000; i++)
                finger(i == 0 ? SEAT_TOUCH_DOWN : SEAT_TOUCH_MOVE, 1, 800 + (uint32_t) i % 800, 300);
        beside = measure(&left, 0, "beside a guest that takes nothing");
        assert_true(beside.median_ns < 10 * alone.median_ns + 2 * NSEC_PER_MSEC);

        /* What the stalled guest gets in the end is the present. */
        finger(SEAT_TOUCH_DOWN, 1, 1234, 56);
        give(&right, QUEUE_SIZE);
        while (n < 2000 && (report = next_report(&right, WAIT_MS)) && !strstr(report, "3:53=434 3:54=56 "))
                n++;
        assert_non_null(report);
        finger(SEAT_TOUCH_UP, 1, 0, 0);
        expect_report(&right, "3:47=0 3:57=-1 1:330=0 ");
        assert_int_equal(harness_stop(&harness), 0);
}

static int hostile_socket(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", seat_path);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* Garbage, then a flood that touches the right display. None of it is lost on the way. */
static void send_hostile(int fd)
{
        struct seat_message m = { .magic = SEAT_MAGIC, .source = 7, .kind = SEAT_TOUCH_DOWN, .screen = "main" };
        char garbage[4096];
        unsigned seed = 3;

        for (int i = 0; i < 5000; i++) {
                for (size_t k = 0; k < sizeof(m); k++)
                        garbage[k] = (char) rand_r(&seed);
                if (i % 3 == 0)
                        memcpy(garbage, &m, offsetof(struct seat_message, kind));
                if (i % 6 == 0)
                        memcpy(garbage + offsetof(struct seat_message, screen), m.screen, sizeof(m.screen));
                (void) send(fd, garbage, i % 2 ? sizeof(m) : (size_t) rand_r(&seed) % sizeof(garbage), 0);
        }
        for (int i = 0; i < 20000; i++) {
                m.sequence = (uint32_t) i;
                m.kind = i % 2 ? SEAT_TOUCH_UP : SEAT_TOUCH_DOWN;
                m.x = 60000;
                (void) send(fd, &m, sizeof(m), 0);
        }
}

/* The sender is another process: what one may say at a time is limited, whatever number it gives its sources. */
static void hostile_senders_disturb_nobody(void **state)
{
        auto_cleanup(closep) int fd = -1;
        const char *report;
        int status;
        pid_t pid;

        start_server();
        connect_guest(&left, "left", true);
        connect_guest(&right, "right", true);
        give(&left, QUEUE_SIZE);
        give(&right, QUEUE_SIZE);
        finger(SEAT_TOUCH_DOWN, 0, 10, 10);
        assert_non_null(next_report(&left, WAIT_MS));
        fd = hostile_socket();
        pid = fork();
        if (pid == 0) {
                send_hostile(fd);
                _exit(0);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        /* It lifts first: where it was down, or where what the socket did not take had let go of it. */
        finger(SEAT_TOUCH_DOWN, 0, 11, 10);
        while ((report = next_report(&left, WAIT_MS)) && !strstr(report, "3:53=11 3:54=10 "))
                assert_non_null(strstr(report, ":57=-1"));
        assert_non_null(report);
        finger(SEAT_TOUCH_UP, 0, 0, 0);
        expect_report(&left, "3:47=0 3:57=-1 1:330=0 ");
        assert_true(harness_running(&harness));
        assert_int_equal(harness_stop(&harness), 0);
}

/* The successor knows nothing of the finger that its predecessor reported: it lifts all that might be down. */
static void events_go_on_after_the_server_was_killed(void **state)
{
        for (int packed = 0; packed < 2; packed++) {
                start_server();
                connect_guest(&left, "left", packed);
                give(&left, QUEUE_SIZE);
                finger(SEAT_TOUCH_DOWN, 0, 10, 20);
                assert_non_null(next_report(&left, WAIT_MS));
                harness_kill(&harness);

                start_server();
                assert_int_equal(vhost_driver_reconnect(&left, harness_path(&harness, "left")), 0);
                assert_non_null(strstr(next_report(&left, WAIT_MS), "3:47=0 3:57=-1 "));
                /* The finger is nobody's until it comes down again. */
                finger(SEAT_TOUCH_MOVE, 0, 30, 40);
                finger(SEAT_TOUCH_UP, 0, 0, 0);
                finger(SEAT_TOUCH_DOWN, 0, 11, 21);
                expect_report(&left, "3:47=0 3:57=0 3:53=11 3:54=21 1:330=1 3:0=11 3:1=21 ");
                vhost_driver_stop(&left);
                assert_int_equal(harness_stop(&harness), 0);
                seat_send_leave(sender);
        }
}

static void new_driver_is_told_what_is_held(void **state)
{
        start_server();
        connect_guest(&right, "right", true);
        give(&right, QUEUE_SIZE);
        finger(SEAT_TOUCH_DOWN, 0, 810, 20);
        assert_non_null(next_report(&right, WAIT_MS));
        assert_int_equal(vhost_driver_reset(&right), 0);
        give(&right, QUEUE_SIZE);
        expect_report(&right, "3:47=0 3:57=0 3:53=10 3:54=20 3:0=10 3:1=20 1:330=1 ");
        finger(SEAT_TOUCH_MOVE, 0, 10, 20);
        expect_report(&right, "3:47=0 3:53=0 3:54=20 3:0=0 3:1=20 ");
        finger(SEAT_TOUCH_UP, 0, 0, 0);
        expect_report(&right, "3:47=0 3:57=-1 1:330=0 ");
        assert_int_equal(harness_stop(&harness), 0);
}

static void sender_that_leaves_lets_go(void **state)
{
        start_server();
        connect_guest(&keyboard, "keys", true);
        give(&keyboard, QUEUE_SIZE);
        key(KEY_LEFTSHIFT, 1);
        expect_report(&keyboard, "1:42=1 ");
        seat_send_leave(sender);
        expect_report(&keyboard, "1:42=0 ");
        assert_int_equal(harness_stop(&harness), 0);
}

static bool needs_reset(struct vhost_driver *d)
{
        uint8_t status = 0;

        assert_int_equal(frontend_get_status(d->frontend, &status), 0);
        return status & VIRTIO_STATUS_NEEDS_RESET;
}

/* The queue breaks, the other guest does not notice, a driver reset revives the device. */
static void expect_broken(uint16_t queue, const struct driver_buffer *pieces, unsigned n, bool packed)
{
        uint32_t len;
        void *cookie;

        connect_guest(&left, "left", packed);
        assert_int_equal(driver_queue_add(&left.queues[queue], pieces, n, NULL), 0);
        (void) driver_queue_kick(&left.queues[queue]);
        finger(SEAT_TOUCH_DOWN, 0, 1, 1);
        finger(SEAT_TOUCH_DOWN, 1, 801, 1);
        assert_non_null(strstr(next_report(&right, WAIT_MS), "3:53=1 3:54=1 "));
        assert_int_equal(vhost_driver_wait(&left, queue, SHORT_MS, &cookie, &len), -ETIMEDOUT);
        assert_true(needs_reset(&left));
        finger(SEAT_TOUCH_UP, 0, 0, 0);
        finger(SEAT_TOUCH_UP, 1, 0, 0);
        assert_non_null(next_report(&right, WAIT_MS));
        vhost_driver_stop(&left);

        connect_guest(&left, "left", packed);
        assert_false(needs_reset(&left));
        give(&left, QUEUE_SIZE);
        finger(SEAT_TOUCH_DOWN, 0, 2, 2);
        assert_non_null(strstr(next_report(&left, WAIT_MS), "3:53=2 3:54=2 "));
        finger(SEAT_TOUCH_UP, 0, 0, 0);
        assert_non_null(next_report(&left, WAIT_MS));
        vhost_driver_stop(&left);
}

static void start_with_a_witness(void)
{
        start_server();
        connect_guest(&right, "right", true);
        give(&right, QUEUE_SIZE);
}

static void bad_input_2_buffers_outside_memory_break_their_queue_only(void **state)
{
        const struct driver_buffer beyond[] = { { (4 << 20) - 4, 8, true } };
        const struct driver_buffer wrapping[] = { { UINT64_MAX - 3, 8, true } };
        const struct driver_buffer status[] = { { (4 << 20) - 4, 8, false } };

        start_with_a_witness();
        for (int packed = 0; packed < 2; packed++) {
                expect_broken(EVENTS, beyond, 1, packed);
                expect_broken(EVENTS, wrapping, 1, packed);
                expect_broken(STATUS, status, 1, packed);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void bad_input_3_short_empty_or_readable_buffers_break_their_queue_only(void **state)
{
        const struct driver_buffer small[] = { { 0x1000, 7, true } };
        const struct driver_buffer readable[] = { { 0x1000, 8, false } };
        const struct driver_buffer mixed[] = { { 0x1000, 8, false }, { 0x2000, 8, true } };
        const struct driver_buffer empty[] = { { 0x1000, 0, true } };
        const struct driver_buffer small_status[] = { { 0x1000, 3, false }, { 0x2000, 4, false } };

        start_with_a_witness();
        for (int packed = 0; packed < 2; packed++) {
                expect_broken(EVENTS, small, 1, packed);
                expect_broken(EVENTS, readable, 1, packed);
                expect_broken(EVENTS, mixed, 2, packed);
                expect_broken(EVENTS, empty, 1, packed);
                expect_broken(STATUS, small_status, 2, packed);
                expect_broken(STATUS, mixed, 2, packed);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

/* Status events of every type and code: nothing but a log line now and then. */
static void garbage_in_the_status_queue_is_completed(void **state)
{
        gpa_t at;
        unsigned seed = 5;

        start_with_a_witness();
        connect_guest(&left, "left", true);
        at = vhost_driver_alloc(&left, 8, 8);
        for (int i = 0; i < 2000; i++) {
                struct driver_buffer buffer = { at, 8, false };
                uint8_t *bytes = vhost_driver_pointer(&left, at);
                void *cookie;
                uint32_t len;

                for (int k = 0; k < 8; k++)
                        bytes[k] = (uint8_t) rand_r(&seed);
                if (i % 2)
                        bytes[1] = bytes[3] = 0;
                assert_int_equal(driver_queue_add(&left.queues[STATUS], &buffer, 1, NULL), 0);
                (void) driver_queue_kick(&left.queues[STATUS]);
                assert_int_equal(vhost_driver_wait(&left, STATUS, WAIT_MS, &cookie, &len), 1);
                assert_int_equal(len, 0);
        }
        assert_false(needs_reset(&left));
        finger(SEAT_TOUCH_DOWN, 1, 801, 1);
        assert_non_null(next_report(&right, WAIT_MS));
        assert_int_equal(harness_stop(&harness), 0);
}

static void expect_refused(const char *const *words, const char *reason)
{
        assert_int_equal(harness_start(&harness, words), -ECHILD);
        if (!strstr(harness_log(&harness), reason))
                fail_msg("expected '%s' in: %s", reason, harness_log(&harness));
}

static void wrong_settings_are_refused_with_the_reason(void **state)
{
        char scene_option[256], guest[256], other[256];
        const char *two[] = { "input", scene_option, "--guest", guest, "--guest", other, NULL };
        const char *size[] = { "input",         "--screen-size=1x",          "--display=a",
                               "--socket-path", harness_path(&harness, "a"), NULL };
        const char *none[] = { "input", scene_option, "--display=none", "--socket-path", harness_path(&harness, "a"),
                               NULL };
        const char *kind[] = {
                "input", "--kind=nose", "--display=a", "--socket-path", harness_path(&harness, "a"), NULL
        };
        const char *missing[] = { "input", "--scene=/nowhere/system.json", "--display=a", "--socket-path",
                                  harness_path(&harness, "a"), NULL };

        (void) snprintf(scene_option, sizeof(scene_option), "--scene=%s", harness_path(&harness, "system.json"));
        (void) snprintf(guest, sizeof(guest), "id=one,display=left,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(other, sizeof(other), "id=two,display=left,socket-path=%s", harness_path(&harness, "b"));
        expect_refused(two, "guest two: display=left: another guest's device of kind touch has it");
        expect_refused(size, "screen-size=1x: expected WIDTHxHEIGHT");
        expect_refused(none, "display=none: the scene has no such display");
        expect_refused(kind, "kind=nose");
        expect_refused(missing, "/nowhere/system.json");
}

static void without_a_scene_each_display_is_a_screen(void **state)
{
        struct seat_sender *other;
        char option[256];
        const char *words[] = { "input",
                                "--kind=touch",
                                "--display=main",
                                "--socket-path",
                                harness_path(&harness, "left"),
                                option,
                                "--screen-size=1600x600",
                                NULL };

        (void) snprintf(option, sizeof(option), "--seat=%s", seat_path);
        assert_int_equal(harness_start(&harness, words), 0);
        connect_guest(&left, "left", true);
        give(&left, QUEUE_SIZE);
        assert_int_equal(seat_sender_new(seat_path, "other", &other), 0);
        assert_int_equal(seat_send(other, &(struct seat_message) { .kind = SEAT_TOUCH_DOWN }), 0);
        finger(SEAT_TOUCH_DOWN, 0, 1599, 20);
        expect_report(&left, "3:47=0 3:57=0 3:53=1599 3:54=20 1:330=1 3:0=1599 3:1=20 ");
        other = seat_sender_free(other);
        assert_int_equal(harness_stop(&harness), 0);
}

/* An input device of the host that is not plugged in yet. */
static void absent_source_is_waited_for(void **state)
{
        char text[512], option[256], seat_option[256];
        const char *path = harness_path(&harness, "sources.json");
        const char *words[] = {
                "input", option, seat_option, "--display=left", "--socket-path", harness_path(&harness, "left"), NULL
        };
        static const char format[] =
                "{ \"screens\": { \"main\": { \"output\": \"headless\", \"size\": [800, 600], \"input\": { \"sources\": [\"%s\"] } } },\n"
                "  \"displays\": { \"left\": { \"screen\": \"main\", \"region\": [0, 0, 800, 600] } } }\n";
        int r;

        (void) snprintf(option, sizeof(option), "--scene=%s", path);
        (void) snprintf(seat_option, sizeof(seat_option), "--seat=%s", seat_path);
        (void) snprintf(text, sizeof(text), format, "/dev/input/event9999");
        write_scene(path, text);
        r = harness_start(&harness, words);
        if (r == -ECHILD && strstr(harness_log(&harness), "lacks libevdev")) {
                print_message("# a build without libevdev says so\n");
                return;
        }
        assert_int_equal(r, 0);
        assert_non_null(strstr(harness_log(&harness), "/dev/input/event9999: No such file or directory; tried again"));
        connect_guest(&left, "left", true);
        give(&left, QUEUE_SIZE);
        /* Longer than until it is tried again: the sandbox lets it. */
        for (uint64_t end_ns = clock_now_ns() + 1200 * NSEC_PER_MSEC; clock_now_ns() < end_ns;) {
                finger(SEAT_TOUCH_DOWN, 0, 10, 20);
                assert_non_null(next_report(&left, WAIT_MS));
                finger(SEAT_TOUCH_UP, 0, 10, 20);
                assert_non_null(next_report(&left, WAIT_MS));
                (void) usleep(20000);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(driver_reads_what_the_device_is),
                CASE(touches_and_keys_arrive_on_both_ring_kinds),
                CASE(nothing_reaches_the_wrong_guest),
                CASE(guest_without_buffers_delays_nobody),
                CASE(hostile_senders_disturb_nobody),
                CASE(events_go_on_after_the_server_was_killed),
                CASE(new_driver_is_told_what_is_held),
                CASE(sender_that_leaves_lets_go),
                CASE(bad_input_2_buffers_outside_memory_break_their_queue_only),
                CASE(bad_input_3_short_empty_or_readable_buffers_break_their_queue_only),
                CASE(garbage_in_the_status_queue_is_completed),
                CASE(wrong_settings_are_refused_with_the_reason),
                CASE(without_a_scene_each_display_is_a_screen),
                CASE(absent_source_is_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
