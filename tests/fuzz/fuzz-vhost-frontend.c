/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: vhost-user, from a back end to the front end. The input is what a server sends, all of it before it
 * is asked, as records; made by vhost-seeds.py for the corpus:
 *
 *      u8 kind        bit 7: on the back-end channel instead of the main socket; low 4 bits: how many fds
 *      u16 n          bytes that follow
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "vhost/frontend.h"
#include "vhost/message.h"
#include "vhost/test-fds.h"

#define ON_CHANNEL 0x80

static void send_bytes(int fd, const void *bytes, size_t n, int copy, size_t n_fds)
{
        union {
                char bytes[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &copy, sizeof(copy));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        (void) !sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends the records that are for the main socket, or those for the channel. */
static void send_records(int fd, uint8_t which, int copy, const uint8_t *data, size_t size)
{
        while (size >= 3) {
                uint16_t n;
                uint8_t kind = data[0];

                memcpy(&n, data + 1, sizeof(n));
                data += 3;
                size -= 3;
                n = (uint16_t) MIN((size_t) n, size);
                if ((kind & ON_CHANNEL) == which && n > 0)
                        send_bytes(fd, data, n, copy, kind & 0xf);
                data += n;
                size -= n;
        }
}

/* The channel that the front end sent to the server; -1 if it did not. */
static int find_channel(int fd)
{
        struct vhost_receiver rx = { 0 };
        struct vhost_message m;
        const char *reason;
        int channel = -1;

        while (vhost_receive(fd, &rx, &m, &reason) == 1) {
                if (m.header.request == VHOST_REQUEST_SET_BACKEND_REQ_FD && m.n_fds == 1 && channel < 0)
                        channel = take_fd(&m.fds[0]);
                vhost_message_deinit(&m);
        }
        vhost_receiver_deinit(&rx);
        return channel;
}

static void on_config_changed(struct frontend *f, void *data)
{
        char buf[16];

        (void) frontend_get_config(f, 0, buf, sizeof(buf));
}

static void on_disconnected(struct frontend *f, void *data)
{
        ++*(int *) data;
}

static const struct frontend_events events = { .config_changed = on_config_changed, .disconnected = on_disconnected };

/* All that a monitor asks for, in an order that makes sense; vhost-seeds.py knows it. */
static void converse(struct frontend *f, int fd)
{
        struct frontend_inflight inflight = { .fd = -1, .n_queues = 2, .queue_size = 64 };
        struct frontend_region region = { .spec = { .size_bytes = 4096, .user_address = 4096 }, .fd = fd };
        struct frontend_ring ring = { .size = 64, .kick_fd = fd, .call_fd = fd, .err_fd = -1 };
        const uint8_t mac[6] = { 2 };
        uint64_t value, features = 0;
        uint32_t base;
        uint8_t status;
        char config[60];

        (void) frontend_negotiate(f, 0, &features);
        (void) frontend_get_queue_num(f, &value);
        (void) frontend_get_max_mem_slots(f, &value);
        (void) frontend_get_config(f, 0, config, sizeof(config));
        (void) frontend_set_config(f, 0, config, 4);
        (void) frontend_set_features(f, features);
        (void) frontend_set_mem_table(f, &region, 1);
        (void) frontend_add_mem_region(f, &region);
        (void) frontend_remove_mem_region(f, &region);
        if (frontend_get_inflight(f, &inflight) == 0)
                (void) frontend_set_inflight(f, &inflight);
        closep(&inflight.fd);
        (void) frontend_start_ring(f, &ring);
        (void) frontend_enable_ring(f, 0, true);
        (void) frontend_set_log(f, fd, 0, 4096);
        (void) frontend_get_status(f, &status);
        (void) frontend_set_status(f, 15);
        (void) frontend_send_rarp(f, mac);
        (void) frontend_set_mtu(f, 1500);
        (void) frontend_stop_ring(f, 0, &base);
        (void) frontend_reset_device(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int n_fds = count_fds(), fds[2], n_disconnected = 0, event_fd = fd_event(), channel;
        struct frontend *f;
        struct loop *loop;

        log_set_level(LOG_LEVEL_ERROR);
        if (event_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || loop_new(&loop) < 0 ||
            frontend_new(fds[0], &f) < 0)
                abort();
        frontend_set_timeout(f, 0);
        send_records(fds[1], 0, event_fd, data, size);
        converse(f, event_fd);
        (void) frontend_watch(f, loop, &events, &n_disconnected);

        channel = find_channel(fds[1]);
        if (channel >= 0)
                send_records(channel, ON_CHANNEL, event_fd, data, size);
        (void) shutdown(fds[1], SHUT_WR);
        for (int i = 0; i < 4; i++)
                if (loop_step(loop, 0) < 0)
                        abort();
        if (n_disconnected > 1)
                abort();

        frontend_free(f);
        loop_free(loop);
        closep(&channel);
        (void) close(fds[1]);
        (void) close(event_fd);
        if (count_fds() != n_fds)
                abort();
        return 0;
}
