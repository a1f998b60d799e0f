/* SPDX-License-Identifier: MPL-2.0 */
/* The input server's socket: senders well and badly behaved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "scene/scene.h"
#include "seat/receiver.h"
#include "seat/router.h"
#include "seat/sender.h"

static char name[] = "main";
static struct scene_screen screen = { .name = name, .width = 100, .height = 100, .key_focus = name };
static struct scene_display display = { .name = name, .region = { 0, 0, 100, 100 }, .width = 100, .height = 100 };

struct rig {
        char folder[32], path[64];
        struct loop *loop;
        struct scene scene;
        struct seat_router *router;
        struct seat_receiver *receiver;
        struct sink touch, keyboard;
        struct sink_event last;
        unsigned n_reports, n_down; /* of fingers and keys, less those that went up */
        int fd; /* a sender without manners */
        uint32_t sequence;
};

static struct rig *rig;

static void on_report(struct sink *s, const struct sink_event *events, size_t n)
{
        rig->n_reports++;
        for (size_t i = 0; i < n; i++) {
                if (events[i].type == EV_KEY && events[i].code != BTN_TOUCH)
                        rig->n_down += events[i].value ? 1 : UINT32_MAX;
                if (events[i].type == EV_ABS && events[i].code == ABS_MT_TRACKING_ID)
                        rig->n_down += events[i].value >= 0 ? 1 : UINT32_MAX;
        }
}

static const struct sink_ops ops = { .report = on_report };

