/* SPDX-License-Identifier: MPL-2.0 */
/* The input server as a process: guests and senders that break the rules, and settings that cannot be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "harness-expect.h"
#include "input-rig.h"
#include "virtio/features.h"

static int hostile_socket(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig.seat_path);
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

        rig_start_server();
        rig_connect(&rig.left, "left", true);
        rig_connect(&rig.right, "right", true);
        input_give(&rig.left, INPUT_QUEUE_SIZE);
        input_give(&rig.right, INPUT_QUEUE_SIZE);
        rig_finger(SEAT_TOUCH_DOWN, 0, 10, 10);
        assert_non_null(input_report(&rig.left, INPUT_WAIT_MS));
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
        rig_finger(SEAT_TOUCH_DOWN, 0, 11, 10);
        while ((report = input_report(&rig.left, INPUT_WAIT_MS)) && !strstr(report, "3:53=11 3:54=10 "))
                assert_non_null(strstr(report, ":57=-1"));
        assert_non_null(report);
        rig_finger(SEAT_TOUCH_UP, 0, 0, 0);
        rig_expect_report(&rig.left, "3:47=0 3:57=-1 1:330=0 ");
        assert_true(harness_running(&rig.harness));
        assert_int_equal(harness_stop(&rig.harness), 0);
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

        rig_connect(&rig.left, "left", packed);
        assert_int_equal(driver_queue_add(&rig.left.queues[queue], pieces, n, NULL), 0);
        (void) driver_queue_kick(&rig.left.queues[queue]);
        rig_finger(SEAT_TOUCH_DOWN, 0, 1, 1);
        rig_finger(SEAT_TOUCH_DOWN, 1, 801, 1);
        assert_non_null(strstr(input_report(&rig.right, INPUT_WAIT_MS), "3:53=1 3:54=1 "));
        assert_int_equal(vhost_driver_wait(&rig.left, queue, RIG_SHORT_MS, &cookie, &len), -ETIMEDOUT);
        assert_true(needs_reset(&rig.left));
        rig_finger(SEAT_TOUCH_UP, 0, 0, 0);
        rig_finger(SEAT_TOUCH_UP, 1, 0, 0);
        assert_non_null(input_report(&rig.right, INPUT_WAIT_MS));
        vhost_driver_stop(&rig.left);

        rig_connect(&rig.left, "left", packed);
        assert_false(needs_reset(&rig.left));
        input_give(&rig.left, INPUT_QUEUE_SIZE);
        rig_finger(SEAT_TOUCH_DOWN, 0, 2, 2);
        assert_non_null(strstr(input_report(&rig.left, INPUT_WAIT_MS), "3:53=2 3:54=2 "));
        rig_finger(SEAT_TOUCH_UP, 0, 0, 0);
        assert_non_null(input_report(&rig.left, INPUT_WAIT_MS));
        vhost_driver_stop(&rig.left);
}

static void start_with_a_witness(void)
{
        rig_start_server();
        rig_connect(&rig.right, "right", true);
        input_give(&rig.right, INPUT_QUEUE_SIZE);
}

static void bad_input_2_buffers_outside_memory_break_their_queue_only(void **state)
{
        const struct driver_buffer beyond[] = { { (4 << 20) - 4, 8, true } };
        const struct driver_buffer wrapping[] = { { UINT64_MAX - 3, 8, true } };
        const struct driver_buffer status[] = { { (4 << 20) - 4, 8, false } };

        start_with_a_witness();
        for (int packed = 0; packed < 2; packed++) {
                expect_broken(INPUT_EVENTS, beyond, 1, packed);
                expect_broken(INPUT_EVENTS, wrapping, 1, packed);
                expect_broken(INPUT_STATUS, status, 1, packed);
        }
        assert_int_equal(harness_stop(&rig.harness), 0);
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
                expect_broken(INPUT_EVENTS, small, 1, packed);
                expect_broken(INPUT_EVENTS, readable, 1, packed);
                expect_broken(INPUT_EVENTS, mixed, 2, packed);
                expect_broken(INPUT_EVENTS, empty, 1, packed);
                expect_broken(INPUT_STATUS, small_status, 2, packed);
                expect_broken(INPUT_STATUS, mixed, 2, packed);
        }
        assert_int_equal(harness_stop(&rig.harness), 0);
}

/* Status events of every type and code: nothing but a log line now and then. */
static void garbage_in_the_status_queue_is_completed(void **state)
{
        gpa_t at;
        unsigned seed = 5;

        start_with_a_witness();
        rig_connect(&rig.left, "left", true);
        at = vhost_driver_alloc(&rig.left, 8, 8);
        for (int i = 0; i < 2000; i++) {
                struct driver_buffer buffer = { at, 8, false };
                uint8_t *bytes = vhost_driver_pointer(&rig.left, at);
                void *cookie;
                uint32_t len;

                for (int k = 0; k < 8; k++)
                        bytes[k] = (uint8_t) rand_r(&seed);
                if (i % 2)
                        bytes[1] = bytes[3] = 0;
                assert_int_equal(driver_queue_add(&rig.left.queues[INPUT_STATUS], &buffer, 1, NULL), 0);
                (void) driver_queue_kick(&rig.left.queues[INPUT_STATUS]);
                assert_int_equal(vhost_driver_wait(&rig.left, INPUT_STATUS, INPUT_WAIT_MS, &cookie, &len), 1);
                assert_int_equal(len, 0);
        }
        assert_false(needs_reset(&rig.left));
        rig_finger(SEAT_TOUCH_DOWN, 1, 801, 1);
        assert_non_null(input_report(&rig.right, INPUT_WAIT_MS));
        assert_int_equal(harness_stop(&rig.harness), 0);
}

