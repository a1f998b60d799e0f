/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A front end that breaks the protocol, and a guest that breaks the rules. Each case ends with a look at the
 * bystander: another device of the same server, whose guest must not notice anything; and no descriptor may
 * be left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "vhost/frontend-internal.h"
#include "vhost/protocol.h"
#include "vhost/test-fds.h"
#include "vhost/test-guest.h"
#include "vhost/test-server.h"
#include "virtio/inflight.h"

struct scene {
        int n_fds;
        struct worker *worker;
        struct test_server server, other;
        struct vhost_driver d, bystander;
};

static int setup(void **state)
{
        struct vhost_driver_options o = guest_options(SPLIT_FEATURES);
        static struct scene s;

        s = (struct scene) { .n_fds = count_fds() };
        assert_int_equal(worker_new("test-server", &s.worker), 0);
        test_server_start(&s.server, worker_loop(s.worker), "echo", 4);
        test_server_start(&s.other, worker_loop(s.worker), "bystander", 1);
        assert_int_equal(vhost_driver_start(&s.bystander, s.other.path, &o), 0);
        assert_int_equal(vhost_driver_start(&s.d, s.server.path, &o), 0);
        *state = &s;
        return 0;
}

static int teardown(void **state)
{
        struct scene *s = *state;

        guest_echo(&s->bystander, 0, "nothing happened here");
        vhost_driver_stop(&s->bystander);
        vhost_driver_stop(&s->d);
        test_server_stop(&s->other);
        test_server_stop(&s->server);
        s->worker = worker_free(s->worker);
        assert_int_equal(count_fds(), s->n_fds);
        return 0;
}

enum outcome { OBEYED, REFUSED, DISCONNECTED };

/* The next thing that comes: an acknowledgement, or the end. */
static enum outcome outcome(struct frontend *f)
{
        struct pollfd p = { .fd = f->fd, .events = POLLIN };
        struct vhost_receiver rx = { 0 };
        struct vhost_message m;
        const char *reason;
        int r;

        while ((r = vhost_receive(f->fd, &rx, &m, &reason)) == 0)
                assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        if (r < 0)
                return DISCONNECTED;
        vhost_message_deinit(&m);
        assert_int_equal(m.header.size, 8);
        return m.payload.u64 == 0 ? OBEYED : REFUSED;
}

/* A message as it comes; the size in its header may lie. */
static void send_as_is(struct frontend *f, uint32_t request, uint32_t flags, uint32_t size, const void *payload,
                       size_t n, int fd, size_t n_fds)
{
        struct vhost_header h = { request, flags, size };
        char bytes[sizeof(h) + sizeof(union vhost_payload)];
        int fds[64] = { 0 };

        for (size_t i = 0; i < n_fds; i++)
                fds[i] = fd;
        memcpy(bytes, &h, sizeof(h));
        if (n > 0)
                memcpy(bytes + sizeof(h), payload, n);
        assert_int_equal(frontend_send_raw(f, bytes, sizeof(h) + n, fds, n_fds), 0);
}

#define FLAGS (VHOST_FLAG_VERSION | VHOST_FLAG_NEED_REPLY)

/* Asked for an answer. */
static enum outcome ask(struct frontend *f, uint32_t request, const void *payload, size_t n, int fd, size_t n_fds)
{
        send_as_is(f, request, FLAGS, (uint32_t) n, payload, n, fd, n_fds);
        return outcome(f);
}

/* The device still serves the guest that it served before. */
static void expect_alive(struct scene *s)
{
        guest_echo(&s->d, 0, "still here");
}

static void expect_gone(struct scene *s)
{
        assert_int_equal(sem_wait(&s->server.closed), 0);
        assert_true(s->server.reason < 0);
        /* And the next front end is served. */
        assert_int_equal(vhost_driver_reconnect(&s->d, s->server.path), 0);
        expect_alive(s);
}

static enum outcome ask_state(struct scene *s, uint32_t request, uint32_t index, uint32_t num)
{
        struct vhost_vring_state state = { index, num };

        return ask(s->d.frontend, request, &state, sizeof(state), -1, 0);
}

