/* SPDX-License-Identifier: MPL-2.0 */
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
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "seat/sender.h"

struct rig {
        char folder[32], path[64];
        int fd; /* the receiver's */
        struct seat_sender *sender;
};

static void listen_here(struct rig *rig)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
        rig->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(rig->fd >= 0);
        assert_int_equal(bind(rig->fd, (struct sockaddr *) &address, sizeof(address)), 0);
}

static int open_rig(void **state)
{
        struct rig *rig = test_calloc(1, sizeof(*rig));

        *state = rig;
        (void) snprintf(rig->folder, sizeof(rig->folder), "/tmp/sender-XXXXXX");
        assert_non_null(mkdtemp(rig->folder));
        (void) snprintf(rig->path, sizeof(rig->path), "%s/seat.sock", rig->folder);
        listen_here(rig);
        assert_int_equal(seat_sender_new(rig->path, "main", &rig->sender), 0);
        return 0;
}

static int close_rig(void **state)
{
        struct rig *rig = *state;

        rig->sender = seat_sender_free(rig->sender);
        closep(&rig->fd);
        (void) unlink(rig->path);
        assert_int_equal(rmdir(rig->folder), 0);
        test_free(rig);
        return 0;
}

static void say(struct rig *rig, const struct seat_message *m)
{
        assert_int_equal(seat_send(rig->sender, m), 0);
}

static struct seat_message take(struct rig *rig)
{
        struct seat_message m;

        assert_int_equal(recv(rig->fd, &m, sizeof(m), MSG_TRUNC), sizeof(m));
        return m;
}

static void assert_nothing_more(struct rig *rig)
{
        char byte;

        assert_true(recv(rig->fd, &byte, 1, 0) < 0);
        assert_int_equal(errno, EAGAIN);
}

static void messages_arrive_in_sequence(void **state)
{
        struct rig *rig = *state;
        struct seat_message first, second;

        say(rig, &(struct seat_message) { .kind = SEAT_TOUCH_DOWN, .id = 1, .x = 2, .y = 3 });
        say(rig, &(struct seat_message) { .kind = SEAT_KEY, .code = 30, .value = 1 });
        first = take(rig);
        second = take(rig);
        assert_int_equal(first.magic, SEAT_MAGIC);
        assert_string_equal(first.screen, "main");
        assert_int_equal(first.kind, SEAT_TOUCH_DOWN);
        assert_int_equal(first.id, 1);
        assert_int_equal(first.x, 2);
        assert_int_equal(first.y, 3);
        assert_int_equal(first.sequence, 0);
        assert_int_equal(second.sequence, 1);
        assert_int_equal(second.source, first.source);
        assert_int_equal(second.code, 30);
}

static void leaves_when_freed_and_only_if_it_may_hold_something(void **state)
{
        struct rig *rig = *state;

        rig->sender = seat_sender_free(rig->sender);
        assert_nothing_more(rig);
        assert_int_equal(seat_sender_new(rig->path, "main", &rig->sender), 0);
        say(rig, &(struct seat_message) { .kind = SEAT_KEY, .code = 30, .value = 1 });
        seat_send_leave(rig->sender);
        rig->sender = seat_sender_free(rig->sender);
        assert_int_equal(take(rig).kind, SEAT_KEY);
        assert_int_equal(take(rig).kind, SEAT_LEAVE);
        assert_nothing_more(rig);
}

static void goes_on_after_the_receiver_was_restarted(void **state)
{
        struct rig *rig = *state;
        const struct seat_message m = { .kind = SEAT_ROTARY, .value = -1 };
        struct seat_message got;

        closep(&rig->fd);
        assert_int_equal(seat_send(rig->sender, &m), -ECONNREFUSED);
        assert_int_equal(unlink(rig->path), 0);
        assert_int_equal(seat_send(rig->sender, &m), -ENOENT);
        listen_here(rig);
        assert_int_equal(seat_send(rig->sender, &m), 0);
        got = take(rig);
        assert_int_equal(got.value, -1);
        assert_int_equal(got.sequence, 2);
}

static void a_receiver_that_does_not_read_holds_nobody_up(void **state)
{
        struct rig *rig = *state;
        struct seat_message last = { 0 };
        uint32_t n_sent = 0;
        ssize_t n;

        while (seat_send(rig->sender, &(struct seat_message) { .kind = SEAT_POINTER_MOVE, .x = n_sent }) == 0)
                n_sent++;
        while ((n = recv(rig->fd, &last, sizeof(last), 0)) > 0)
                ;
        assert_int_equal(last.sequence, n_sent - 1);
        assert_int_equal(seat_send(rig->sender, &(struct seat_message) { .kind = SEAT_POINTER_MOVE }), 0);
        assert_int_equal(take(rig).sequence, n_sent + 1);
}

static void names_that_do_not_fit_are_refused(void **state)
{
        struct rig *rig = *state;
        struct seat_sender *s = NULL;
        char path[200];

        memset(path, 'p', sizeof(path));
        path[sizeof(path) - 1] = 0;
        assert_int_equal(seat_sender_new(path, "main", &s), -ENAMETOOLONG);
        assert_int_equal(seat_sender_new(rig->path, "0123456789012345678901234567890x", &s), -ENAMETOOLONG);
        assert_null(s);
}

static void a_pixel_survives_the_axis(void **state)
{
        static const uint32_t sizes[] = { 1, 2, 3, 720, 1080, 1920, 4096, 16383, 16384 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                for (uint32_t p = 0; p < sizes[i]; p++)
                        assert_int_equal(seat_axis_to_pixel(seat_axis_from_pixel(p, sizes[i]), sizes[i]), p);
        assert_int_equal(seat_axis_from_pixel(800, 800), SEAT_AXIS_MAX);
        assert_int_equal(seat_axis_to_pixel(SEAT_AXIS_MAX, 1920), 1919);
        assert_int_equal(seat_axis_to_pixel(UINT32_MAX, 1920), 1919);
        assert_int_equal(seat_axis_to_pixel(0, 1920), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(messages_arrive_in_sequence, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(leaves_when_freed_and_only_if_it_may_hold_something, open_rig,
                                                close_rig),
                cmocka_unit_test_setup_teardown(goes_on_after_the_receiver_was_restarted, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(a_receiver_that_does_not_read_holds_nobody_up, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(names_that_do_not_fit_are_refused, open_rig, close_rig),
                cmocka_unit_test(a_pixel_survives_the_axis),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
