/* SPDX-License-Identifier: MPL-2.0 */
/* Sound messages in a wrong state, twice, or about what cannot be; and guests that misuse their rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vhost/test-hostile.h"
#include "virtio/inflight.h"

/* ---- SET_* in a wrong state or twice; changes after DRIVER_OK; double start ---- */

static void running_ring_cannot_be_changed(void **state)
{
        struct scene *s = *state;
        struct frontend_ring ring = guest_ring(&s->d, 0, 0);
        struct vhost_vring_address address = { .index = 0, .descriptors = ring.descriptors, .available = ring.driver,
                                               .used = ring.device + 4096 };
        struct vhost_inflight inflight = { .size_bytes = 4096, .n_queues = 1, .queue_size = 64 };

        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_NUM, 0, 32), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_BASE, 0, 7), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_VRING_ADDR, &address, sizeof(address), -1, 0), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_FEATURES, s->d.features ^ FEATURE(ECHO_FEATURE)), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_PROTOCOL_FEATURES, FEATURE(VHOST_PROTOCOL_REPLY_ACK)), REFUSED);
        assert_int_equal(
                ask(s->d.frontend, VHOST_REQUEST_SET_INFLIGHT_FD, &inflight, sizeof(inflight), s->d.memory_fd, 1),
                REFUSED);
        expect_alive(s);
}

static void the_same_again_changes_nothing(void **state)
{
        struct scene *s = *state;
        uint64_t bits = 0;

        for (int i = 0; i < 3; i++) {
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_OWNER, NULL, 0, -1, 0), OBEYED);
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_RESET_OWNER, NULL, 0, -1, 0), OBEYED);
                assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_FEATURES, s->d.features), OBEYED);
                assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_STATUS, 15), OBEYED);
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_VRING_KICK, &bits, 8, s->d.queues[0].kick_fd, 1),
                                 OBEYED);
                assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_ENABLE, 0, 1), OBEYED);
                expect_alive(s);
        }
        assert_int_equal(atomic_load(&s->server.echo->n_starts), 1);
        assert_int_equal(atomic_load(&s->server.echo->n_queue_starts), 1);
}

static void nothing_starts_before_all_is_known(void **state)
{
        struct scene *s = *state;
        struct frontend *f;
        uint64_t features, kick = 0;

        vhost_driver_stop(&s->d);
        assert_int_equal(sem_wait(&s->server.closed), 0);
        assert_int_equal(frontend_connect(s->server.path, &f), 0);
        assert_int_equal(frontend_negotiate(f, FEATURE(VHOST_PROTOCOL_STATUS), &features), 0);
        assert_int_equal(ask(f, VHOST_REQUEST_SET_VRING_KICK, &kick, 8, s->bystander.queues[0].kick_fd, 1), OBEYED);
        assert_int_equal(frontend_enable_ring(f, 0, true), 0);
        assert_int_equal(frontend_set_features(f, FEATURE(VIRTIO_FEATURE_VERSION_1)), 0);
        assert_false(test_server_device_started(&s->server));
        frontend_free(f);
}

static void features_that_were_not_offered_are_refused(void **state)
{
        struct scene *s = *state;

        assert_int_equal(vhost_driver_reset(&s->d), 0);
        for (unsigned bit = 41; bit < 64; bit++)
                assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_FEATURES, s->d.features | FEATURE(bit)), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_PROTOCOL_FEATURES, UINT64_MAX), REFUSED);
        expect_alive(s);
}

static void request_of_a_feature_not_negotiated_is_refused(void **state)
{
        struct scene *s = *state;
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);
        struct vhost_config config = { .size = 4 };

        vhost_driver_stop(&s->d);
        assert_int_equal(sem_wait(&s->server.closed), 0);
        o.without_protocol = ~FEATURE(VHOST_PROTOCOL_REPLY_ACK);
        assert_int_equal(vhost_driver_start(&s->d, s->server.path, &o), 0);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_STATUS, 0), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_RESET_DEVICE, NULL, 0, -1, 0), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_CONFIG, &config, 16, -1, 0), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_BACKEND_REQ_FD, NULL, 0, s->d.frontend->fd, 1), REFUSED);
        expect_alive(s);
}

