/* SPDX-License-Identifier: MPL-2.0 */
/* Our front end against our back end with an echo device: what a well-behaved pair does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/driver.h"
#include "vhost/protocol.h"
#include "vhost/test-fds.h"
#include "vhost/test-guest.h"
#include "vhost/test-server.h"
#include "virtio/features.h"

struct guest {
        int n_fds;
        struct worker *worker;
        struct test_server server;
        struct vhost_driver d;
};

static int setup(void **state)
{
        static struct guest g;

        g = (struct guest) { .n_fds = count_fds() };
        assert_int_equal(worker_new("test-server", &g.worker), 0);
        test_server_start(&g.server, worker_loop(g.worker), "echo", 4);
        *state = &g;
        return 0;
}

static int teardown(void **state)
{
        struct guest *g = *state;

        vhost_driver_stop(&g->d);
        test_server_stop(&g->server);
        g->worker = worker_free(g->worker);
        assert_int_equal(count_fds(), g->n_fds);
        return 0;
}

static void start(struct guest *g, uint64_t features)
{
        struct vhost_driver_options o = guest_options(features);

        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
}

static void wait_readable(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static void every_kind_of_ring_is_served(void **state)
{
        static const uint64_t kinds[] = {
                0,
                FEATURE(VIRTIO_FEATURE_EVENT_IDX),
                FEATURE(VIRTIO_FEATURE_INDIRECT_DESC),
                FEATURE(VIRTIO_FEATURE_RING_PACKED),
                SPLIT_FEATURES,
                PACKED_FEATURES,
                RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_RING_PACKED),
                RING_FEATURES,
        };
        struct guest *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                start(g, kinds[i]);
                assert_int_equal(g->d.features & RING_FEATURES, kinds[i] | FEATURE(VIRTIO_FEATURE_VERSION_1));
                for (int k = 0; k < 200; k++)
                        guest_echo(&g->d, 0, "hello");
                vhost_driver_stop(&g->d);
                assert_int_equal(sem_wait(&g->server.closed), 0);
                assert_int_equal(g->server.reason, 0);
        }
}

static void queues_run_on_threads_of_their_own(void **state)
{
        struct guest *g = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);
        struct worker *workers[2];
        gpa_t at;

        o.n_queues = 4;
        for (int i = 0; i < 2; i++)
                assert_int_equal(worker_new("test-queue", &workers[i]), 0);
        for (uint16_t i = 0; i < 4; i++)
                device_set_queue_loop(&g->server.echo->dev, i, worker_loop(workers[i % 2]));

        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
        at = vhost_driver_alloc(&g->d, 4096 * 32, 4096);
        for (int round = 0; round < 200; round++) {
                for (uint16_t i = 0; i < 32; i++)
                        guest_ask(&g->d, i % 4, at + i * UINT64_C(4096), i % 8 == 7 ? "Change" : "hello");
                if (round % 50 == 17)
                        assert_int_equal(frontend_set_call(g->d.frontend, 1, g->d.queues[1].call_fd), 0);
                for (uint16_t i = 0; i < 32; i++)
                        guest_expect(&g->d, i % 4, i % 8 == 7 ? "Change" : "hello");
        }
        vhost_driver_stop(&g->d);
        test_server_disconnect(&g->server);
        for (uint16_t i = 0; i < 4; i++)
                device_set_queue_loop(&g->server.echo->dev, i, worker_loop(g->worker));
        for (int i = 0; i < 2; i++)
                worker_free(workers[i]);
}

static void ring_goes_on_where_it_was_stopped(void **state)
{
        struct guest *g = *state;
        uint64_t kinds[] = { SPLIT_FEATURES, PACKED_FEATURES };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                struct frontend_ring ring;
                struct driver_queue *dq;
                uint32_t base;

                start(g, kinds[i]);
                dq = &g->d.queues[0];
                for (int k = 0; k < 50; k++) {
                        guest_echo(&g->d, 0, "before");
                        assert_int_equal(frontend_stop_ring(g->d.frontend, 0, &base), 0);
                        assert_int_equal(base, driver_queue_base(dq));
                        ring = guest_ring(&g->d, 0, base);
                        assert_int_equal(frontend_start_ring(g->d.frontend, &ring), 0);
                        guest_echo(&g->d, 0, "after");
                }
                vhost_driver_stop(&g->d);
                assert_int_equal(sem_wait(&g->server.closed), 0);
        }
}

static void stopping_a_ring_answers_what_is_in_flight(void **state)
{
        struct guest *g = *state;
        uint32_t base;

        start(g, SPLIT_FEATURES);
        guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "Held");
        guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "not held");
        guest_expect(&g->d, 0, "not held");
        assert_int_equal(frontend_stop_ring(g->d.frontend, 0, &base), 0);
        guest_expect(&g->d, 0, "Held");
        assert_int_equal(base, 2);
}

static void disabled_ring_is_served_once_enabled(void **state)
{
        struct guest *g = *state;
        uint32_t len;
        void *cookie;

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_enable_ring(g->d.frontend, 0, false), 0);
        guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "later");
        /* A request and its reply go through the loop that would have served the ring. */
        assert_int_equal(frontend_set_features(g->d.frontend, g->d.features), 0);
        assert_int_equal(driver_queue_get(&g->d.queues[0], &cookie, &len), 0);
        assert_int_equal(frontend_enable_ring(g->d.frontend, 0, true), 0);
        guest_expect(&g->d, 0, "later");
}

