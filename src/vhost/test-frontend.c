/* SPDX-License-Identifier: MPL-2.0 */
/* A server that breaks the protocol. What it will say is in the socket before it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "vhost/frontend-internal.h"
#include "vhost/test-fds.h"
#include "virtio/features.h"

struct scene {
        int n_fds, peer;
        struct frontend *f;
        struct loop *loop;
        int n_changed, n_disconnected;
        bool free_in_callback;
};

static int setup(void **state)
{
        static struct scene s;
        int fds[2];

        s = (struct scene) { .n_fds = count_fds() };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(frontend_new(fds[0], &s.f), 0);
        assert_int_equal(loop_new(&s.loop), 0);
        frontend_set_timeout(s.f, 50);
        s.peer = fds[1];
        *state = &s;
        return 0;
}

static int teardown(void **state)
{
        struct scene *s = *state;

        s->f = frontend_free(s->f);
        s->loop = loop_free(s->loop);
        fd_close(&s->peer);
        assert_int_equal(count_fds(), s->n_fds);
        return 0;
}

#define REPLY (VHOST_FLAG_VERSION | VHOST_FLAG_REPLY)

/* One message on a socket; the size in its header may lie. */
static void say_on(int socket, uint32_t request, uint32_t flags, uint32_t size, const void *payload, size_t n,
                   size_t n_fds)
{
        struct vhost_sender tx = { 0 };
        int fds[VHOST_FDS_MAX] = { 0 };

        for (size_t i = 0; i < n_fds; i++)
                fds[i] = socket;
        vhost_sender_prepare(&tx, request, 0, payload, n, fds, n_fds);
        tx.header.flags = flags;
        if (size != n) {
                struct vhost_header h = { request, flags, size };

                assert_int_equal(send(socket, &h, sizeof(h), 0), sizeof(h));
                assert_int_equal(send(socket, payload, n, 0), n);
                return;
        }
        assert_int_equal(vhost_send(socket, &tx), 1);
}

static void say(struct scene *s, uint32_t request, const void *payload, size_t n, size_t n_fds)
{
        say_on(s->peer, request, REPLY, (uint32_t) n, payload, n, n_fds);
}

static void say_u64(struct scene *s, uint32_t request, uint64_t value)
{
        say(s, request, &value, sizeof(value), 0);
}

/* A good start of the conversation. */
static void negotiate(struct scene *s, uint64_t protocol)
{
        uint64_t features;

        say_u64(s, VHOST_REQUEST_GET_FEATURES, FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES));
        say_u64(s, VHOST_REQUEST_GET_PROTOCOL_FEATURES, protocol);
        if (protocol & FEATURE(VHOST_PROTOCOL_REPLY_ACK))
                say_u64(s, VHOST_REQUEST_SET_OWNER, 0);
        assert_int_equal(frontend_negotiate(s->f, 0, &features), 0);
}

static void expect_dead(struct scene *s, int error)
{
        uint64_t value;

        assert_int_equal(frontend_get_u64(s->f, VHOST_REQUEST_GET_FEATURES, &value), error);
        assert_int_equal(frontend_get_u64(s->f, VHOST_REQUEST_GET_FEATURES, &value), error);
}

static void reply_to_another_request_ends_the_connection(void **state)
{
        struct scene *s = *state;

        say_u64(s, VHOST_REQUEST_GET_QUEUE_NUM, 0);
        expect_dead(s, -EBADMSG);
}

static void request_in_place_of_a_reply_ends_the_connection(void **state)
{
        struct scene *s = *state;
        uint64_t value = 0;

        say_on(s->peer, VHOST_REQUEST_GET_FEATURES, VHOST_FLAG_VERSION, 8, &value, 8, 0);
        expect_dead(s, -EBADMSG);
}

static void reply_of_a_wrong_size_ends_the_connection(void **state)
{
        struct scene *s = *state;

        say(s, VHOST_REQUEST_GET_FEATURES, "1234", 4, 0);
        expect_dead(s, -EBADMSG);
}