static void wrong_settings_are_refused_with_the_reason(void **state)
{
        char scene_option[256], guest[256], other[256];
        const char *two[] = { "input", scene_option, "--guest", guest, "--guest", other, NULL };
        const char *size[] = { "input",         "--screen-size=1x",          "--display=a",
                               "--socket-path", harness_path(&rig.harness, "a"), NULL };
        const char *none[] = { "input",         scene_option,                    "--display=none",
                               "--socket-path", harness_path(&rig.harness, "a"), NULL };
        const char *kind[] = {
                "input", "--kind=nose", "--display=a", "--socket-path", harness_path(&rig.harness, "a"), NULL
        };
        const char *missing[] = { "input", "--scene=/nowhere/system.json", "--display=a", "--socket-path",
                                  harness_path(&rig.harness, "a"), NULL };

        (void) snprintf(scene_option, sizeof(scene_option), "--scene=%s", harness_path(&rig.harness, "system.json"));
        (void) snprintf(guest, sizeof(guest), "id=one,display=left,socket-path=%s", harness_path(&rig.harness, "a"));
        (void) snprintf(other, sizeof(other), "id=two,display=left,socket-path=%s", harness_path(&rig.harness, "b"));
        harness_expect_refused(&rig.harness, two,
                               "guest two: display=left: another guest's device of kind touch has it");
        harness_expect_refused(&rig.harness, size, "screen-size=1x: expected WIDTHxHEIGHT");
        harness_expect_refused(&rig.harness, none, "display=none: the scene has no such display");
        harness_expect_refused(&rig.harness, kind, "kind=nose");
        harness_expect_refused(&rig.harness, missing, "/nowhere/system.json");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(hostile_senders_disturb_nobody),
                CASE(bad_input_2_buffers_outside_memory_break_their_queue_only),
                CASE(bad_input_3_short_empty_or_readable_buffers_break_their_queue_only),
                CASE(garbage_in_the_status_queue_is_completed),
                CASE(wrong_settings_are_refused_with_the_reason),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
