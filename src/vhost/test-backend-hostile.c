/* SPDX-License-Identifier: MPL-2.0 */
/* A front end that breaks the protocol: the items of vhost-user in the list of bad input, one by one. */
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

/* ---- vring index out of range ---- */

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

        send_as_is(s->d.frontend, VHOST_REQUEST_SET_VRING_NUM, VHOST_FLAG_VERSION, sizeof(bad), &bad, sizeof(bad), -1,
                   0);
        expect_gone(s);
}

/* ---- more or fewer fds than the message says; fds on messages that take none ---- */

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
                { VHOST_REQUEST_GPU_SET_SOCKET, 0, 0, 0 },
                { VHOST_REQUEST_GPU_SET_SOCKET, 0, 0, 2 },
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

/* ---- size field unlike the payload, truncated messages, disconnect mid-message ---- */

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

/* ---- memory table that overlaps, repeats or is larger than its file; shrunk memory ---- */

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

                assert_int_equal(ask(s->d.frontend, VHOST_REQUEST_SET_MEM_TABLE, &table, 8 + 64, s->d.memory_fd, 2),
                                 REFUSED);
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

/* ---- log offset + size overflow ---- */

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

/* ---- a peer that never reads ---- */

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

int main(void)
{
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
                CASE(peer_that_never_reads_replies_holds_nobody_up),
                CASE(peer_that_never_reads_its_channel_holds_nobody_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
