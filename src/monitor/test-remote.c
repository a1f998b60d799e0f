/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Servers that do not keep to the protocol, at each request in turn: they hang up, refuse, answer wrongly or not at
 * all. The device may need a reset, never more: the monitor goes on, and once the server behaves, so does the device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "monitor/remote-internal.h"
#include "monitor/test-machine.h"
#include "monitor/virtio-registers.h"
#include "vhost/message.h"

#define TIMEOUT_SHORT_MS 100
#define RUNNING 15

enum fault { FAULT_NONE, FAULT_HANG_UP, FAULT_REFUSE, FAULT_WRONG_REPLY, FAULT_GARBAGE, FAULT_SILENCE };

/* A server of no device at all, which says yes to everything but one request. */
struct server {
        char path[128];
        int listen_fd, stop_fd;
        pthread_t thread;
        _Atomic uint32_t bad_request;
        _Atomic enum fault fault;
        _Atomic unsigned n_connections, n_faults;
        _Atomic uint64_t features;
        _Atomic uint8_t status;
        _Atomic int slow_ms; /* it waits before each answer */
        _Atomic uint32_t inflight_bytes; /* that its region really has; it says 65536 */
};

#define FEATURES (FEATURE(VIRTIO_FEATURE_VERSION_1) | FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES) | FEATURE(ECHO_BIT))
#define ECHO_BIT 3
#define PROTOCOL                                                                                               \
        (FEATURE(VHOST_PROTOCOL_MQ) | FEATURE(VHOST_PROTOCOL_REPLY_ACK) | FEATURE(VHOST_PROTOCOL_CONFIG) |    \
         FEATURE(VHOST_PROTOCOL_STATUS) | FEATURE(VHOST_PROTOCOL_BACKEND_REQ) | FEATURE(VHOST_PROTOCOL_INFLIGHT_SHMFD))

static uint64_t value_of(struct server *s, uint32_t request)
{
        switch (request) {
        case VHOST_REQUEST_GET_FEATURES:
                return s->features;
        case VHOST_REQUEST_GET_PROTOCOL_FEATURES:
                return PROTOCOL;
        case VHOST_REQUEST_GET_QUEUE_NUM:
                return 2;
        case VHOST_REQUEST_GET_STATUS:
                return s->status;
        default:
                return 0;
        }
}

static void answer(struct server *s, int fd, struct vhost_message *m, bool refuse)
{
        uint64_t value = refuse ? 1 : value_of(s, m->header.request);
        struct vhost_sender tx = { 0 };
        const void *payload = &value;
        size_t n = sizeof(value), n_fds = 0;
        int inflight_fd = -1;

        switch (m->header.request) {
        case VHOST_REQUEST_GET_CONFIG:
        case VHOST_REQUEST_GET_VRING_BASE:
                payload = &m->payload;
                n = refuse ? 0 : m->header.size;
                break;
        case VHOST_REQUEST_GET_INFLIGHT_FD:
                m->payload.inflight.size_bytes = refuse ? 0 : 65536;
                payload = &m->payload;
                n = m->header.size;
                if (!refuse)
                        inflight_fd = fd_memfd_sealed("inflight", s->inflight_bytes);
                n_fds = inflight_fd >= 0;
                break;
        }
        vhost_sender_prepare(&tx, m->header.request, VHOST_FLAG_REPLY, payload, n, &inflight_fd, n_fds);
        (void) vhost_send(fd, &tx);
        closep(&inflight_fd);
}

/* Return: false to hang up. */
static bool misbehave(struct server *s, int fd, struct vhost_message *m)
{
        s->n_faults++;
        switch (atomic_load(&s->fault)) {
        case FAULT_NONE:
        case FAULT_SILENCE:
                return true;
        case FAULT_HANG_UP:
                return false;
        case FAULT_REFUSE:
                answer(s, fd, m, true);
                return true;
        case FAULT_WRONG_REPLY:
                m->header.request ^= 1;
                answer(s, fd, m, false);
                return true;
        case FAULT_GARBAGE:
                (void) send(fd, "garbage of no meaning at all, and no end", 40, MSG_NOSIGNAL);
                return true;
        }
        return false;
}

static bool handle(struct server *s, int fd, struct vhost_message *m)
{
        if (s->slow_ms > 0)
                (void) poll(NULL, 0, s->slow_ms);
        if (s->fault != FAULT_NONE && m->header.request == s->bad_request)
                return misbehave(s, fd, m);
        if (m->header.request == VHOST_REQUEST_SET_STATUS)
                s->status = (uint8_t) m->payload.u64;
        if (vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request) || (m->header.flags & VHOST_FLAG_NEED_REPLY))
                answer(s, fd, m, false);
        return true;
}