/* FEATURES_OK skipped, VERSION_1 not accepted: the driver's fault, a reset revives. */
static void driver_without_version_1_needs_reset(void **state)
{
        struct scene *s = *state;
        uint64_t features = s->d.features;

        s->d.features &= ~FEATURE(VIRTIO_FEATURE_VERSION_1);
        assert_int_equal(vhost_driver_reset(&s->d), -EREMOTEIO);
        wait_for_needs_reset(s);
        s->d.features = features;
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

static void ring_that_cannot_be_needs_reset(void **state)
{
        struct scene *s = *state;
        uint32_t base;

        for (int i = 0; i < 5; i++) {
                struct frontend_ring ring;

                assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
                ring = guest_ring(&s->d, 0, base);
                if (i == 0)
                        ring.descriptors = 0; /* no memory there */
                if (i == 1)
                        ring.descriptors += 1; /* not aligned */
                if (i == 2)
                        ring.size = 63; /* no power of two */
                if (i == 3)
                        ring.device = (uintptr_t) vhost_driver_pointer(&s->d, (4 << 20) - 4); /* leaves its region */
                if (i == 4)
                        ring.base = 0x10000; /* no index */
                assert_int_equal(frontend_start_ring(s->d.frontend, &ring), -EREMOTEIO);
                wait_for_needs_reset(s);
                assert_int_equal(vhost_driver_reset(&s->d), 0);
                expect_alive(s);
        }
}

static void ring_size_out_of_range_is_refused(void **state)
{
        struct scene *s = *state;

        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_NUM, 1, 0), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_NUM, 1, 32769), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_NUM, 1, 65536 + 64), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_ENABLE, 1, 2), REFUSED);
        expect_alive(s);
}

static void kick_that_is_no_eventfd_is_refused(void **state)
{
        struct scene *s = *state;
        uint64_t bits = 0;
        int pipe_fds[2];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        for (uint32_t request = VHOST_REQUEST_SET_VRING_KICK; request <= VHOST_REQUEST_SET_VRING_ERR; request++) {
                assert_int_equal(ask(s->d.frontend, request, &bits, 8, s->d.memory_fd, 1), REFUSED);
                assert_int_equal(ask(s->d.frontend, request, &bits, 8, pipe_fds[1], 1), REFUSED);
                assert_int_equal(ask(s->d.frontend, request, &bits, 8, s->d.frontend->fd, 1), REFUSED);
        }
        assert_int_equal(close(pipe_fds[0]), 0);
        assert_int_equal(close(pipe_fds[1]), 0);
        expect_alive(s);
}

static void call_fd_that_is_full_blocks_nobody(void **state)
{
        struct scene *s = *state;
        uint64_t bits = 0, most = UINT64_MAX - 1;
        int fd = s->d.queues[0].call_fd;

        assert_int_equal(fd_set_nonblock(fd, 0), 0);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_VRING_CALL, &bits, 8, fd, 1), OBEYED);
        (void) fd_event_take(fd);
        assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
        expect_alive(s);
}

static void backend_channel_that_is_no_socket_is_refused(void **state)
{
        struct scene *s = *state;

        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_BACKEND_REQ_FD, NULL, 0, s->d.memory_fd, 1), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_BACKEND_REQ_FD, NULL, 0, s->d.queues[0].kick_fd, 1),
                         REFUSED);
        expect_alive(s);
}

static void config_request_beyond_the_space_fails(void **state)
{
        struct scene *s = *state;
        struct vhost_config config = { .offset = UINT32_MAX, .size = 256 };

        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_CONFIG, &config, 12 + 256, -1, 0), REFUSED);
        config.offset = 0;
        config.flags = 2;
        config.size = 4;
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_CONFIG, &config, 16, -1, 0), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_STATUS, 256), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_NET_SET_MTU, 65536 + 1500), REFUSED);
        expect_alive(s);
}

/* ---- in-flight region ---- */

static void inflight_region_of_a_wrong_size_is_refused(void **state)
{
        static const struct vhost_inflight regions[] = {
                { 0, 0, 1, 64 },
                { 4096, 0, 0, 64 },
                { 4096, 0, 5, 64 },
                { 4096, 0, 1, 0 },
                { 4096, 0, 4, 32768 },
                { 4096, 1, 1, 64 },
                { 4096, UINT64_MAX - 63, 1, 64 },
                { UINT64_MAX, 0, 1, 64 },
                { 8 << 20, 0, 1, 64 },
        };
        struct scene *s = *state;
        uint32_t base;

        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
        for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_INFLIGHT_FD, &regions[i], sizeof(regions[i]),
                                     s->d.memory_fd, 1), REFUSED);
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

static void garbage_in_the_inflight_region_is_survived(void **state)
{
        size_t n = inflight_region_bytes(false, 64);
        auto_cleanup(closep) int fd = fd_memfd_sealed("garbage", n);
        struct scene *s = *state;
        struct vhost_inflight in = { .size_bytes = n, .n_queues = 1, .queue_size = 64 };
        uint8_t *map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        uint32_t seed = 1;

        assert_true(map != MAP_FAILED);
        for (int round = 0; round < 100; round++) {
                struct frontend_ring ring = guest_ring(&s->d, 0, 0);
                uint32_t base;

                assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
                for (size_t i = 0; i < n; i++)
                        map[i] = (uint8_t) ((seed = seed * 1103515245 + 12345) >> 16);
                /* Features, version 1 and 64 entries, as for a region that is in use. */
                memcpy(map, "\0\0\0\0\0\0\0\0\1\0\100\0", 12);
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_INFLIGHT_FD, &in, sizeof(in), fd, 1), OBEYED);
                (void) frontend_start_ring(s->d.frontend, &ring);
                assert_int_equal(vhost_driver_reset(&s->d), 0);
                expect_alive(s);
                s->d.next_free = 1 << 20;
        }
        assert_int_equal(munmap(map, n), 0);
}

