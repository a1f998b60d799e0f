/* SPDX-License-Identifier: MPL-2.0 */
/*
 * For cmocka tests: a guest on an echo device, to be misused, and a bystander on another device of the same
 * server thread, whose guest must not notice anything. Each case ends with a look at the bystander; no
 * descriptor may be left over. Include after cmocka.h.
 */
#pragma once

#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "vhost/frontend-internal.h"
#include "vhost/protocol.h"
#include "vhost/test-fds.h"
#include "vhost/test-guest.h"
#include "vhost/test-server.h"

struct scene {
        int n_fds;
        struct worker *worker;
        struct test_server server, other;
        struct vhost_driver d, bystander;
};

static inline int scene_setup(void **state)
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

static inline int scene_teardown(void **state)
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
static inline enum outcome outcome(struct frontend *f)
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
static inline void send_as_is(struct frontend *f, uint32_t request, uint32_t flags, uint32_t size, const void *payload,
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
static inline enum outcome ask(struct frontend *f, uint32_t request, const void *payload, size_t n, int fd,
                               size_t n_fds)
{
        send_as_is(f, request, FLAGS, (uint32_t) n, payload, n, fd, n_fds);
        return outcome(f);
}

/* The device still serves the guest that it served before. */
static inline void expect_alive(struct scene *s)
{
        guest_echo(&s->d, 0, "still here");
}

static inline void expect_gone(struct scene *s)
{
        assert_int_equal(sem_wait(&s->server.closed), 0);
        assert_true(s->server.reason < 0);
        /* And the next front end is served. */
        assert_int_equal(vhost_driver_reconnect(&s->d, s->server.path), 0);
        expect_alive(s);
}

static inline enum outcome ask_state(struct scene *s, uint32_t request, uint32_t index, uint32_t num)
{
        struct vhost_vring_state state = { index, num };

        return ask(s->d.frontend, request, &state, sizeof(state), -1, 0);
}

static inline enum outcome ask_u64(struct scene *s, uint32_t request, uint64_t value)
{
        return ask(s->d.frontend, request, &value, sizeof(value), -1, 0);
}

static inline void wait_for_needs_reset(struct scene *s)
{
        uint8_t status = 0;

        while (!(status & VIRTIO_STATUS_NEEDS_RESET))
                assert_int_equal(frontend_get_status(s->d.frontend, &status), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