static void huge_reply_ends_the_connection(void **state)
{
        struct scene *s = *state;
        uint64_t value = 0;

        say_on(s->peer, VHOST_REQUEST_GET_FEATURES, REPLY, UINT32_MAX, &value, 8, 0);
        expect_dead(s, -EBADMSG);
}

static void reply_with_descriptors_ends_the_connection(void **state)
{
        struct scene *s = *state;
        uint64_t value = 0;

        say(s, VHOST_REQUEST_GET_FEATURES, &value, sizeof(value), VHOST_FDS_MAX);
        expect_dead(s, -EBADMSG);
}

static void half_a_reply_runs_into_the_deadline(void **state)
{
        struct scene *s = *state;
        uint64_t value = 0;

        say_on(s->peer, VHOST_REQUEST_GET_FEATURES, REPLY, 8, &value, 3, 0);
        expect_dead(s, -ETIMEDOUT);
}

static void disconnect_within_a_reply_is_an_error(void **state)
{
        struct scene *s = *state;
        uint64_t value = 0;

        say_on(s->peer, VHOST_REQUEST_GET_FEATURES, REPLY, 8, &value, 3, 0);
        assert_int_equal(shutdown(s->peer, SHUT_WR), 0);
        expect_dead(s, -EBADMSG);
}

static void server_that_is_gone_is_an_error(void **state)
{
        struct scene *s = *state;

        fd_close(&s->peer);
        expect_dead(s, -ECONNRESET);
}