static void ring_without_kick_fd_is_polled(void **state)
{
        struct guest *g = *state;
        const uint8_t raw[] = { 12, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_send_raw(g->d.frontend, raw, sizeof(raw), NULL, 0), 0);
        for (int i = 0; i < 20; i++)
                guest_echo(&g->d, 0, "polled");
}

static void config_space_is_read_and_written(void **state)
{
        struct guest *g = *state;
        uint8_t config[60];

        start(g, SPLIT_FEATURES);
        memset(config, 0xff, sizeof(config));
        assert_int_equal(frontend_get_config(g->d.frontend, 0, config, sizeof(config)), 0);
        assert_memory_equal(config + 8, "ECHO\0\0\0", 8);
        assert_int_equal(frontend_set_config(g->d.frontend, 1, "abc", 3), 0);
        assert_int_equal(frontend_get_config(g->d.frontend, 1, config, 3), 0);
        assert_memory_equal(config, "abc", 3);
        assert_int_equal(frontend_set_config(g->d.frontend, 8, "nope", 4), -EREMOTEIO);
        assert_int_equal(frontend_get_config(g->d.frontend, 8, config, 4), 0);
        assert_memory_equal(config, "ECHO", 4);
        assert_int_equal(frontend_get_config(g->d.frontend, 250, config, 7), -EINVAL);
}

/* A front end whose idea of the configuration space is longer writes all of it. */
static void config_write_is_cut_to_what_the_device_has(void **state)
{
        struct guest *g = *state;
        uint8_t config[60] = { 'x' };

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_set_config(g->d.frontend, 0, config, sizeof(config)), -EREMOTEIO);
        assert_int_equal(frontend_set_config(g->d.frontend, 12, config, 4), -EREMOTEIO);
        guest_echo(&g->d, 0, "still connected");
}

static void send_gpu_socket(struct guest *g, int fd_take)
{
        const uint8_t raw[] = { VHOST_REQUEST_GPU_SET_SOCKET, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 };

        assert_int_equal(frontend_send_raw(g->d.frontend, raw, sizeof(raw), &fd_take, 1), 0);
        assert_int_equal(close(fd_take), 0);
        assert_int_equal(frontend_set_features(g->d.frontend, g->d.features), 0);
}