static enum outcome ask_u64(struct scene *s, uint32_t request, uint64_t value)
{
        return ask(s->d.frontend, request, &value, sizeof(value), -1, 0);
}

/* ---- line 16: vring index out of range ---- */

static void vring_index_out_of_range_is_refused(void **state)
{
        struct scene *s = *state;
        struct vhost_vring_address address = { .index = UINT32_MAX };
        uint64_t bits = 4;

        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_NUM, 4, 64), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_BASE, UINT32_MAX, 0), REFUSED);
        assert_int_equal(ask_state(s, VHOST_REQUEST_SET_VRING_ENABLE, 0x10000, 1), REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_VRING_ADDR, &address, sizeof(address), -1, 0), REFUSED);
        for (uint32_t request = VHOST_REQUEST_SET_VRING_KICK; request <= VHOST_REQUEST_SET_VRING_ERR; request++)
                assert_int_equal(ask(s->d.frontend, request, &bits, 8, s->d.queues[0].kick_fd, 1), REFUSED);
        bits = 255 | VHOST_VRING_NO_FD;
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_VRING_KICK, bits), REFUSED);
        assert_int_equal(ask_u64(s, VHOST_REQUEST_SET_VRING_KICK, UINT64_MAX), REFUSED);
        expect_alive(s);
        assert_int_equal(ask_state(s, VHOST_REQUEST_GET_VRING_BASE, 4, 0), DISCONNECTED);
        expect_gone(s);
}

static void refusal_without_need_reply_disconnects(void **state)
{
        struct scene *s = *state;
        struct vhost_vring_state bad = { 4, 64 };

        send_as_is(s->d.frontend, VHOST_REQUEST_SET_VRING_NUM, VHOST_FLAG_VERSION, sizeof(bad), &bad, sizeof(bad), -1, 0);
        expect_gone(s);
}

/* ---- line 16: more or fewer fds than the message says; fds on messages that take none ---- */

static void wrong_number_of_fds_disconnects(void **state)
{
        struct scene *s = *state;
        struct {
                uint32_t request;
                uint64_t value;
                uint32_t n;
                size_t n_fds;
        } cases[] = {
                { VHOST_REQUEST_SET_VRING_KICK, 0, 8, 0 },
                { VHOST_REQUEST_SET_VRING_KICK, 0, 8, 2 },
                { VHOST_REQUEST_SET_VRING_KICK, 0, 8, 8 },
                { VHOST_REQUEST_SET_VRING_KICK, 0, 8, 9 },
                { VHOST_REQUEST_SET_VRING_KICK, 0, 8, 64 },
                { VHOST_REQUEST_SET_VRING_CALL, VHOST_VRING_NO_FD, 8, 1 },
                { VHOST_REQUEST_SET_MEM_TABLE, 0, 8, 1 },
                { VHOST_REQUEST_SET_BACKEND_REQ_FD, 0, 0, 0 },
                { VHOST_REQUEST_SET_BACKEND_REQ_FD, 0, 0, 2 },
                { VHOST_REQUEST_SET_LOG_FD, 0, 0, 0 },
                { VHOST_REQUEST_GET_FEATURES, 0, 0, 1 },
                { VHOST_REQUEST_SET_FEATURES, 0, 8, 8 },
                { VHOST_REQUEST_SET_STATUS, 0, 8, 64 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(ask(s->d.frontend, cases[i].request, &cases[i].value, cases[i].n,
                                     s->d.queues[0].kick_fd, cases[i].n_fds), DISCONNECTED);
                expect_gone(s);
        }
}

static void fds_of_an_unknown_request_are_closed(void **state)
{
        struct scene *s = *state;

        for (uint32_t request = VHOST_REQUEST_END; request < VHOST_REQUEST_END + 5; request++)
                assert_int_equal(ask(s->d.frontend, request, NULL, 0, s->d.queues[0].kick_fd, 8), REFUSED);
        expect_alive(s);
}

/* ---- line 16: size field unlike the payload, truncated messages, disconnect mid-message ---- */

static void size_field_unlike_the_payload_disconnects(void **state)
{
        struct scene *s = *state;
        uint32_t sizes[] = { 0, 1, 7, 9, 16, sizeof(union vhost_payload), sizeof(union vhost_payload) + 1, UINT32_MAX };
        char payload[sizeof(union vhost_payload)] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                send_as_is(s->d.frontend, VHOST_REQUEST_SET_FEATURES, FLAGS, sizes[i], payload,
                           sizes[i] <= sizeof(payload) ? sizes[i] : 8, -1, 0);
                assert_int_equal(outcome(s->d.frontend), DISCONNECTED);
                expect_gone(s);
        }
}