static void server_that_never_reads_runs_into_the_deadline(void **state)
{
        struct scene *s = *state;
        int size = 4096, r;

        negotiate(s, 0);
        assert_int_equal(setsockopt(s->f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        while ((r = frontend_set_features(s->f, 0)) == 0)
                ;
        assert_int_equal(r, -ETIMEDOUT);
}

static void refusal_leaves_the_connection_usable(void **state)
{
        struct scene *s = *state;

        negotiate(s, FEATURE(VHOST_PROTOCOL_REPLY_ACK));
        say_u64(s, VHOST_REQUEST_SET_FEATURES, 1);
        say_u64(s, VHOST_REQUEST_SET_FEATURES, 0);
        assert_int_equal(frontend_set_features(s->f, 1), -EREMOTEIO);
        assert_int_equal(frontend_set_features(s->f, 0), 0);
}

static void protocol_features_beyond_ours_are_not_negotiated(void **state)
{
        struct scene *s = *state;

        negotiate(s, UINT64_MAX);
        assert_int_equal(frontend_protocol_features(s->f) & ~FEATURE(VHOST_PROTOCOL_REPLY_ACK), 0x1b237);
}

static void request_without_its_feature_is_not_sent(void **state)
{
        struct scene *s = *state;
        uint64_t value;
        uint8_t status;

        negotiate(s, 0);
        assert_int_equal(frontend_get_queue_num(s->f, &value), -EOPNOTSUPP);
        assert_int_equal(frontend_get_config(s->f, 0, &status, 1), -EOPNOTSUPP);
        assert_int_equal(frontend_get_status(s->f, &status), -EOPNOTSUPP);
        assert_int_equal(frontend_reset_device(s->f), -EOPNOTSUPP);
}

static void config_reply_must_be_what_was_asked_for(void **state)
{
        struct scene *s = *state;
        struct vhost_config config = { .offset = 4, .size = 4 };
        char buf[4] = "old";

        negotiate(s, FEATURE(VHOST_PROTOCOL_CONFIG));
        say(s, VHOST_REQUEST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_BYTES + 4, 0);
        assert_int_equal(frontend_get_config(s->f, 0, buf, 4), -EBADMSG);
        say(s, VHOST_REQUEST_GET_CONFIG, NULL, 0, 0);
        assert_int_equal(frontend_get_config(s->f, 4, buf, 4), -EREMOTEIO);
        config.size = 200;
        say(s, VHOST_REQUEST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_BYTES + 200, 0);
        assert_int_equal(frontend_get_config(s->f, 4, buf, 4), -EBADMSG);
        assert_string_equal(buf, "old");
        say(s, VHOST_REQUEST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_BYTES + 4, 0);
        assert_int_equal(frontend_get_config(s->f, 4, buf, 4), -EBADMSG);
        expect_dead(s, -EBADMSG);
}

static void inflight_reply_must_be_what_was_asked_for(void **state)
{
        struct scene *s = *state;
        struct frontend_inflight inflight = { .fd = -1, .n_queues = 2, .queue_size = 64 };
        struct vhost_inflight out = { .size_bytes = 4096, .n_queues = 2, .queue_size = 64 };

        negotiate(s, FEATURE(VHOST_PROTOCOL_INFLIGHT_SHMFD));
        say(s, VHOST_REQUEST_GET_INFLIGHT_FD, &out, sizeof(out), 0);
        assert_int_equal(frontend_get_inflight(s->f, &inflight), -EBADMSG);
        out.n_queues = 3;
        say(s, VHOST_REQUEST_GET_INFLIGHT_FD, &out, sizeof(out), 1);
        assert_int_equal(frontend_get_inflight(s->f, &inflight), -EBADMSG);
        out = (struct vhost_inflight) { .n_queues = 2, .queue_size = 64 };
        say(s, VHOST_REQUEST_GET_INFLIGHT_FD, &out, sizeof(out), 1);
        assert_int_equal(frontend_get_inflight(s->f, &inflight), -EBADMSG);
        assert_int_equal(inflight.fd, -1);
        say(s, VHOST_REQUEST_GET_INFLIGHT_FD, &out, sizeof(out), 2);
        assert_int_equal(frontend_get_inflight(s->f, &inflight), -EBADMSG);
        expect_dead(s, -EBADMSG);
}

static void ring_and_status_replies_are_checked(void **state)
{
        struct scene *s = *state;
        struct vhost_vring_state state_out = { 1, 0 };
        uint32_t base;
        uint8_t status;

        negotiate(s, FEATURE(VHOST_PROTOCOL_STATUS));
        say(s, VHOST_REQUEST_GET_VRING_BASE, &state_out, sizeof(state_out), 0);
        assert_int_equal(frontend_stop_ring(s->f, 0, &base), -EBADMSG);
        say_u64(s, VHOST_REQUEST_GET_STATUS, 256);
        assert_int_equal(frontend_get_status(s->f, &status), -EBADMSG);
}

/* ---- the back-end channel ---- */

static void on_changed(struct frontend *f, void *data)
{
        struct scene *s = data;

        s->n_changed++;
        if (s->free_in_callback)
                s->f = frontend_free(f);
}

static void on_disconnected(struct frontend *f, void *data)
{
        struct scene *s = data;

        s->n_disconnected++;
        if (s->free_in_callback)
                s->f = frontend_free(f);
}

static const struct frontend_events events = { .config_changed = on_changed, .disconnected = on_disconnected };

/* Return: the server's end of the channel. */
static int watch(struct scene *s)
{
        struct vhost_receiver rx = { 0 };
        struct vhost_message m;
        const char *reason;
        int channel = -1;

        negotiate(s, FEATURE(VHOST_PROTOCOL_REPLY_ACK) | FEATURE(VHOST_PROTOCOL_BACKEND_REQ) |
                             FEATURE(VHOST_PROTOCOL_CONFIG));
        say_u64(s, VHOST_REQUEST_SET_BACKEND_REQ_FD, 0);
        assert_int_equal(frontend_watch(s->f, s->loop, &events, s), 0);
        while (vhost_receive(s->peer, &rx, &m, &reason) == 1) {
                if (m.header.request == VHOST_REQUEST_SET_BACKEND_REQ_FD)
                        channel = take_fd(&m.fds[0]);
                vhost_message_deinit(&m);
        }
        assert_true(channel >= 0);
        return channel;
}

static void config_change_is_acknowledged_if_asked(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);
        struct vhost_receiver rx = { 0 };
        struct vhost_message m;
        const char *reason;

        say_on(channel, VHOST_BACKEND_REQUEST_CONFIG_CHANGE, VHOST_FLAG_VERSION | VHOST_FLAG_NEED_REPLY, 0, NULL, 0, 0);
        say_on(channel, 3, VHOST_FLAG_VERSION | VHOST_FLAG_NEED_REPLY, 0, NULL, 0, 2);
        say_on(channel, VHOST_BACKEND_REQUEST_CONFIG_CHANGE, VHOST_FLAG_VERSION, 0, NULL, 0, 0);
        assert_int_equal(loop_step(s->loop, 1000), 0);
        assert_int_equal(s->n_changed, 1);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(vhost_receive(channel, &rx, &m, &reason), 1);
                assert_int_equal(m.header.flags, REPLY);
                assert_int_equal(m.payload.u64, i);
        }
        assert_int_equal(vhost_receive(channel, &rx, &m, &reason), 0);
}