static void inflight_region_that_is_cut_off_stops_the_ring(void **state)
{
        size_t n = inflight_region_bytes(false, 64);
        auto_cleanup(closep) int fd = memfd_create("unsealed", MFD_CLOEXEC);
        struct scene *s = *state;
        struct vhost_inflight in = { .size_bytes = n, .n_queues = 1, .queue_size = 64 };
        struct frontend_ring ring;
        uint32_t base;

        assert_int_equal(ftruncate(fd, (off_t) n), 0);
        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
        ring = guest_ring(&s->d, 0, base);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_INFLIGHT_FD, &in, sizeof(in), fd, 1), OBEYED);
        assert_int_equal(frontend_start_ring(s->d.frontend, &ring), 0);
        assert_int_equal(ftruncate(fd, 0), 0);
        guest_echo(&s->d, 0, "touches the region");
        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &ring.base), 0);
        assert_int_equal(frontend_start_ring(s->d.frontend, &ring), -EREMOTEIO);
        wait_for_needs_reset(s);
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

/* ---- buffers that alias, ends with requests in flight ---- */

static void buffer_that_is_the_ring_harms_only_its_guest(void **state)
{
        struct scene *s = *state;
        struct driver_queue *dq = &s->d.queues[0];
        struct driver_buffer b[] = { { 2 << 20, 4096, false }, { dq->descriptors, 4096, true } };

        memset(vhost_driver_pointer(&s->d, 2 << 20), 0xff, 4096);
        assert_int_equal(driver_queue_add(dq, b, 2, NULL), 0);
        (void) driver_queue_kick(dq);
        guest_echo(&s->bystander, 0, "meanwhile");
        assert_int_equal(frontend_set_status(s->d.frontend, 0), 0);
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

static void buffer_that_is_in_flight_twice_is_answered_twice(void **state)
{
        struct scene *s = *state;
        gpa_t at = 2 << 20;
        struct driver_buffer again[] = { { at, 5, false }, { at + 2048, 2048, true } };
        uint32_t base;

        guest_ask(&s->d, 0, at, "Hold");
        assert_int_equal(driver_queue_add(&s->d.queues[0], again, 2, (void *) (uintptr_t) at), 0);
        (void) driver_queue_kick(&s->d.queues[0]);
        guest_ask(&s->d, 0, 3 << 20, "answer");
        guest_expect(&s->d, 0, "answer");
        assert_int_equal(frontend_stop_ring(s->d.frontend, 0, &base), 0);
        guest_expect(&s->d, 0, "Hold");
        guest_expect(&s->d, 0, "Hold");
}

static void disconnect_and_reset_with_requests_in_flight_are_clean(void **state)
{
        struct scene *s = *state;

        guest_ask(&s->d, 0, 2 << 20, "Hold");
        guest_ask(&s->d, 0, 3 << 20, "answer");
        guest_expect(&s->d, 0, "answer");
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
        guest_ask(&s->d, 0, 2 << 20, "Hold");
        guest_ask(&s->d, 0, 3 << 20, "answer");
        guest_expect(&s->d, 0, "answer");
        s->d.frontend = frontend_free(s->d.frontend);
        assert_int_equal(sem_wait(&s->server.closed), 0);
        assert_int_equal(s->server.reason, 0);
        assert_int_equal(vhost_driver_reconnect(&s->d, s->server.path), 0);
        guest_expect(&s->d, 0, "Hold");
        expect_alive(s);
}

static void memory_removed_under_a_ring_stops_it(void **state)
{
        struct scene *s = *state;
        struct frontend_region region = {
                .spec = { .size_bytes = 4 << 20, .user_address = (uintptr_t) s->d.memory }, .fd = s->d.memory_fd,
        };

        assert_int_equal(frontend_remove_mem_region(s->d.frontend, &region), 0);
        wait_for_needs_reset(s);
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(running_ring_cannot_be_changed),
                CASE(the_same_again_changes_nothing),
                CASE(nothing_starts_before_all_is_known),
                CASE(features_that_were_not_offered_are_refused),
                CASE(request_of_a_feature_not_negotiated_is_refused),
                CASE(driver_without_version_1_needs_reset),
                CASE(ring_that_cannot_be_needs_reset),
                CASE(ring_size_out_of_range_is_refused),
                CASE(kick_that_is_no_eventfd_is_refused),
                CASE(call_fd_that_is_full_blocks_nobody),
                CASE(backend_channel_that_is_no_socket_is_refused),
                CASE(config_request_beyond_the_space_fails),
                CASE(inflight_region_of_a_wrong_size_is_refused),
                CASE(garbage_in_the_inflight_region_is_survived),
                CASE(inflight_region_that_is_cut_off_stops_the_ring),
                CASE(buffer_that_is_the_ring_harms_only_its_guest),
                CASE(buffer_that_is_in_flight_twice_is_answered_twice),
                CASE(disconnect_and_reset_with_requests_in_flight_are_clean),
                CASE(memory_removed_under_a_ring_stops_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