static void memory_table_longer_than_its_message_disconnects(void **state)
{
        struct scene *s = *state;
        struct vhost_memory_table table = { .n_regions = 9 };

        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_MEM_TABLE, &table, sizeof(table), s->d.memory_fd, 8),
                         DISCONNECTED);
        expect_gone(s);
        table.n_regions = UINT32_MAX;
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_MEM_TABLE, &table, 8, -1, 0), DISCONNECTED);
        expect_gone(s);
}

static void truncated_message_holds_nobody_up(void **state)
{
        struct scene *s = *state;
        uint64_t features = s->d.features;

        send_as_is(s->d.frontend, VHOST_REQUEST_SET_FEATURES, FLAGS, 8, &features, 5, s->d.memory_fd, 0);
        guest_echo(&s->bystander, 0, "meanwhile");
        guest_echo(&s->d, 0, "rings go on");
        assert_int_equal(frontend_send_raw(s->d.frontend, (char *) &features + 5, 3, NULL, 0), 0);
        assert_int_equal(outcome(s->d.frontend), OBEYED);
}

static void disconnect_mid_message_is_clean(void **state)
{
        struct scene *s = *state;
        uint64_t bits = 0;

        for (size_t n = 0; n < 8; n++) {
                send_as_is(s->d.frontend, VHOST_REQUEST_SET_VRING_KICK, FLAGS, 8, &bits, n, s->d.memory_fd, 1);
                s->d.frontend = frontend_free(s->d.frontend);
                expect_gone(s);
        }
}

static void wrong_version_or_reply_flag_disconnects(void **state)
{
        struct scene *s = *state;

        send_as_is(s->d.frontend, VHOST_REQUEST_GET_FEATURES, 2, 0, NULL, 0, -1, 0);
        assert_int_equal(outcome(s->d.frontend), DISCONNECTED);
        expect_gone(s);
        send_as_is(s->d.frontend, VHOST_REQUEST_GET_FEATURES, FLAGS | VHOST_FLAG_REPLY, 0, NULL, 0, -1, 0);
        assert_int_equal(outcome(s->d.frontend), DISCONNECTED);
        expect_gone(s);
}

/* ---- line 16: memory table that overlaps, repeats or is larger than its file; shrunk memory ---- */

static void bad_memory_table_changes_nothing(void **state)
{
        static const struct vhost_memory_region regions[][2] = {
                { { 0, 4096, 0, 0 }, { 0, 4096, 0, 0 } },                      /* repeats */
                { { 0, 8192, 1 << 20, 0 }, { 4096, 4096, 2 << 20, 0 } },       /* overlaps */
                { { 0, 8192, 1 << 20, 0 }, { 8192, 4096, (1 << 20) + 1, 0 } }, /* overlaps in the user address */
                { { 0, 4096, 0, 0 }, { 4096, 4 << 20, 4096, 1 } },             /* beyond the file */
                { { 0, 4096, 0, 0 }, { 4096, 4096, 4096, UINT64_MAX } },
                { { 0, 4096, 0, 0 }, { 4096, UINT64_MAX, 4096, 0 } },
                { { 0, 4096, 0, 0 }, { UINT64_MAX, 4096, 4096, 0 } },
                { { 0, 4096, 0, 0 }, { 4096, 4096, UINT64_MAX, 0 } },
                { { 0, 4096, 0, 0 }, { 4096, 0, 4096, 0 } }, /* empty */
        };
        struct scene *s = *state;

        for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
                struct vhost_memory_table table = { .n_regions = 2, .regions = { regions[i][0], regions[i][1] } };
                struct vhost_memory_slot slot = { .region = regions[i][1] };

                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_MEM_TABLE, &table, 8 + 64, s->d.memory_fd, 2), REFUSED);
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_ADD_MEM_REG, &slot, sizeof(slot), s->d.memory_fd, 1),
                                 REFUSED);
                expect_alive(s);
        }
}

