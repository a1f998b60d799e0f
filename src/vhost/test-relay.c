/* SPDX-License-Identifier: MPL-2.0 */
/* A driver behind a relay: its server is killed and started again, and it does not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/relay.h"
#include "vhost/test-fds.h"
#include "vhost/test-guest.h"
#include "vhost/test-server.h"

struct scene {
        int n_fds;
        struct test_server server;
        pid_t pid; /* of the server */
        char server_path[128];
        char path[136]; /* where the relay takes its front end */
        int listen_fd, result;
        atomic_uint paused;
        pthread_t thread;
        struct vhost_driver d;
};

static void *run(void *data)
{
        struct scene *s = data;
        struct relay_options options = { .name = "relay", .path = s->server_path, .n_rings = 1,
                                         .pause_ms = RELAY_PAUSE_MS, .paused = &s->paused };

        options.front_fd = accept(s->listen_fd, NULL, NULL);
        s->result = relay_run(&options);
        (void) close(options.front_fd);
        return NULL;
}

static void start(struct scene *s, uint64_t features)
{
        struct vhost_driver_options o = guest_options(features);

        assert_int_equal(vhost_driver_start(&s->d, s->path, &o), 0);
}

static int set_up(void **state)
{
        static struct scene s;

        s = (struct scene) { .n_fds = count_fds(), .result = 1 };
        s.pid = test_server_fork(&s.server, "relay", 1);
        strcpy(s.server_path, s.server.path);
        (void) snprintf(s.path, sizeof(s.path), "%s.relay", s.server_path);
        s.listen_fd = fd_unix_listen(s.path, 1);
        assert_true(s.listen_fd >= 0);
        assert_int_equal(fd_set_nonblock(s.listen_fd, 0), 0);
        assert_int_equal(pthread_create(&s.thread, NULL, run, &s), 0);
        *state = &s;
        return 0;
}

static int tear_down(void **state)
{
        struct scene *s = *state;

        vhost_driver_stop(&s->d);
        test_server_kill(s->pid); /* a later server has inherited the driver's end of the connection */
        assert_int_equal(pthread_join(s->thread, NULL), 0);
        fd_close(&s->listen_fd);
        (void) unlink(s->server_path);
        (void) unlink(s->path);
        assert_int_equal(count_fds(), s->n_fds);
        return 0;
}

static void replace_server(struct scene *s)
{
        test_server_kill(s->pid);
        s->pid = test_server_fork(&s->server, "relay", 1);
}

static void requests_pass(void **state)
{
        struct scene *s = *state;

        start(s, PACKED_FEATURES);
        for (int i = 0; i < 10; i++)
                guest_echo(&s->d, 0, "through the relay");
}

static void goes_on_with_the_next_server(struct scene *s, uint64_t features)
{
        gpa_t held;

        start(s, features);
        for (int i = 0; i < 10; i++)
                guest_echo(&s->d, 0, "first");
        held = vhost_driver_alloc(&s->d, 4096, 4096);
        guest_ask(&s->d, 0, held, "Hold");
        guest_echo(&s->d, 0, "after it");
        test_server_kill(s->pid);
        strcpy(vhost_driver_pointer(&s->d, held), "late");
        s->pid = test_server_fork(&s->server, "relay", 1);
        guest_expect(&s->d, 0, "late");
        for (int i = 0; i < 100; i++) {
                s->d.next_free = 1 << 20;
                guest_echo(&s->d, 0, "second");
        }
        replace_server(s);
        guest_echo(&s->d, 0, "third");
}

static void a_split_ring_goes_on(void **state) { goes_on_with_the_next_server(*state, SPLIT_FEATURES); }

static void a_packed_ring_goes_on(void **state) { goes_on_with_the_next_server(*state, PACKED_FEATURES); }

static void requests_to_a_dead_server_wait_for_the_next(void **state)
{
        struct scene *s = *state;
        char config[4];
        uint32_t base;

        start(s, SPLIT_FEATURES);
        guest_echo(&s->d, 0, "first");
        replace_server(s);
        assert_int_equal(frontend_get_config(s->d.frontend, 8, config, 4), 0);
        assert_memory_equal(config, "ECHO", 4);
        guest_echo(&s->d, 0, "second");
        replace_server(s);
        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features), 0);
        replace_server(s);
        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
        assert_int_equal(base, 2);
}