static void serve(struct server *s, int fd)
{
        struct vhost_receiver rx = { 0 };
        struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };
        struct vhost_message m;
        const char *reason;
        bool go_on = true;

        while (go_on) {
                int r = vhost_receive(fd, &rx, &m, &reason);

                if (r < 0)
                        break;
                if (r > 0) {
                        go_on = handle(s, fd, &m);
                        vhost_message_deinit(&m);
                        continue;
                }
                (void) poll(p, 2, -1);
                if (p[1].revents)
                        break;
        }
        vhost_receiver_deinit(&rx);
}

static void *server_thread(void *data)
{
        struct server *s = data;
        struct pollfd p[] = { { .fd = s->listen_fd, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };

        for (;;) {
                int fd;

                (void) poll(p, 2, -1);
                if (p[1].revents)
                        return NULL;
                fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        continue;
                s->n_connections++;
                serve(s, fd);
                (void) close(fd);
        }
}

struct scene {
        struct server server;
        struct machine machine;
        struct remote *remote;
        struct virtio_mmio *device;
};

static int setup(void **state)
{
        static struct scene s;
        char *error = NULL;

        s = (struct scene) { .server.features = FEATURES, .server.inflight_bytes = 65536 };
        (void) snprintf(s.server.path, sizeof(s.server.path), "%s/busbar-remote-%d",
                        getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int) getpid());
        s.server.listen_fd = fd_unix_listen(s.server.path, 4);
        s.server.stop_fd = fd_event();
        assert_int_equal(pthread_create(&s.server.thread, NULL, server_thread, &s.server), 0);
        machine_init(&s.machine, s.server.path, MONITOR_MMIO, false);
        assert_int_equal(remote_new(&s.machine.m, &s.machine.device, &s.remote), 0);
        assert_int_equal(remote_connect(s.remote, &error), 0);
        frontend_set_timeout(s.remote->frontend, TIMEOUT_SHORT_MS);
        assert_int_equal(virtio_mmio_new(&s.machine.m, 0, s.remote, &s.device), 0);
        machine_find_registers(&s.machine);
        *state = &s;
        return 0;
}

static int teardown(void **state)
{
        struct scene *s = *state;

        s->device = virtio_mmio_free(s->device);
        s->remote = remote_free(s->remote);
        machine_stop(&s->machine);
        fd_event_signal(s->server.stop_fd);
        assert_int_equal(pthread_join(s->server.thread, NULL), 0);
        (void) close(s->server.listen_fd);
        (void) close(s->server.stop_fd);
        (void) unlink(s->server.path);
        return 0;
}

static void fail_at(struct scene *s, uint32_t request, enum fault fault)
{
        s->server.bad_request = request;
        s->server.fault = fault;
}