static void memory_slots_run_out(void **state)
{
        struct scene *s = *state;
        struct vhost_memory_slot slot = { .region = { 1 << 30, 4096, 1 << 30, 0 } };
        enum outcome o;
        int n = 0;

        while ((o = ask(s->d.frontend, VHOST_REQUEST_ADD_MEM_REG, &slot, sizeof(slot), s->d.memory_fd, 1)) == OBEYED) {
                slot.region.guest_address += 4096;
                slot.region.user_address += 4096;
                n++;
        }
        assert_int_equal(o, REFUSED);
        assert_int_equal(n, SPACE_REGIONS_MAX - 1);
        expect_alive(s);
}

static void memory_of_no_mappable_file_is_refused(void **state)
{
        struct scene *s = *state;
        struct vhost_memory_slot slot = { .region = { 1 << 30, 4096, 1 << 30, 0 } };

        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_ADD_MEM_REG, &slot, sizeof(slot), s->d.queues[0].kick_fd, 1),
                         REFUSED);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_ADD_MEM_REG, &slot, sizeof(slot), s->d.frontend->fd, 1),
                         REFUSED);
        expect_alive(s);
}

static void wait_for_needs_reset(struct scene *s)
{
        uint8_t status = 0;

        while (!(status & VIRTIO_STATUS_NEEDS_RESET))
                assert_int_equal(frontend_get_status(s->d.frontend, &status), 0);
}

/* Guest memory that is not sealed; the guest's ring lies elsewhere. */
static void memfd_shrunk_under_us_stops_the_queue(void **state)
{
        auto_cleanup(closep) int fd = memfd_create("unsealed", MFD_CLOEXEC);
        struct scene *s = *state;
        struct vhost_memory_slot slot = { .region = { 1 << 30, 1 << 20, 1 << 30, 0 } };
        struct driver_buffer b[] = { { (1 << 30) + 8192, 64, false }, { 2 << 20, 64, true } };

        assert_int_equal(ftruncate(fd, 1 << 20), 0);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_ADD_MEM_REG, &slot, sizeof(slot), fd, 1), OBEYED);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(driver_queue_add(&s->d.queues[0], b, 2, NULL), 0);
        (void) driver_queue_kick(&s->d.queues[0]);
        /* The queue stops at its next wake-up. */
        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features), 0);
        fd_event_signal(s->d.queues[0].kick_fd);
        wait_for_needs_reset(s);
        assert_int_equal(vhost_driver_reset(&s->d), 0); /* sets a new memory table */
        expect_alive(s);
}

/* ThreadSanitizer holds locks of its own in an atomic access, so that a fault there never gets to its handler. */
#if defined(__SANITIZE_THREAD__)
#define FAULTS_IN_ATOMICS false
#elif defined(__has_feature)
#define FAULTS_IN_ATOMICS !__has_feature(thread_sanitizer)
#else
#define FAULTS_IN_ATOMICS true
#endif

static void log_on_a_shrunk_memfd_is_survived(void **state)
{
        auto_cleanup(closep) int fd = -1;
        struct scene *s = *state;

        if (!FAULTS_IN_ATOMICS)
                skip();
        fd = memfd_create("unsealed", MFD_CLOEXEC);
        assert_int_equal(ftruncate(fd, 4096), 0);
        assert_int_equal(frontend_set_log(s->d.frontend, fd, 0, 4096), 0);
        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features | FEATURE(VHOST_FEATURE_LOG_ALL)), 0);
        assert_int_equal(ftruncate(fd, 0), 0);
        guest_echo(&s->d, 0, "one");
        fd_event_signal(s->d.queues[0].kick_fd);
        wait_for_needs_reset(s);
        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features), 0);
        assert_int_equal(vhost_driver_reset(&s->d), 0);
        expect_alive(s);
}