static void a_device_that_is_reset_begins_anew(void **state)
{
        struct scene *s = *state;

        start(s, SPLIT_FEATURES);
        for (int i = 0; i < 5; i++)
                guest_echo(&s->d, 0, "first");
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        guest_echo(&s->d, 0, "anew");
        replace_server(s);
        guest_echo(&s->d, 0, "anew again");
}

static void expect_scratch(struct scene *s, const char *text)
{
        char config[4];

        assert_int_equal(frontend_get_config(s->d.frontend, 0, config, 4), 0);
        assert_string_equal(config, text);
}

/* As QEMU does when its machine is stopped: it keeps the status of some devices and not of others. */
static uint32_t stop_machine(struct scene *s)
{
        uint32_t base;

        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
        if (!s->d.options.no_driver_ok)
                assert_int_equal(frontend_set_status(s->d.frontend, 0), 0);
        return base;
}

static void go_on(struct scene *s, uint32_t base)
{
        struct frontend_ring ring = guest_ring(&s->d, 0, base);

        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features), 0);
        assert_int_equal(frontend_start_ring(s->d.frontend, &ring), 0);
        assert_int_equal(frontend_enable_ring(s->d.frontend, 0, true), 0);
}

static void pause_and_go_on(struct scene *s, bool no_driver_ok)
{
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);
        uint32_t base;

        o.no_driver_ok = no_driver_ok;
        assert_int_equal(vhost_driver_start(&s->d, s->path, &o), 0);
        assert_int_equal(frontend_set_config(s->d.frontend, 0, "HEJ", 4), 0);
        guest_echo(&s->d, 0, "before");
        for (int i = 0; i < 3; i++) {
                atomic_store(&s->paused, 1);
                base = stop_machine(s);
                if (i == 1)
                        replace_server(s);
                atomic_store(&s->paused, 0);
                go_on(s, base);
                guest_echo(&s->d, 0, "after");
                expect_scratch(s, "HEJ");
        }
        base = stop_machine(s);
        go_on(s, base);
        expect_scratch(s, "");
}

static void a_pause_resets_no_device(void **state) { pause_and_go_on(*state, false); }
static void a_pause_resets_no_device_whose_status_nobody_keeps(void **state) { pause_and_go_on(*state, true); }

static void what_is_refused_is_not_said_to_the_next_server(void **state)
{
        struct scene *s = *state;
        char config[4] = "HEJ";

        start(s, SPLIT_FEATURES);
        guest_echo(&s->d, 0, "first");
        assert_int_equal(frontend_set_config(s->d.frontend, 0, config, 4), 0);
        assert_true(frontend_set_config(s->d.frontend, 200, config, 4) < 0);
        replace_server(s);
        guest_echo(&s->d, 0, "second");
        assert_int_equal(frontend_get_config(s->d.frontend, 0, config, 4), 0);
        assert_string_equal(config, "HEJ");
}

/* A server that ends each connection at a request of one kind, and obeys all else without a word. */
struct obstinate {
        int listen_fd;
        uint32_t request;
        unsigned n_connections;
};

static void *refuse(void *data)
{
        struct obstinate *o = data;
        int fd;

        while ((fd = accept(o->listen_fd, NULL, NULL)) >= 0) {
                struct vhost_header header;
                uint64_t payload;

                o->n_connections++;
                while (recv(fd, &header, sizeof(header), MSG_WAITALL) == sizeof(header) && header.request != o->request)
                        if (header.size > 0 && recv(fd, &payload, MIN(header.size, 8u), MSG_WAITALL) <= 0)
                                break;
                (void) close(fd);
        }
        return NULL;
}