/* Nothing is said there, and its end would be taken for news: it stays open. */
static void display_socket_is_kept_until_another_comes(void **state)
{
        struct guest *g = *state;
        int first[2], second[2];
        char byte;

        start(g, SPLIT_FEATURES);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, first), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, second), 0);
        send_gpu_socket(g, first[1]);
        assert_int_equal(read(first[0], &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);
        send_gpu_socket(g, second[1]);
        assert_int_equal(read(first[0], &byte, 1), 0);
        assert_int_equal(read(second[0], &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);
        guest_echo(&g->d, 0, "rings go on");
        assert_int_equal(close(first[0]), 0);
        assert_int_equal(close(second[0]), 0);
}

struct watcher {
        struct loop *loop;
        int n_changed, n_disconnected;
};

static void on_changed(struct frontend *f, void *data)
{
        struct watcher *w = data;
        uint32_t n;

        assert_int_equal(frontend_get_config(f, 4, &n, sizeof(n)), 0);
        w->n_changed = (int) n;
}

static void on_disconnected(struct frontend *f, void *data)
{
        ((struct watcher *) data)->n_disconnected++;
}

static const struct frontend_events watcher_events = {
        .config_changed = on_changed,
        .disconnected = on_disconnected,
};

static void config_change_reaches_the_front_end(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct guest *g = *state;
        struct watcher w = { 0 };

        assert_int_equal(loop_new(&loop), 0);
        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_watch(g->d.frontend, loop, &watcher_events, &w), 0);
        for (int i = 1; i <= 20; i++) {
                guest_echo(&g->d, 0, "Change");
                while (w.n_changed < i)
                        assert_int_equal(loop_step(loop, PATIENCE_MS), 0);
        }
        assert_int_equal(w.n_disconnected, 0);
        vhost_driver_stop(&g->d);
}

static void end_of_the_server_reaches_the_front_end(void **state)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct guest *g = *state;
        struct watcher w = { 0 };
        uint64_t n;

        assert_int_equal(loop_new(&loop), 0);
        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_watch(g->d.frontend, loop, &watcher_events, &w), 0);
        test_server_disconnect(&g->server);
        while (w.n_disconnected == 0)
                assert_int_equal(loop_step(loop, PATIENCE_MS), 0);
        assert_true(frontend_get_queue_num(g->d.frontend, &n) < 0);
        assert_int_equal(loop_step(loop, 0), 0);
        assert_int_equal(w.n_disconnected, 1);

        assert_int_equal(vhost_driver_reconnect(&g->d, g->server.path), 0);
        guest_echo(&g->d, 0, "again");
        vhost_driver_stop(&g->d);
}

static void memory_comes_and_goes_while_rings_run(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("more", 1 << 20);
        struct guest *g = *state;
        struct frontend_region more = {
                .spec = { .start = 1 << 30, .size_bytes = 1 << 20, .user_address = 1ULL << 60 }, .fd = fd,
        };
        struct frontend_region both[2] = { { .spec = { .size_bytes = 4 << 20 } }, more };
        struct driver_buffer b[] = { { (1 << 30) + 4096, 6, false }, { (1 << 30) + 8192, 64, true } };
        char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        uint64_t n_slots;
        uint32_t len;
        void *cookie;

        assert_true(map != MAP_FAILED);
        start(g, SPLIT_FEATURES);
        both[0].spec.user_address = (uintptr_t) vhost_driver_pointer(&g->d, 0);
        both[0].fd = g->d.memory_fd;
        assert_int_equal(frontend_get_max_mem_slots(g->d.frontend, &n_slots), 0);
        assert_true(n_slots >= 8);
        for (int i = 0; i < 20; i++) {
                memset(map, 0, 1 << 20);
                strcpy(map + 4096, "other");
                guest_echo(&g->d, 0, "one");
                if (i % 2)
                        assert_int_equal(frontend_add_mem_region(g->d.frontend, &more), 0);
                else
                        assert_int_equal(frontend_set_mem_table(g->d.frontend, both, 2), 0);
                assert_int_equal(driver_queue_add(&g->d.queues[0], b, 2, NULL), 0);
                (void) driver_queue_kick(&g->d.queues[0]);
                assert_int_equal(vhost_driver_wait(&g->d, 0, PATIENCE_MS, &cookie, &len), 1);
                assert_int_equal(len, 6);
                assert_string_equal(map + 8192, "other");
                assert_int_equal(frontend_remove_mem_region(g->d.frontend, &more), 0);
                assert_int_equal(frontend_remove_mem_region(g->d.frontend, &more), -EREMOTEIO);
        }
        assert_int_equal(munmap(map, 1 << 20), 0);
}