static int open_rig(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        rig = test_calloc(1, sizeof(*rig));
        log_set_level(LOG_LEVEL_ERROR);
        (void) snprintf(rig->folder, sizeof(rig->folder), "/tmp/receiver-XXXXXX");
        assert_non_null(mkdtemp(rig->folder));
        (void) snprintf(rig->path, sizeof(rig->path), "%s/seat.sock", rig->folder);
        rig->scene = (struct scene) { .screens = &screen, .n_screens = 1, .displays = &display, .n_displays = 1 };
        assert_int_equal(loop_new(&rig->loop), 0);
        assert_int_equal(seat_router_new(&rig->scene, &rig->router), 0);
        sink_init(&rig->touch, SINK_TOUCH, &ops);
        sink_init(&rig->keyboard, SINK_KEYBOARD, &ops);
        assert_int_equal(seat_router_add(rig->router, name, &rig->touch), 0);
        assert_int_equal(seat_router_add(rig->router, name, &rig->keyboard), 0);
        assert_int_equal(seat_receiver_new(rig->loop, rig->path, rig->router, &rig->receiver), 0);
        rig->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(rig->fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
        assert_int_equal(connect(rig->fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return 0;
}

static int close_rig(void **state)
{
        rig->receiver = seat_receiver_free(rig->receiver);
        rig->router = seat_router_free(rig->router);
        rig->loop = loop_free(rig->loop);
        closep(&rig->fd);
        assert_int_equal(rmdir(rig->folder), 0); /* the socket is gone */
        test_free(rig);
        return 0;
}

static void settle(void)
{
        for (int i = 0; i < 4; i++)
                assert_int_equal(loop_step(rig->loop, 0), 0);
}

static struct seat_message message(uint32_t kind, uint32_t id)
{
        struct seat_message m = { .magic = SEAT_MAGIC,
                                  .source = 1,
                                  .sequence = rig->sequence++,
                                  .kind = kind,
                                  .screen = "main",
                                  .id = id,
                                  .code = KEY_A,
                                  .value = 1,
                                  .x = 100,
                                  .y = 100 };

        return m;
}

static void send_bytes(const void *p, size_t n)
{
        assert_int_equal(send(rig->fd, p, n, 0), n);
        settle();
}

static void say(uint32_t kind, uint32_t id)
{
        struct seat_message m = message(kind, id);

        send_bytes(&m, sizeof(m));
}

static const struct seat_receiver_counts *counts(void) { return seat_receiver_counts(rig->receiver); }

static void socket_is_for_this_user_only(void **state)
{
        struct stat st;

        assert_int_equal(stat(rig->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void messages_reach_the_guest(void **state)
{
        say(SEAT_TOUCH_DOWN, 0);
        say(SEAT_KEY, 0);
        assert_int_equal(rig->n_down, 2);
        say(SEAT_LEAVE, 0);
        assert_int_equal(rig->n_down, 0);
        assert_int_equal(counts()->n_messages, 3);
}

static void gap_lets_go_and_the_message_counts(void **state)
{
        say(SEAT_TOUCH_DOWN, 0);
        say(SEAT_TOUCH_DOWN, 1);
        assert_int_equal(rig->n_down, 2);
        rig->sequence++;
        say(SEAT_TOUCH_DOWN, 2);
        assert_int_equal(rig->n_down, 1);
        assert_int_equal(counts()->n_gaps, 1);
        rig->sequence--;
        say(SEAT_TOUCH_MOVE, 2); /* a number that was used */
        assert_int_equal(rig->n_down, 0);
        assert_int_equal(counts()->n_gaps, 2);
}

static void malformed_messages_are_dropped_with_what_their_source_holds(void **state)
{
        struct seat_message m = message(SEAT_KEY, 0);
        char large[sizeof(m) + 1] = { 0 };

        memcpy(large, &m, sizeof(m));
        send_bytes(large, sizeof(large));
        send_bytes(&m, sizeof(m) - 1);
        send_bytes(&m, 0);
        m.magic++;
        send_bytes(&m, sizeof(m));
        m = message(SEAT_KEY, 0);
        memset(m.screen, 'x', sizeof(m.screen));
        send_bytes(&m, sizeof(m));
        assert_int_equal(counts()->n_malformed, 5);
        assert_int_equal(rig->n_reports, 0);

        say(SEAT_KEY, 0);
        assert_int_equal(rig->n_down, 1);
        m = message(SEAT_TOUCH_DOWN, 0);
        memcpy(m.screen, "none", 5);
        send_bytes(&m, sizeof(m));
        assert_int_equal(rig->n_down, 0);
        say(SEAT_KEY, 0);
        say(77, 0);
        assert_int_equal(counts()->n_malformed, 7);
        assert_int_equal(rig->n_down, 0);
        say(SEAT_KEY, 0);
        assert_int_equal(rig->n_down, 1);
}

static void descriptors_in_a_message_are_not_taken(void **state)
{
        struct seat_message m = message(SEAT_TOUCH_DOWN, 0);
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { { 0 } };
        struct iovec iov = { &m, sizeof(m) };
        struct msghdr header = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        int pipe_fds[2], flags;
        char byte;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
        *CMSG_FIRSTHDR(&header) = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                                     .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &pipe_fds[1], sizeof(int));
        assert_int_equal(sendmsg(rig->fd, &header, 0), sizeof(m));
        settle();
        closep(&pipe_fds[1]);
        /* Nobody has the other end any more. */
        flags = (int) read(pipe_fds[0], &byte, 1);
        assert_int_equal(flags, 0);
        closep(&pipe_fds[0]);
}

static void flood_is_cut_and_lets_go(void **state)
{
        say(SEAT_KEY, 0);
        for (int i = 0; i < 20000; i++)
                say(SEAT_TOUCH_MOVE, 9);
        assert_true(counts()->n_flooded > 100);
        assert_int_equal(rig->n_down, 0);
        assert_int_equal(counts()->n_gaps, 0);
}

static void flood_under_many_numbers_is_cut_too(void **state)
{
        struct seat_message m = message(SEAT_KEY, 0);

        send_bytes(&m, sizeof(m));
        m.kind = SEAT_TOUCH_MOVE;
        for (uint32_t i = 0; i < 40000; i++) {
                m.source = 1000 + i;
                send_bytes(&m, sizeof(m));
        }
        assert_true(counts()->n_flooded > 100);
        assert_true(counts()->n_messages + counts()->n_flooded == 40001);
}

/* Another process that says one thing, and lives until the caller closes *ret_life_fd. Returns when that has been
   handled. */
static pid_t another_process_says(unsigned kind, int *ret_life_fd)
{
        int wait_fds[2];
        pid_t pid;
        char byte;

        assert_int_equal(pipe2(wait_fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct seat_message m = message(kind, 0);

                (void) close(wait_fds[1]);
                _exit(send(rig->fd, &m, sizeof(m), 0) != sizeof(m) || read(wait_fds[0], &byte, 1) != 0);
        }
        closep(&wait_fds[0]);
        while (rig->n_down == 0)
                assert_int_equal(loop_step(rig->loop, 5000), 0);
        *ret_life_fd = wait_fds[1];
        return pid;
}

/* All of them hold a key. The one that was silent longest is another process's. */
static void sources_of_one_process_do_not_push_out_those_of_another(void **state)
{
        int life_fd, status;
        pid_t pid = another_process_says(SEAT_KEY, &life_fd);

        for (uint32_t i = 0; i < SEAT_SOURCES_MAX; i++) {
                struct seat_message m = message(SEAT_KEY, 0);

                m.source = 1000 + i;
                m.code = KEY_S + i; /* not KEY_A */
                send_bytes(&m, sizeof(m));
        }
        assert_int_equal(rig->n_down, 1 + SEAT_SOURCES_MAX / 2);
        closep(&life_fd);
        while (rig->n_down == 1 + SEAT_SOURCES_MAX / 2)
                assert_int_equal(loop_step(rig->loop, 5000), 0);
        assert_int_equal(counts()->n_ended, 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void sources_beyond_the_places_push_out_the_idle_ones_first(void **state)
{
        struct seat_message m = message(SEAT_KEY, 0);

        send_bytes(&m, sizeof(m));
        m.kind = SEAT_TOUCH_MOVE;
        for (uint32_t i = 0; i < 3 * SEAT_SOURCES_MAX; i++) {
                m.source = 1000 + i;
                send_bytes(&m, sizeof(m));
        }
        assert_int_equal(rig->n_down, 1);
        /* A process has half of the places. */
        assert_int_equal(counts()->n_evicted, 3 * SEAT_SOURCES_MAX + 1 - SEAT_SOURCES_MAX / 2);
        m.kind = SEAT_TOUCH_DOWN;
        for (uint32_t i = 0; i < 3 * SEAT_SOURCES_MAX; i++) {
                m.source = 5000 + i;
                send_bytes(&m, sizeof(m));
        }
        /* The key is held all the while: there were always others that held nothing. */
        assert_int_equal(rig->n_down, SINK_FINGERS_MAX + 1);
}

/* A process that dies with a finger down and says nothing. */
static void end_of_the_process_lets_go(void **state)
{
        int life_fd, status;
        pid_t pid = another_process_says(SEAT_TOUCH_DOWN, &life_fd);

        closep(&life_fd);
        while (rig->n_down > 0)
                assert_int_equal(loop_step(rig->loop, 5000), 0);
        assert_int_equal(counts()->n_ended, 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* It is gone before its messages are read: all of them count. */
static void messages_of_a_process_that_ended_are_handled(void **state)
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct seat_message down = message(SEAT_TOUCH_DOWN, 0), move = message(SEAT_TOUCH_MOVE, 0);

                move.x = 40000;
                _exit(send(rig->fd, &down, sizeof(down), 0) != sizeof(down) ||
                      send(rig->fd, &move, sizeof(move), 0) != sizeof(move));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        settle();
        assert_int_equal(rig->n_reports, 3);
        assert_int_equal(rig->n_down, 0);
}

static void second_receiver_is_refused_and_a_dead_ones_socket_replaced(void **state)
{
        struct seat_receiver *second = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[80];
        int fd;

        assert_int_equal(seat_receiver_new(rig->loop, rig->path, rig->router, &second), -EADDRINUSE);
        assert_int_equal(access(rig->path, F_OK), 0);

        (void) snprintf(path, sizeof(path), "%s/dead", rig->folder);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        closep(&fd);
        assert_int_equal(seat_receiver_new(rig->loop, path, rig->router, &second), 0);
        second = seat_receiver_free(second);
        assert_int_equal(access(path, F_OK), -1);
}

static void sender_and_receiver_agree(void **state)
{
        struct seat_sender *sender;

        assert_int_equal(seat_sender_new(rig->path, "main", &sender), 0);
        assert_int_equal(seat_send(sender, &(struct seat_message) { .kind = SEAT_TOUCH_DOWN, .x = 1, .y = 1 }), 0);
        settle();
        assert_int_equal(rig->n_down, 1);
        sender = seat_sender_free(sender);
        settle();
        assert_int_equal(rig->n_down, 0);
        assert_int_equal(counts()->n_malformed + counts()->n_gaps, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(socket_is_for_this_user_only),
                CASE(messages_reach_the_guest),
                CASE(gap_lets_go_and_the_message_counts),
                CASE(malformed_messages_are_dropped_with_what_their_source_holds),
                CASE(descriptors_in_a_message_are_not_taken),
                CASE(flood_is_cut_and_lets_go),
                CASE(flood_under_many_numbers_is_cut_too),
                CASE(sources_of_one_process_do_not_push_out_those_of_another),
                CASE(sources_beyond_the_places_push_out_the_idle_ones_first),
                CASE(end_of_the_process_lets_go),
                CASE(messages_of_a_process_that_ended_are_handled),
                CASE(second_receiver_is_refused_and_a_dead_ones_socket_replaced),
                CASE(sender_and_receiver_agree),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
