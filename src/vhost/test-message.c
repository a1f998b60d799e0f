/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/message.h"
#include "vhost/test-fds.h"

struct fixture {
        int fds[2]; /* [0] sends, [1] receives */
        int n_fds;
        struct vhost_receiver rx;
        struct vhost_message m;
        const char *reason;
};

static int setup(void **state)
{
        static struct fixture f;

        f = (struct fixture) { .n_fds = count_fds() };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.fds), 0);
        *state = &f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        vhost_message_deinit(&f->m);
        vhost_receiver_deinit(&f->rx);
        fd_close(&f->fds[0]);
        fd_close(&f->fds[1]);
        assert_int_equal(count_fds(), f->n_fds);
        return 0;
}

static int receive(struct fixture *f)
{
        f->reason = NULL;
        return vhost_receive(f->fds[1], &f->rx, &f->m, &f->reason);
}

/* Sends bytes with n copies of one descriptor. */
static void send_with_fds(struct fixture *f, const void *bytes, size_t n, size_t n_fds)
{
        union {
                char bytes[CMSG_SPACE(64 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        int fds[64];

        assert_true(n_fds <= ARRAY_SIZE(fds));
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = f->fds[1]; /* a copy of the other end would keep the connection open */
        if (n_fds > 0) {
                control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        assert_int_equal(sendmsg(f->fds[0], &msg, MSG_NOSIGNAL), (ssize_t) n);
}

struct raw_u64 {
        struct vhost_header header;
        uint64_t value;
} __attribute__((packed));

static struct raw_u64 raw_u64(uint32_t request, uint64_t value)
{
        return (struct raw_u64) { { request, VHOST_FLAG_VERSION, sizeof(value) }, value };
}

static void message_is_received_as_sent(void **state)
{
        struct fixture *f = *state;
        uint64_t value = 0x1122334455667788;
        struct vhost_sender tx = { 0 };

        assert_int_equal(receive(f), 0);
        vhost_sender_prepare(&tx, VHOST_REQUEST_SET_VRING_KICK, VHOST_FLAG_NEED_REPLY, &value, sizeof(value),
                             &f->fds[0], 1);
        assert_int_equal(vhost_send(f->fds[0], &tx), 1);
        assert_int_equal(receive(f), 1);
        assert_int_equal(f->m.header.request, VHOST_REQUEST_SET_VRING_KICK);
        assert_int_equal(f->m.header.flags, VHOST_FLAG_VERSION | VHOST_FLAG_NEED_REPLY);
        assert_int_equal(f->m.payload.u64, value);
        assert_int_equal(f->m.n_fds, 1);
        assert_int_equal(receive(f), 0);
}

static void received_descriptors_are_close_on_exec(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_CALL, 0);

        send_with_fds(f, &raw, sizeof(raw), 1);
        assert_int_equal(receive(f), 1);
        assert_true(fcntl(f->m.fds[0], F_GETFD) & FD_CLOEXEC);
}

static void message_in_single_bytes_is_put_together(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_KICK, 3);

        for (size_t i = 0; i < sizeof(raw); i++) {
                send_with_fds(f, (char *) &raw + i, 1, i == 0 ? 1 : 0);
                assert_int_equal(receive(f), i + 1 == sizeof(raw));
        }
        assert_int_equal(f->m.payload.u64, 3);
        assert_int_equal(f->m.n_fds, 1);
}

static void descriptors_stay_with_their_own_message(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw[2] = { raw_u64(VHOST_REQUEST_SET_FEATURES, 1), raw_u64(VHOST_REQUEST_SET_VRING_KICK, 2) };

        send_with_fds(f, &raw[0], sizeof(raw[0]), 0);
        send_with_fds(f, &raw[1], sizeof(raw[1]), 1);
        assert_int_equal(receive(f), 1);
        assert_int_equal(f->m.n_fds, 0);
        assert_int_equal(receive(f), 1);
        assert_int_equal(f->m.n_fds, 1);
}

static void descriptors_that_come_with_the_payload_count(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_KICK, 2);

        send_with_fds(f, &raw.header, sizeof(raw.header), 0);
        assert_int_equal(receive(f), 0);
        send_with_fds(f, &raw.value, sizeof(raw.value), 1);
        assert_int_equal(receive(f), 1);
        assert_int_equal(f->m.n_fds, 1);
}

static void more_descriptors_than_any_message_has_are_closed(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_KICK, 2);

        send_with_fds(f, &raw, sizeof(raw), VHOST_FDS_MAX + 1);
        assert_int_equal(receive(f), -EBADMSG);
        assert_non_null(f->reason);
}