static void expect_given_up(uint32_t request)
{
        char path[64];
        struct obstinate o = { .request = request };
        struct relay_options options = { .name = "relay", .path = path, .n_rings = 1, .pause_ms = 1 };
        struct vhost_header said = { .request = VHOST_REQUEST_SET_OWNER, .flags = 1 };
        pthread_t server;
        int pair[2];

        (void) snprintf(path, sizeof(path), "/tmp/busbar-relay-%d", (int) getpid());
        o.listen_fd = fd_unix_listen(path, 8);
        assert_true(o.listen_fd >= 0);
        assert_int_equal(fd_set_nonblock(o.listen_fd, 0), 0);
        assert_int_equal(pthread_create(&server, NULL, refuse, &o), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(send(pair[0], &said, sizeof(said), 0), sizeof(said));
        said.request = VHOST_REQUEST_GET_FEATURES;
        assert_int_equal(send(pair[0], &said, sizeof(said), 0), sizeof(said));
        options.front_fd = pair[1];
        assert_int_equal(relay_run(&options), -ECONNABORTED);
        assert_int_equal(shutdown(o.listen_fd, SHUT_RD), 0);
        assert_int_equal(pthread_join(server, NULL), 0);
        /* The request itself was the first attempt where it is remembered: nobody knew how it would end. */
        assert_in_range(o.n_connections, RELAY_ATTEMPTS, RELAY_ATTEMPTS + 1);
        (void) close(pair[0]);
        (void) close(pair[1]);
        (void) close(o.listen_fd);
        (void) unlink(path);
}

static void a_server_that_ends_each_connection_is_given_up(void **state)
{
        expect_given_up(VHOST_REQUEST_GET_FEATURES); /* at the request that is under way */
        expect_given_up(VHOST_REQUEST_SET_OWNER);    /* at one that is remembered */
}

static void an_absent_server_is_looked_for_less_and_less_often(void **state)
{
        uint64_t absent_ns = 0, n_looks = 0;

        assert_int_equal(relay_absent_pause_ms(0), RELAY_ABSENT_MS_MIN);
        assert_int_equal(relay_absent_pause_ms(UINT64_MAX), RELAY_ABSENT_MS_MAX);
        for (; absent_ns < 60 * NSEC_PER_SEC; n_looks++) {
                uint64_t pause_ns = (uint64_t) relay_absent_pause_ms(absent_ns) * NSEC_PER_MSEC;

                /* It is never late by more than a part of its absence. */
                assert_true(pause_ns <= MAX(absent_ns / 16, (uint64_t) (RELAY_ABSENT_MS_MIN * NSEC_PER_MSEC)));
                absent_ns += pause_ns;
        }
        assert_in_range(n_looks, 600, 700);
}

static void what_needs_more_than_a_relay_is_not_offered(void **state)
{
        struct scene *s = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);

        o.inflight = true;
        assert_int_equal(vhost_driver_start(&s->d, s->path, &o), 0);
        assert_int_equal(s->d.inflight.fd, -1);
        guest_echo(&s->d, 0, "all the same");
}

/* The front end ends while the relay looks for its server: the relay ends too, and the next one serves. */
static void expect_end(struct scene *s)
{
        vhost_driver_stop(&s->d);
        assert_int_equal(pthread_join(s->thread, NULL), 0);
        assert_int_equal(s->result, 0);
        s->pid = test_server_fork(&s->server, "relay", 1);
        assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
        start(s, SPLIT_FEATURES);
}

static void the_end_of_the_front_end_ends_it(void **state)
{
        struct scene *s = *state;

        start(s, SPLIT_FEATURES);
        test_server_kill(s->pid);
        s->d.frontend = frontend_free(s->d.frontend); /* before the driver has a word to say */
        expect_end(s);
}

static void a_front_end_that_stops_waiting_for_an_answer_ends_it(void **state)
{
        struct scene *s = *state;

        start(s, SPLIT_FEATURES);
        test_server_kill(s->pid);
        frontend_set_timeout(s->d.frontend, 50); /* of the driver's last request, which no server answers */
        expect_end(s);
}

static void a_front_end_that_speaks_otherwise_is_given_up(void **state)
{
        struct scene *s = *state;
        int fd = fd_unix_connect(s->path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
        assert_int_equal(pthread_join(s->thread, NULL), 0);
        assert_int_equal(s->result, -EBADMSG);
        assert_int_equal(close(fd), 0);
        assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
        start(s, SPLIT_FEATURES);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(requests_pass),
                CASE(a_split_ring_goes_on),
                CASE(a_packed_ring_goes_on),
                CASE(requests_to_a_dead_server_wait_for_the_next),
                CASE(a_device_that_is_reset_begins_anew),
                CASE(a_pause_resets_no_device),
                CASE(a_pause_resets_no_device_whose_status_nobody_keeps),
                CASE(what_is_refused_is_not_said_to_the_next_server),
                cmocka_unit_test(an_absent_server_is_looked_for_less_and_less_often),
                cmocka_unit_test(a_server_that_ends_each_connection_is_given_up),
                CASE(what_needs_more_than_a_relay_is_not_offered),
                CASE(the_end_of_the_front_end_ends_it),
                CASE(a_front_end_that_stops_waiting_for_an_answer_ends_it),
                CASE(a_front_end_that_speaks_otherwise_is_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