static bool dirty(const uint8_t *log, gpa_t at)
{
        return log[at / 4096 / 8] >> (at / 4096 % 8) & 1;
}

static void dirty_log_is_switched_while_rings_run(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 8192);
        struct guest *g = *state;
        uint8_t *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        uint8_t *log = map + 4096;
        struct frontend_ring ring;
        struct driver_queue *dq;
        gpa_t at;

        assert_true(map != MAP_FAILED);
        start(g, SPLIT_FEATURES);
        dq = &g->d.queues[0];
        at = vhost_driver_alloc(&g->d, 4096 * 2, 4096);
        ring = guest_ring(&g->d, 0, 0);

        assert_int_equal(frontend_set_log(g->d.frontend, fd, 4096, 4096), 0);
        guest_ask(&g->d, 0, at, "unlogged");
        guest_expect(&g->d, 0, "unlogged");
        assert_false(dirty(log, at));

        assert_int_equal(frontend_set_features(g->d.frontend, g->d.features | FEATURE(26)), 0);
        guest_ask(&g->d, 0, at, "logged");
        guest_expect(&g->d, 0, "logged");
        assert_true(dirty(log, at));
        assert_false(dirty(log, dq->device));

        ring.log = true;
        assert_int_equal(frontend_set_ring_address(g->d.frontend, &ring), 0);
        guest_ask(&g->d, 0, at + 4096, "logged");
        guest_expect(&g->d, 0, "logged");
        assert_true(dirty(log, at + 4096));
        assert_true(dirty(log, dq->device));

        assert_int_equal(frontend_set_features(g->d.frontend, g->d.features), 0);
        memset(map, 0, 8192);
        guest_ask(&g->d, 0, at, "unlogged");
        guest_expect(&g->d, 0, "unlogged");
        for (int i = 0; i < 8192; i++)
                assert_int_equal(map[i], 0);
        assert_int_equal(atomic_load(&g->server.echo->n_starts), 1);
        assert_int_equal(munmap(map, 8192), 0);
}

static void reset_ends_logging_until_it_is_asked_for_again(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 4096);
        struct guest *g = *state;
        uint8_t *log = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        gpa_t at;

        assert_true(log != MAP_FAILED);
        start(g, SPLIT_FEATURES);
        at = vhost_driver_alloc(&g->d, 4096, 4096);
        g->d.features |= FEATURE(VHOST_FEATURE_LOG_ALL);
        assert_int_equal(frontend_set_log(g->d.frontend, fd, 0, 4096), 0);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(vhost_driver_reset(&g->d), 0);
                memset(log, 0, 4096);
                guest_ask(&g->d, 0, at, "hello");
                guest_expect(&g->d, 0, "hello");
                assert_int_equal(dirty(log, at), i < 2);
                /* The log is given up with the feature, not with a reset. */
                if (i == 1)
                        g->d.features &= ~FEATURE(VHOST_FEATURE_LOG_ALL);
        }
        assert_int_equal(munmap(log, 4096), 0);
}