static void garbage_on_the_channel_closes_the_channel_alone(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);
        char buf[12];

        memset(buf, 0xff, sizeof(buf));
        assert_int_equal(send(channel, buf, sizeof(buf), 0), sizeof(buf));
        assert_int_equal(loop_step(s->loop, 1000), 0);
        assert_int_equal(recv(channel, buf, sizeof(buf), MSG_DONTWAIT), 0);
        assert_int_equal(s->n_changed + s->n_disconnected, 0);
        say_u64(s, VHOST_REQUEST_SET_FEATURES, 0);
        assert_int_equal(frontend_set_features(s->f, 0), 0);
}

static void server_that_does_not_take_acknowledgements_loses_the_channel(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);
        struct vhost_header h = { VHOST_BACKEND_REQUEST_CONFIG_CHANGE, VHOST_FLAG_VERSION | VHOST_FLAG_NEED_REPLY, 0 };

        for (int i = 0; i < 100000 && s->f->channel_fd >= 0; i++) {
                (void) send(channel, &h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL);
                assert_int_equal(loop_step(s->loop, 0), 0);
        }
        assert_int_equal(s->f->channel_fd, -1);
        assert_int_equal(s->n_disconnected, 0);
}

static void disconnect_is_told_once_and_allows_freeing(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);

        s->free_in_callback = true;
        fd_close(&s->peer);
        for (int i = 0; i < 3; i++)
                assert_int_equal(loop_step(s->loop, 0), 0);
        assert_int_equal(s->n_disconnected, 1);
        assert_null(s->f);
}

static void config_change_callback_may_free(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);

        s->free_in_callback = true;
        say_on(channel, VHOST_BACKEND_REQUEST_CONFIG_CHANGE, VHOST_FLAG_VERSION, 0, NULL, 0, 0);
        assert_int_equal(loop_step(s->loop, 1000), 0);
        assert_null(s->f);
}

static void data_that_nobody_asked_for_ends_the_connection(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);

        say_u64(s, VHOST_REQUEST_GET_FEATURES, 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(loop_step(s->loop, 0), 0);
        assert_int_equal(s->n_disconnected, 1);
        expect_dead(s, -EBADMSG);
}

