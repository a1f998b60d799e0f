/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: the relay, between a front end and a server neither of which is to be trusted. Input; made by vhost-seeds.py
 * for the corpus:
 *
 *      u8 n         bytes of the server's script: what it does with each request that needs an answer, see answer(); it
 *                   answers soundly when they are used up
 *      records      of the front end, as in fuzz-vhost-backend.c: u8 request, u8 flags, u8 (low four bits: how many
 *                   fds), u16 n, n bytes of payload
 *
 * Then the front end says something that is not vhost-user, and that ends it. Checked: the relay ends, answers the
 * front end in the protocol and without what it keeps from it, and loses no descriptor.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/message.h"
#include "vhost/relay.h"
#include "vhost/test-fds.h"

#define RECORDS_MAX 64 /* all of them, and their answers, fit into a socket's buffers */
#define RECORD_BYTES 5

struct server {
        int listen_fd;
        const uint8_t *script;
        size_t n_script;
};

static char path[64];
static int event_fd;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void send_bytes(int fd, const void *bytes, size_t n, size_t n_fds)
{
        union {
                char bytes[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                  .cmsg_level = SOL_SOCKET,
                                                  .cmsg_type = SCM_RIGHTS };
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &event_fd, sizeof(event_fd));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        (void) !sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_message(int fd, uint32_t request, uint32_t flags, uint32_t size, const void *payload, size_t n,
                         size_t n_fds)
{
        struct {
                struct vhost_header header;
                uint8_t payload[UINT16_MAX];
        } message = { .header = { .request = request, .flags = flags, .size = size } };

        memcpy(message.payload, payload, n);
        send_bytes(fd, &message, sizeof(message.header) + n, n_fds);
}

/* Return: whether the connection goes on. */
static bool answer(struct server *s, int fd, struct vhost_message *m)
{
        static const uint8_t junk[512] = { 1, 2, 3 };
        uint32_t request = m->header.request, flags = 1 | VHOST_FLAG_REPLY;
        bool has_reply = vhost_request_has_reply(VHOST_CHANNEL_MAIN, request);
        size_t n = sizeof(uint64_t), n_fds = request == VHOST_REQUEST_GET_INFLIGHT_FD;
        uint8_t how = s->n_script > 0 ? *s->script : 0;

        if (!has_reply && !(m->header.flags & VHOST_FLAG_NEED_REPLY))
                return true;
        if (s->n_script > 0) {
                s->script++;
                s->n_script--;
        }
        if (request == VHOST_REQUEST_GET_VRING_BASE || request == VHOST_REQUEST_GET_CONFIG || n_fds > 0)
                n = m->header.size;
        else
                m->payload.u64 = has_reply ? UINT64_MAX : 0;
        switch (how & 7) {
        case 1:
                return false;
        case 2:
                m->payload.u64 = how >> 3;
                break;
        case 3:
                request = how >> 3;
                break;
        case 4:
                send_message(fd, request, flags, UINT32_C(1) << (how >> 3), junk, sizeof(junk), 0);
                return false;
        case 5:
                n_fds = how >> 3 & 0xf;
                break;
        case 6:
                send_message(fd, request, flags, (uint32_t) n, &m->payload, n, n_fds);
                break;
        case 7:
                flags = how >> 3;
                break;
        }
        send_message(fd, request, flags, (uint32_t) n, &m->payload, n, n_fds);
        return true;
}

static void *serve(void *data)
{
        struct server *s = data;
        int fd;

        while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                struct vhost_receiver rx = { 0 };
                struct vhost_message m;
                const char *reason;
                bool goes_on = true;
                char peek;

                while (goes_on && recv(fd, &peek, 1, MSG_PEEK) == 1) {
                        int r = vhost_receive(fd, &rx, &m, &reason);

                        check(r >= 0 || r == -EBADMSG || r == -ENODATA);
                        goes_on = r >= 0;
                        if (r == 1) {
                                goes_on = answer(s, fd, &m);
                                vhost_message_deinit(&m);
                        }
                }
                vhost_receiver_deinit(&rx);
                (void) close(fd);
        }
        return NULL;
}

static void send_records(int fd, const uint8_t *data, size_t size)
{
        static const uint8_t end[4096] = { [0 ... 4095] = 0xff };

        for (unsigned i = 0; size >= RECORD_BYTES && i < RECORDS_MAX; i++) {
                uint8_t request = data[0], flags = data[1], n_fds = data[2] & 0xf;
                uint16_t n;

                memcpy(&n, data + 3, sizeof(n));
                data += RECORD_BYTES;
                size -= RECORD_BYTES;
                n = (uint16_t) MIN(MIN((size_t) n, size), sizeof(union vhost_payload) + 8);
                send_message(fd, request, flags, n, data, n, n_fds);
                data += n;
                size -= n;
        }
        send_bytes(fd, end, sizeof(end), 0);
}

/* What the front end hears. */
static void check_answers(int fd)
{
        struct vhost_receiver rx = { 0 };
        struct vhost_message m;
        const char *reason;
        int r;

        while ((r = vhost_receive(fd, &rx, &m, &reason)) == 1) {
                uint32_t request = m.header.request;

                check(m.header.flags == (1 | VHOST_FLAG_REPLY));
                check(vhost_check_reply(VHOST_CHANNEL_MAIN, request,
                                        !vhost_request_has_reply(VHOST_CHANNEL_MAIN, request), &m, &reason) == 0);
                if (request == VHOST_REQUEST_GET_FEATURES)
                        check(!(m.payload.u64 >> VHOST_FEATURE_LOG_ALL & 1));
                if (request == VHOST_REQUEST_GET_PROTOCOL_FEATURES)
                        check(!(m.payload.u64 >> VHOST_PROTOCOL_INFLIGHT_SHMFD & 1));
                vhost_message_deinit(&m);
        }
        check(r == -ENODATA || r == -ECONNRESET); /* what the relay left unread */
        vhost_receiver_deinit(&rx);
}

static void relay(const uint8_t *data, size_t size)
{
        size_t n_script = size > 0 ? MIN((size_t) data[0], size - 1) : 0;
        struct server server = { .script = data + 1, .n_script = n_script };
        struct relay_options options = { .name = "relay", .path = path, .n_rings = 2 };
        pthread_t thread;
        int pair[2], r;

        server.listen_fd = fd_unix_listen(path, 16);
        check(server.listen_fd >= 0 && fd_set_nonblock(server.listen_fd, 0) == 0);
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        check(pthread_create(&thread, NULL, serve, &server) == 0);
        send_records(pair[0], data + MIN(size, n_script + 1), size - MIN(size, n_script + 1));
        options.front_fd = pair[1];
        r = relay_run(&options);
        check(r == -EBADMSG || r == -ECONNABORTED);
        (void) close(pair[1]);
        check_answers(pair[0]);
        (void) close(pair[0]);
        check(shutdown(server.listen_fd, SHUT_RD) == 0 && pthread_join(thread, NULL) == 0);
        (void) close(server.listen_fd);
}

static void remove_path(void) { (void) unlink(path); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int n_fds;

        if (path[0] == '\0') {
                log_set_level(LOG_LEVEL_ERROR);
                (void) snprintf(path, sizeof(path), "/tmp/busbar-fuzz-relay-%d", (int) getpid());
                (void) atexit(remove_path);
                event_fd = fd_event();
                check(event_fd >= 0);
        }
        n_fds = count_fds();
        relay(data, size);
        check(count_fds() == n_fds);
        return 0;
}