static void too_many_descriptors_in_pieces_are_closed(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_KICK, 2);

        send_with_fds(f, &raw.header, sizeof(raw.header), 5);
        assert_int_equal(receive(f), 0);
        send_with_fds(f, &raw.value, sizeof(raw.value), 5);
        assert_int_equal(receive(f), -EBADMSG);
}

static void size_beyond_any_message_is_refused_at_the_header(void **state)
{
        struct fixture *f = *state;
        struct vhost_header h = { VHOST_REQUEST_SET_MEM_TABLE, VHOST_FLAG_VERSION, UINT32_MAX };

        send_with_fds(f, &h, sizeof(h), 3);
        assert_int_equal(receive(f), -EBADMSG);
        assert_non_null(f->reason);
}

static void other_version_is_refused(void **state)
{
        struct fixture *f = *state;
        struct vhost_header h = { VHOST_REQUEST_GET_FEATURES, 2, 0 };

        send_with_fds(f, &h, sizeof(h), 0);
        assert_int_equal(receive(f), -EBADMSG);
}

static void end_between_messages_is_told_from_end_within_one(void **state)
{
        struct fixture *f = *state;
        struct raw_u64 raw = raw_u64(VHOST_REQUEST_SET_VRING_KICK, 2);

        send_with_fds(f, &raw, sizeof(raw), 1);
        send_with_fds(f, &raw, sizeof(raw) - 1, 1);
        fd_close(&f->fds[0]);
        assert_int_equal(receive(f), 1);
        vhost_message_deinit(&f->m);
        assert_int_equal(receive(f), -EBADMSG);
        assert_int_equal(receive(f), -ENODATA);
}