/* ---- line 16: log offset + size overflow ---- */

static void log_beyond_its_file_disconnects(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 8192);
        static const struct vhost_log logs[] = {
                { 8193, 0 }, { 8192, 1 }, { 0, 0 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX }, { UINT64_MAX, UINT64_MAX },
        };
        struct scene *s = *state;

        for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_LOG_BASE, &logs[i], sizeof(logs[i]), fd, 1),
                                 DISCONNECTED);
                expect_gone(s);
        }
}

static void log_that_does_not_cover_memory_is_not_overrun(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("log", 4096);
        struct scene *s = *state;

        assert_int_equal(frontend_set_log(s->d.frontend, fd, 4095, 1), 0);
        assert_int_equal(frontend_set_features(s->d.frontend, s->d.features | FEATURE(VHOST_FEATURE_LOG_ALL)), 0);
        for (int i = 0; i < 100; i++)
                expect_alive(s);
}

/* ---- line 16: SET_* in a wrong state or twice; line 6: changes after DRIVER_OK; line 8: double start ---- */

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
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_INFLIGHT_FD, &inflight, sizeof(inflight), s->d.memory_fd, 1),
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

/* Line 6: FEATURES_OK skipped, VERSION_1 not accepted: the driver's fault, a reset revives. */
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

/* ---- line 16: a peer that never reads ---- */

static void peer_that_never_reads_replies_holds_nobody_up(void **state)
{
        struct scene *s = *state;
        struct vhost_header h = { VHOST_REQUEST_GET_FEATURES, VHOST_FLAG_VERSION, 0 };
        unsigned n_sent = 0, n_replies = 0;

        while (send(s->d.frontend->fd, &h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) sizeof(h)) {
                n_sent++;
                if (n_sent % 64 == 0)
                        guest_echo(&s->bystander, 0, "meanwhile"), s->bystander.next_free -= 4096;
        }
        assert_true(n_sent > 64);
        guest_echo(&s->d, 0, "rings go on");
        while (n_replies < n_sent && outcome(s->d.frontend) != DISCONNECTED)
                n_replies++;
        assert_int_equal(n_replies, n_sent);
        expect_alive(s);
}

static void peer_that_never_reads_its_channel_holds_nobody_up(void **state)
{
        struct scene *s = *state;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_BACKEND_REQ_FD, NULL, 0, fds[1], 1), OBEYED);
        assert_int_equal(close(fds[1]), 0);
        for (int i = 0; i < 5000; i++) {
                guest_echo(&s->d, 0, "Change");
                s->d.next_free = 1 << 20;
        }
        assert_int_equal(close(fds[0]), 0);
        guest_echo(&s->d, 0, "Change");
        expect_alive(s);
}

/* ---- lines 7 and 8 ---- */

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
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(vring_index_out_of_range_is_refused),
                CASE(refusal_without_need_reply_disconnects),
                CASE(wrong_number_of_fds_disconnects),
                CASE(fds_of_an_unknown_request_are_closed),
                CASE(size_field_unlike_the_payload_disconnects),
                CASE(memory_table_longer_than_its_message_disconnects),
                CASE(truncated_message_holds_nobody_up),
                CASE(disconnect_mid_message_is_clean),
                CASE(wrong_version_or_reply_flag_disconnects),
                CASE(bad_memory_table_changes_nothing),
                CASE(memory_slots_run_out),
                CASE(memory_of_no_mappable_file_is_refused),
                CASE(memfd_shrunk_under_us_stops_the_queue),
                CASE(log_on_a_shrunk_memfd_is_survived),
                CASE(log_beyond_its_file_disconnects),
                CASE(log_that_does_not_cover_memory_is_not_overrun),
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
                CASE(peer_that_never_reads_replies_holds_nobody_up),
                CASE(peer_that_never_reads_its_channel_holds_nobody_up),
                CASE(buffer_that_is_the_ring_harms_only_its_guest),
                CASE(buffer_that_is_in_flight_twice_is_answered_twice),
                CASE(disconnect_and_reset_with_requests_in_flight_are_clean),
                CASE(memory_removed_under_a_ring_stops_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