static void connection_lost_within_a_call_is_told_by_the_loop(void **state)
{
        struct scene *s = *state;
        auto_cleanup(closep) int channel = watch(s);
        uint64_t n;

        assert_int_equal(frontend_get_max_mem_slots(s->f, &n), -EOPNOTSUPP);
        assert_int_equal(frontend_set_features(s->f, 0), -ETIMEDOUT);
        assert_int_equal(s->n_disconnected, 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(loop_step(s->loop, 0), 0);
        assert_int_equal(s->n_disconnected, 1);
        assert_int_equal(frontend_error(s->f), -ETIMEDOUT);
}

static void greeted_server_is_negotiated_with_later(void **state)
{
        struct scene *s = *state;
        uint64_t features;
        char request[12];

        assert_int_equal(frontend_greet(s->f), 0);
        assert_int_equal(recv(s->peer, request, sizeof(request), MSG_DONTWAIT), sizeof(request));
        say_u64(s, VHOST_REQUEST_GET_FEATURES, 5);
        assert_int_equal(frontend_negotiate(s->f, 0, &features), 0);
        assert_int_equal(features, 5);
}

static void gathered_requests_are_acknowledged_at_the_end(void **state)
{
        struct scene *s = *state;
        uint64_t n = 0;

        negotiate(s, FEATURE(VHOST_PROTOCOL_REPLY_ACK) | FEATURE(VHOST_PROTOCOL_MQ));
        frontend_begin(s->f);
        assert_int_equal(frontend_set_features(s->f, 0), 0);
        assert_int_equal(frontend_enable_ring(s->f, 0, true), 0);
        say_u64(s, VHOST_REQUEST_SET_FEATURES, 0);
        say_u64(s, VHOST_REQUEST_SET_VRING_ENABLE, 0);
        say_u64(s, VHOST_REQUEST_GET_QUEUE_NUM, 7);
        assert_int_equal(frontend_get_queue_num(s->f, &n), 0);
        assert_int_equal(n, 7);
        assert_int_equal(frontend_end(s->f), 0);
}

static void refusal_of_a_gathered_request_comes_at_the_end(void **state)
{
        struct scene *s = *state;

        negotiate(s, FEATURE(VHOST_PROTOCOL_REPLY_ACK));
        for (int i = 0; i < 2; i++) {
                frontend_begin(s->f);
                for (uint64_t j = 0; j < 2 * FRONTEND_DUE_MAX + 3; j++) {
                        say_u64(s, VHOST_REQUEST_SET_FEATURES, i == 0 && j == 5);
                        assert_int_equal(frontend_set_features(s->f, 0), 0);
                }
                assert_int_equal(frontend_end(s->f), i == 0 ? -EREMOTEIO : 0);
        }
        frontend_begin(s->f);
        assert_int_equal(frontend_set_features(s->f, 0), 0);
        say_u64(s, VHOST_REQUEST_SET_VRING_ENABLE, 0);
        assert_int_equal(frontend_end(s->f), -EBADMSG);
        assert_int_equal(frontend_error(s->f), -EBADMSG);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(reply_to_another_request_ends_the_connection),
                CASE(request_in_place_of_a_reply_ends_the_connection),
                CASE(reply_of_a_wrong_size_ends_the_connection),
                CASE(huge_reply_ends_the_connection),
                CASE(reply_with_descriptors_ends_the_connection),
                CASE(half_a_reply_runs_into_the_deadline),
                CASE(disconnect_within_a_reply_is_an_error),
                CASE(server_that_is_gone_is_an_error),
                CASE(server_that_never_reads_runs_into_the_deadline),
                CASE(refusal_leaves_the_connection_usable),
                CASE(protocol_features_beyond_ours_are_not_negotiated),
                CASE(request_without_its_feature_is_not_sent),
                CASE(config_reply_must_be_what_was_asked_for),
                CASE(inflight_reply_must_be_what_was_asked_for),
                CASE(ring_and_status_replies_are_checked),
                CASE(config_change_is_acknowledged_if_asked),
                CASE(garbage_on_the_channel_closes_the_channel_alone),
                CASE(server_that_does_not_take_acknowledgements_loses_the_channel),
                CASE(disconnect_is_told_once_and_allows_freeing),
                CASE(config_change_callback_may_free),
                CASE(data_that_nobody_asked_for_ends_the_connection),
                CASE(connection_lost_within_a_call_is_told_by_the_loop),
                CASE(greeted_server_is_negotiated_with_later),
                CASE(gathered_requests_are_acknowledged_at_the_end),
                CASE(refusal_of_a_gathered_request_comes_at_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