static void broken_queue_is_revived_by(struct guest *g, uint64_t without_protocol)
{
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);
        struct watcher w = { .n_changed = -1 };
        uint8_t status;

        o.without_protocol = without_protocol;
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
        assert_int_equal(frontend_watch(g->d.frontend, loop, &watcher_events, &w), 0);
        for (int i = 0; i < 3; i++) {
                guest_echo(&g->d, 0, "fine");
                guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "Break");
                /* VIRTIO 1.4, 2.1.2: a configuration change tells of DEVICE_NEEDS_RESET. */
                for (w.n_changed = -1; w.n_changed < 0;)
                        assert_int_equal(loop_step(loop, PATIENCE_MS), 0);
                if (frontend_get_status(g->d.frontend, &status) == 0)
                        assert_true(status & VIRTIO_STATUS_NEEDS_RESET);
                assert_int_equal(vhost_driver_reset(&g->d), 0);
                if (frontend_get_status(g->d.frontend, &status) == 0)
                        assert_false(status & VIRTIO_STATUS_NEEDS_RESET);
                guest_echo(&g->d, 0, "fine again");
                assert_int_equal(atomic_load(&g->server.echo->n_starts), i + 2);
        }
        vhost_driver_stop(&g->d);
}

static void broken_queue_is_revived_by_status(void **state)
{
        broken_queue_is_revived_by(*state, 0);
}

static void broken_queue_is_revived_by_reset_device(void **state)
{
        broken_queue_is_revived_by(*state, FEATURE(VHOST_PROTOCOL_STATUS));
}

static void broken_queue_is_revived_by_a_new_start_alone(void **state)
{
        broken_queue_is_revived_by(*state, FEATURE(VHOST_PROTOCOL_STATUS) | FEATURE(VHOST_PROTOCOL_RESET_DEVICE));
}

static void error_fd_tells_of_a_broken_queue(void **state)
{
        auto_cleanup(closep) int fd = fd_event();
        struct guest *g = *state;
        struct frontend_ring ring;
        uint32_t base;

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_stop_ring(g->d.frontend, 0, &base), 0);
        ring = guest_ring(&g->d, 0, base);
        ring.err_fd = fd;
        assert_int_equal(frontend_start_ring(g->d.frontend, &ring), 0);
        guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "Break");
        wait_readable(fd);
}

static void broken_queue_stays_broken_when_memory_changes(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("more", 1 << 20);
        struct guest *g = *state;
        struct frontend_region more = {
                .spec = { .start = 1 << 30, .size_bytes = 1 << 20, .user_address = 1ULL << 60 }, .fd = fd,
        };
        uint8_t status = 0;

        start(g, SPLIT_FEATURES);
        guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), "Break");
        while (!(status & VIRTIO_STATUS_NEEDS_RESET))
                assert_int_equal(frontend_get_status(g->d.frontend, &status), 0);
        assert_int_equal(frontend_add_mem_region(g->d.frontend, &more), 0);
        assert_int_equal(atomic_load(&g->server.echo->n_queue_starts), 1);
        assert_int_equal(vhost_driver_reset(&g->d), 0);
        guest_echo(&g->d, 0, "fine again");
}

static void rings_start_enabled_without_protocol_features(void **state)
{
        struct guest *g = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);

        o.without_protocol = FEATURE(VHOST_PROTOCOL_STATUS);
        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
        assert_int_equal(frontend_reset_device(g->d.frontend), 0);
        g->d.features &= ~FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES);
        /* Without the feature the driver enables nothing. */
        assert_int_equal(vhost_driver_reset(&g->d), 0);
        guest_echo(&g->d, 0, "enabled");
}

static void reset_device_disables_rings(void **state)
{
        struct guest *g = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);

        o.without_protocol = FEATURE(VHOST_PROTOCOL_STATUS);
        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
        guest_echo(&g->d, 0, "hello");
        assert_int_equal(frontend_reset_device(g->d.frontend), 0);
        assert_false(test_server_device_started(&g->server));
        assert_false(test_server_queue_started(&g->server));
        assert_int_equal(vhost_driver_reset(&g->d), 0);
        guest_echo(&g->d, 0, "hello again");
}