static void start(struct machine *t)
{
        uint8_t status = guest_negotiate(t, FEATURE(ECHO_BIT));

        t->next_free = t->m.memory.ranges[0].start + (1 << 20);
        for (uint16_t i = 0; i < 2; i++)
                guest_setup_queue(t, i, 16);
        reg_write(t, REG_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
}

static struct scene *current; /* of the conditions below */

static bool told(struct machine *t)
{
        return current->remote->told;
}

static bool usable(struct machine *t)
{
        return remote_usable(current->remote);
}

static bool gone(struct machine *t)
{
        return !remote_usable(current->remote);
}

static bool needs_reset(struct machine *t)
{
        return reg_read(t, REG_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

/* The server behaves again: after a reset the device works. */
static void expect_recovery(struct scene *s)
{
        fail_at(s, 0, FAULT_NONE);
        start(&s->machine);
        machine_wait(&s->machine, told);
        assert_int_equal(reg_read(&s->machine, REG_STATUS), RUNNING);
}

static const uint32_t requests_of_start[] = {
        VHOST_REQUEST_SET_STATUS, VHOST_REQUEST_SET_FEATURES, VHOST_REQUEST_SET_MEM_TABLE,
        VHOST_REQUEST_GET_INFLIGHT_FD, VHOST_REQUEST_SET_INFLIGHT_FD, VHOST_REQUEST_SET_VRING_NUM,
        VHOST_REQUEST_SET_VRING_BASE, VHOST_REQUEST_SET_VRING_ADDR, VHOST_REQUEST_SET_VRING_CALL,
        VHOST_REQUEST_SET_VRING_ERR, VHOST_REQUEST_SET_VRING_KICK, VHOST_REQUEST_SET_VRING_ENABLE,
};

static void refused_request_needs_a_reset(void **state)
{
        struct scene *s = current = *state;

        for (size_t i = 0; i < ARRAY_SIZE(requests_of_start); i++) {
                fail_at(s, requests_of_start[i], FAULT_REFUSE);
                start(&s->machine);
                machine_wait(&s->machine, needs_reset);
                expect_recovery(s);
        }
}

static void wrong_answer_needs_a_reset(void **state)
{
        struct scene *s = current = *state;

        for (size_t i = 0; i < ARRAY_SIZE(requests_of_start); i++) {
                fail_at(s, requests_of_start[i], i % 2 ? FAULT_WRONG_REPLY : FAULT_GARBAGE);
                start(&s->machine);
                machine_wait(&s->machine, needs_reset);
                expect_recovery(s);
        }
}

static void server_that_hangs_up_is_waited_for(void **state)
{
        struct scene *s = current = *state;

        for (size_t i = 0; i < ARRAY_SIZE(requests_of_start); i++) {
                fail_at(s, requests_of_start[i], FAULT_HANG_UP);
                start(&s->machine);
                assert_int_equal(reg_read(&s->machine, REG_STATUS), RUNNING);
                fail_at(s, 0, FAULT_NONE);
                machine_wait(&s->machine, told);
                assert_int_equal(reg_read(&s->machine, REG_STATUS), RUNNING);
        }
}

static void silent_server_needs_a_reset(void **state)
{
        struct scene *s = current = *state;

        fail_at(s, VHOST_REQUEST_SET_FEATURES, FAULT_SILENCE);
        start(&s->machine);
        machine_wait(&s->machine, needs_reset);
        expect_recovery(s);
}

static void reset_completes_whatever_the_server_does(void **state)
{
        static const uint32_t requests[] = { VHOST_REQUEST_GET_VRING_BASE, VHOST_REQUEST_SET_STATUS };
        struct scene *s = current = *state;

        for (size_t i = 0; i < 2 * ARRAY_SIZE(requests); i++) {
                start(&s->machine);
                machine_wait(&s->machine, told);
                frontend_set_timeout(s->remote->frontend, TIMEOUT_SHORT_MS);
                fail_at(s, requests[i / 2], i % 2 ? FAULT_SILENCE : FAULT_WRONG_REPLY);
                reg_write(&s->machine, REG_STATUS, 0);
                assert_int_equal(reg_read(&s->machine, REG_STATUS), 0);
                expect_recovery(s);
        }
}

/* One that answers each request, but each late, has no more time for all of them than one that is silent. */
static void slow_greeting_holds_up_the_machine_for_no_longer_than_a_silent_one(void **state)
{
        struct scene *s = current = *state;
        uint64_t longest_ns = 0;

        expect_recovery(s);
        s->server.slow_ms = 300;
        fail_at(s, VHOST_REQUEST_GET_CONFIG, FAULT_REFUSE);
        (void) shutdown(frontend_fd(s->remote->frontend), SHUT_RDWR);
        while (s->server.n_connections < 3) {
                uint64_t before = clock_now_ns();

                assert_int_equal(loop_step(s->machine.m.loop, 100), 0);
                longest_ns = MAX(longest_ns, clock_now_ns() - before);
        }
        assert_in_range(longest_ns, 0, 3 * NSEC_PER_SEC);
        s->server.slow_ms = 0;
        fail_at(s, 0, FAULT_NONE);
        machine_wait(&s->machine, told);
}

static bool connected_often(struct machine *t)
{
        return current->server.n_faults >= 3;
}

static void server_that_comes_back_broken_is_tried_again(void **state)
{
        static const uint32_t requests[] = { VHOST_REQUEST_GET_FEATURES, VHOST_REQUEST_GET_PROTOCOL_FEATURES,
                                             VHOST_REQUEST_GET_QUEUE_NUM, VHOST_REQUEST_GET_CONFIG,
                                             VHOST_REQUEST_SET_BACKEND_REQ_FD };
        static const enum fault faults[] = { FAULT_HANG_UP, FAULT_WRONG_REPLY, FAULT_GARBAGE };
        struct scene *s = current = *state;

        for (size_t i = 0; i < ARRAY_SIZE(requests) * ARRAY_SIZE(faults); i++) {
                expect_recovery(s);
                s->server.n_faults = 0;
                fail_at(s, requests[i / ARRAY_SIZE(faults)], faults[i % ARRAY_SIZE(faults)]);
                (void) shutdown(frontend_fd(s->remote->frontend), SHUT_RDWR);
                machine_wait(&s->machine, connected_often);
                assert_int_equal(reg_read(&s->machine, REG_STATUS), RUNNING);
                fail_at(s, 0, FAULT_NONE);
                machine_wait(&s->machine, told);
        }
}

static void server_that_comes_back_with_less_needs_a_reset(void **state)
{
        struct scene *s = current = *state;

        expect_recovery(s);
        s->server.features = FEATURES & ~FEATURE(ECHO_BIT);
        (void) shutdown(frontend_fd(s->remote->frontend), SHUT_RDWR);
        machine_wait(&s->machine, needs_reset);
        expect_recovery(s);
        assert_false(s->machine.features & FEATURE(ECHO_BIT));
}

/* Its features were accepted already, its rings not yet told. */
static void server_that_comes_back_with_less_before_driver_ok_needs_a_reset(void **state)
{
        struct scene *s = current = *state;
        struct machine *t = &s->machine;
        uint8_t status = guest_negotiate(t, FEATURE(ECHO_BIT));

        s->server.features = FEATURES & ~FEATURE(ECHO_BIT);
        (void) shutdown(frontend_fd(s->remote->frontend), SHUT_RDWR);
        machine_wait(t, gone);
        machine_wait(t, usable);
        t->next_free = t->m.memory.ranges[0].start + (1 << 20);
        guest_setup_queue(t, 0, 16);
        reg_write(t, REG_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
        assert_true(needs_reset(t));
        expect_recovery(s);
}

/* Of the region nothing is mapped that the file might not have, now or later. */
static void inflight_region_shorter_than_it_says_needs_a_reset(void **state)
{
        struct scene *s = current = *state;

        s->server.inflight_bytes = 4096;
        start(&s->machine);
        machine_wait(&s->machine, told);
        reg_write(&s->machine, REG_QUEUE_SELECT, 1);
        reg_write(&s->machine, REG_QUEUE_ENABLE, 0);
        assert_true(needs_reset(&s->machine));
        expect_recovery(s);
}

/* Server and monitor share them, and so whether they block. */
static void eventfds_that_the_server_made_block_keep_nobody(void **state)
{
        struct scene *s = current = *state;

        start(&s->machine);
        machine_wait(&s->machine, told);
        assert_int_equal(fd_set_nonblock(s->remote->err_fd, 0), 0);
        for (uint16_t i = 0; i < s->remote->n_rings; i++)
                assert_int_equal(fd_set_nonblock(s->remote->rings[i].kick_fd, 0), 0);
        reg_write(&s->machine, REG_STATUS, 0);
        assert_int_equal(reg_read(&s->machine, REG_STATUS), 0);
        expect_recovery(s);
}

static void config_write_that_is_refused_or_lost_changes_nothing(void **state)
{
        static const enum fault faults[] = { FAULT_REFUSE, FAULT_WRONG_REPLY, FAULT_HANG_UP };
        struct scene *s = current = *state;
        struct machine *t = &s->machine;

        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                expect_recovery(s);
                fail_at(s, VHOST_REQUEST_SET_CONFIG, faults[i]);
                guest_write(t, t->device_config, 4, UINT32_MAX);
                assert_int_equal(guest_read(t, t->device_config, 4), 0);
                assert_int_equal(reg_read(t, REG_STATUS), RUNNING);
        }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(refused_request_needs_a_reset),
                CASE(wrong_answer_needs_a_reset),
                CASE(server_that_hangs_up_is_waited_for),
                CASE(silent_server_needs_a_reset),
                CASE(reset_completes_whatever_the_server_does),
                CASE(slow_greeting_holds_up_the_machine_for_no_longer_than_a_silent_one),
                CASE(server_that_comes_back_broken_is_tried_again),
                CASE(server_that_comes_back_with_less_needs_a_reset),
                CASE(server_that_comes_back_with_less_before_driver_ok_needs_a_reset),
                CASE(inflight_region_shorter_than_it_says_needs_a_reset),
                CASE(eventfds_that_the_server_made_block_keep_nobody),
                CASE(config_write_that_is_refused_or_lost_changes_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