static void sender_goes_on_where_a_full_socket_stopped_it(void **state)
{
        struct fixture *f = *state;
        int size = 4096, n_sent = 0, n_received = 0, r;
        struct vhost_memory_table table = { .n_regions = 8 };
        struct vhost_sender tx = { 0 };

        assert_int_equal(setsockopt(f->fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        for (;;) {
                vhost_sender_prepare(&tx, VHOST_REQUEST_SET_MEM_TABLE, 0, &table, sizeof(table), f->fds, 2);
                r = vhost_send(f->fds[0], &tx);
                if (r == 0)
                        break;
                assert_int_equal(r, 1);
                n_sent++;
        }
        while (tx.busy || n_received < n_sent) {
                assert_int_equal(receive(f), 1);
                assert_int_equal(f->m.n_fds, 2);
                vhost_message_deinit(&f->m);
                n_received++;
                if (tx.busy && vhost_send(f->fds[0], &tx) == 1)
                        n_sent++;
        }
        assert_int_equal(receive(f), 0);
}

/* One row: a request, what it carries, what the check says. */
struct shape_case {
        uint32_t request, size;
        size_t n_fds;
        uint64_t u64;
        int expected;
};

static void size_and_descriptors_are_checked_by_type(void **state)
{
        static const struct shape_case cases[] = {
                { VHOST_REQUEST_GET_FEATURES, 0, 0, 0, 0 },
                { VHOST_REQUEST_GET_FEATURES, 8, 0, 0, -EBADMSG },
                { VHOST_REQUEST_GET_FEATURES, 0, 1, 0, -EBADMSG },
                { VHOST_REQUEST_SET_FEATURES, 8, 0, 0, 0 },
                { VHOST_REQUEST_SET_FEATURES, 7, 0, 0, -EBADMSG },
                { VHOST_REQUEST_SET_FEATURES, 8, 1, 0, -EBADMSG },
                { VHOST_REQUEST_SET_VRING_KICK, 8, 1, 1, 0 },
                { VHOST_REQUEST_SET_VRING_KICK, 8, 0, 1, -EBADMSG },
                { VHOST_REQUEST_SET_VRING_KICK, 8, 2, 1, -EBADMSG },
                { VHOST_REQUEST_SET_VRING_KICK, 8, 0, VHOST_VRING_NO_FD, 0 },
                { VHOST_REQUEST_SET_VRING_KICK, 8, 1, VHOST_VRING_NO_FD, -EBADMSG },
                { VHOST_REQUEST_SET_MEM_TABLE, 8 + 32, 1, 1, 0 },
                { VHOST_REQUEST_SET_MEM_TABLE, 8 + 32, 0, 1, -EBADMSG },
                { VHOST_REQUEST_SET_MEM_TABLE, 8 + 32, 2, 2, -EBADMSG },
                { VHOST_REQUEST_SET_MEM_TABLE, 8 + 64, 2, 2, 0 },
                { VHOST_REQUEST_SET_MEM_TABLE, 4, 0, 0, -EBADMSG },
                { VHOST_REQUEST_SET_MEM_TABLE, 8, 0, 0xffffffff, -EBADMSG },
                { VHOST_REQUEST_SET_MEM_TABLE, 8 + 8 * 32, 8, 8, 0 },
                { VHOST_REQUEST_REM_MEM_REG, 40, 0, 0, 0 },
                { VHOST_REQUEST_REM_MEM_REG, 40, 1, 0, 0 },
                { VHOST_REQUEST_REM_MEM_REG, 40, 2, 0, -EBADMSG },
                { VHOST_REQUEST_SET_INFLIGHT_FD, 20, 1, 0, 0 },
                { VHOST_REQUEST_SET_INFLIGHT_FD, 24, 1, 0, 0 },
                { VHOST_REQUEST_SET_INFLIGHT_FD, 19, 1, 0, -EBADMSG },
                { VHOST_REQUEST_GET_CONFIG, 12, 0, 0, 0 },
                { VHOST_REQUEST_GET_CONFIG, 12 + 8, 0, UINT64_C(8) << 32, 0 },
                { VHOST_REQUEST_GET_CONFIG, 12 + 9, 0, UINT64_C(8) << 32, -EBADMSG },
                { VHOST_REQUEST_GET_CONFIG, 12, 0, UINT64_C(0xfffffff4) << 32, -EBADMSG },
                { VHOST_REQUEST_GET_CONFIG, 11, 0, 0, -EBADMSG },
                { 0, 0, 0, 0, -EOPNOTSUPP },
                { 22, 32, 0, 0, -EOPNOTSUPP },
                { VHOST_REQUEST_END, 0, 0, 0, -EOPNOTSUPP },
                { UINT32_MAX, 0, 0, 0, -EOPNOTSUPP },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct shape_case *c = &cases[i];
                struct vhost_message m = { .header = { c->request, VHOST_FLAG_VERSION, c->size },
                                           .payload.u64 = c->u64, .n_fds = c->n_fds };
                const char *reason = NULL;

                assert_int_equal(vhost_check_request(VHOST_CHANNEL_MAIN, &m, &reason), c->expected);
                assert_true((reason != NULL) == (c->expected < 0));
        }
}

static void reply_must_fit_its_request(void **state)
{
        struct vhost_message m = { .header = { VHOST_REQUEST_GET_FEATURES, VHOST_FLAG_VERSION | VHOST_FLAG_REPLY, 8 } };
        const char *reason;

#define CHECK(request, ack) vhost_check_reply(VHOST_CHANNEL_MAIN, (request), (ack), &m, &reason)
        assert_int_equal(CHECK(VHOST_REQUEST_GET_FEATURES, false), 0);
        assert_int_equal(CHECK(VHOST_REQUEST_GET_QUEUE_NUM, false), -EBADMSG);
        m.n_fds = 1;
        assert_int_equal(CHECK(VHOST_REQUEST_GET_FEATURES, false), -EBADMSG);
        m.n_fds = 0;
        m.header.size = 4;
        assert_int_equal(CHECK(VHOST_REQUEST_GET_FEATURES, false), -EBADMSG);
        m.header = (struct vhost_header) { VHOST_REQUEST_GET_CONFIG, VHOST_FLAG_VERSION | VHOST_FLAG_REPLY, 0 };
        assert_int_equal(CHECK(VHOST_REQUEST_GET_CONFIG, false), 0);
        m.header = (struct vhost_header) { VHOST_REQUEST_SET_MEM_TABLE, VHOST_FLAG_VERSION | VHOST_FLAG_REPLY, 8 };
        assert_int_equal(CHECK(VHOST_REQUEST_SET_MEM_TABLE, true), 0);
        m.header.flags = VHOST_FLAG_VERSION;
        assert_int_equal(CHECK(VHOST_REQUEST_SET_MEM_TABLE, true), -EBADMSG);
#undef CHECK
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(message_is_received_as_sent),
                CASE(received_descriptors_are_close_on_exec),
                CASE(message_in_single_bytes_is_put_together),
                CASE(descriptors_stay_with_their_own_message),
                CASE(descriptors_that_come_with_the_payload_count),
                CASE(more_descriptors_than_any_message_has_are_closed),
                CASE(too_many_descriptors_in_pieces_are_closed),
                CASE(size_beyond_any_message_is_refused_at_the_header),
                CASE(other_version_is_refused),
                CASE(end_between_messages_is_told_from_end_within_one),
                CASE(sender_goes_on_where_a_full_socket_stopped_it),
                cmocka_unit_test(size_and_descriptors_are_checked_by_type),
                cmocka_unit_test(reply_must_fit_its_request),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