static void status_is_kept_and_zero_resets(void **state)
{
        struct guest *g = *state;
        uint8_t status;

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_get_status(g->d.frontend, &status), 0);
        assert_int_equal(status, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK |
                                         VIRTIO_STATUS_DRIVER_OK);
        assert_true(g->server.echo->dev.negotiated & FEATURE(ECHO_FEATURE));
        assert_false(g->server.echo->dev.negotiated & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES));
        assert_int_equal(frontend_set_status(g->d.frontend, 0), 0);
        assert_false(test_server_device_started(&g->server));
}

/* As QEMU's generic front ends do, which set no more than FEATURES_OK and reset by nothing but a new start. */
static void device_starts_and_starts_anew_without_driver_ok(void **state)
{
        struct guest *g = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);

        o.no_driver_ok = true;
        assert_int_equal(vhost_driver_start(&g->d, g->server.path, &o), 0);
        for (unsigned i = 1; i < 5; i++) {
                guest_echo(&g->d, 0, "hello");
                assert_int_equal(atomic_load(&g->server.echo->n_starts), i);
                guest_ask(&g->d, 0, vhost_driver_alloc(&g->d, 4096, 4096), i % 2 ? "Break" : "Hold");
                assert_int_equal(vhost_driver_reset(&g->d), 0);
        }
        guest_echo(&g->d, 0, "hello");
}

static void network_messages_reach_the_device(void **state)
{
        struct guest *g = *state;
        const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_set_mtu(g->d.frontend, 1400), 0);
        assert_int_equal(frontend_set_mtu(g->d.frontend, 1), -EREMOTEIO);
        assert_int_equal(frontend_send_rarp(g->d.frontend, mac), 0);
        test_server_disconnect(&g->server);
        assert_int_equal(g->server.echo->mtu, 1400);
        assert_memory_equal(g->server.echo->mac, mac, 6);
}

static void queue_number_is_that_of_the_device(void **state)
{
        struct guest *g = *state;
        uint64_t n;

        start(g, SPLIT_FEATURES);
        assert_int_equal(frontend_get_queue_num(g->d.frontend, &n), 0);
        assert_int_equal(n, 4);
}

static void front_end_gives_up_a_silent_server(void **state)
{
        struct frontend *f;
        uint64_t features;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(frontend_new(fds[0], &f), 0);
        frontend_set_timeout(f, 20);
        assert_int_equal(frontend_negotiate(f, 0, &features), -ETIMEDOUT);
        assert_int_equal(frontend_negotiate(f, 0, &features), -ETIMEDOUT);
        frontend_free(f);
        assert_int_equal(close(fds[1]), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(every_kind_of_ring_is_served),
                CASE(queues_run_on_threads_of_their_own),
                CASE(ring_goes_on_where_it_was_stopped),
                CASE(stopping_a_ring_answers_what_is_in_flight),
                CASE(disabled_ring_is_served_once_enabled),
                CASE(ring_without_kick_fd_is_polled),
                CASE(config_space_is_read_and_written),
                CASE(config_write_is_cut_to_what_the_device_has),
                CASE(display_socket_is_kept_until_another_comes),
                CASE(config_change_reaches_the_front_end),
                CASE(end_of_the_server_reaches_the_front_end),
                CASE(memory_comes_and_goes_while_rings_run),
                CASE(dirty_log_is_switched_while_rings_run),
                CASE(reset_ends_logging_until_it_is_asked_for_again),
                CASE(broken_queue_is_revived_by_status),
                CASE(broken_queue_is_revived_by_reset_device),
                CASE(broken_queue_is_revived_by_a_new_start_alone),
                CASE(broken_queue_stays_broken_when_memory_changes),
                CASE(error_fd_tells_of_a_broken_queue),
                CASE(rings_start_enabled_without_protocol_features),
                CASE(reset_device_disables_rings),
                CASE(status_is_kept_and_zero_resets),
                CASE(device_starts_and_starts_anew_without_driver_ok),
                CASE(network_messages_reach_the_device),
                CASE(queue_number_is_that_of_the_device),
                cmocka_unit_test(front_end_gives_up_a_silent_server),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
