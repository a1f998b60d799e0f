/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The kernel hands over the descriptors of a message with its first byte, and a read never crosses into
 * bytes that carry other descriptors. A read here never asks for more than the rest of one message, so
 * whatever descriptors arrive belong to that message.
 */
#include "vhost/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/macros.h"

void vhost_message_deinit(struct vhost_message *m)
{
        for (size_t i = 0; i < m->n_fds; i++)
                fd_close(&m->fds[i]);
        m->n_fds = 0;
}

void vhost_receiver_deinit(struct vhost_receiver *rx)
{
        vhost_message_deinit(&rx->message);
        rx->n_got = 0;
}

/* Takes over all descriptors of one read; those that are too many are closed. */
static int take_fds(struct vhost_message *m, struct msghdr *msg, const char **ret_reason)
{
        bool too_many = (msg->msg_flags & MSG_CTRUNC) != 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (m->n_fds < VHOST_FDS_MAX) {
                                m->fds[m->n_fds++] = fd;
                        } else {
                                closep(&fd);
                                too_many = true;
                        }
                }
        }
        if (too_many)
                *ret_reason = "more file descriptors than any message has";
        return too_many ? -EBADMSG : 0;
}

/* One read of at most n bytes. Return: bytes; -EAGAIN; 0 at the end; -EBADMSG; a negative errno. */
static ssize_t read_some(int fd, struct vhost_message *m, void *buf, size_t n, const char **ret_reason)
{
        union {
                char bytes[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec iov = { buf, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t k;
        int r;

        do {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control);
                k = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        } while (k < 0 && errno == EINTR);
        if (k < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;

        r = take_fds(m, &msg, ret_reason);
        return r < 0 ? r : k;
}

static int check_frame(const struct vhost_header *h, const char **ret_reason)
{
        if ((h->flags & VHOST_FLAG_VERSION_MASK) != VHOST_FLAG_VERSION) {
                *ret_reason = "unknown protocol version";
                return -EBADMSG;
        }
        if (h->size > sizeof(union vhost_payload)) {
                *ret_reason = "payload larger than any message has";
                return -EBADMSG;
        }
        return 0;
}

/* Return: 1 whole, 0 wait for more, or an error; the caller cleans up. */
static int receive(int fd, struct vhost_receiver *rx, const char **ret_reason)
{
        struct vhost_message *m = &rx->message;

        for (;;) {
                bool in_header = rx->n_got < sizeof(m->header);
                size_t at = in_header ? rx->n_got : rx->n_got - sizeof(m->header);
                size_t n = (in_header ? sizeof(m->header) : m->header.size) - at;
                ssize_t k;
                int r;

                if (n == 0)
                        return 1;
                k = read_some(fd, m, (in_header ? (char *) &m->header : (char *) &m->payload) + at, n, ret_reason);
                if (k == -EAGAIN)
                        return 0;
                if (k < 0)
                        return (int) k;
                if (k == 0) {
                        *ret_reason = "disconnected within a message";
                        return rx->n_got == 0 ? -ENODATA : -EBADMSG;
                }
                rx->n_got += (size_t) k;
                if (rx->n_got == sizeof(m->header)) {
                        r = check_frame(&m->header, ret_reason);
                        if (r < 0)
                                return r;
                }
        }
}

int vhost_receive(int fd, struct vhost_receiver *rx, struct vhost_message *ret, const char **ret_reason)
{
        int r;

        if (rx->n_got == 0)
                rx->message = (struct vhost_message) { 0 };
        r = receive(fd, rx, ret_reason);
        if (r < 0)
                vhost_receiver_deinit(rx);
        if (r > 0) {
                *ret = rx->message;
                rx->message.n_fds = 0;
                rx->n_got = 0;
        }
        return r;
}

void vhost_sender_prepare(struct vhost_sender *tx, uint32_t request, uint32_t flags, const void *payload, size_t n,
                          const int *fds, size_t n_fds)
{
        assert(!tx->busy && n <= sizeof(tx->payload) && n_fds <= VHOST_FDS_MAX);

        *tx = (struct vhost_sender) {
                .header = { .request = request, .flags = flags | VHOST_FLAG_VERSION, .size = (uint32_t) n },
                .n_fds = n_fds,
                .busy = true,
        };
        if (n > 0)
                memcpy(&tx->payload, payload, n);
        if (n_fds > 0)
                memcpy(tx->fds, fds, n_fds * sizeof(*fds));
}

int vhost_send(int fd, struct vhost_sender *tx)
{
        size_t n = sizeof(tx->header) + tx->header.size;

        while (tx->n_sent < n) {
                union {
                        char bytes[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
                        struct cmsghdr align;
                } control = { 0 };
                size_t at = tx->n_sent, skip = MIN(at, sizeof(tx->header));
                struct iovec iov[] = {
                        { (char *) &tx->header + skip, sizeof(tx->header) - skip },
                        { (char *) &tx->payload + (at - skip), tx->header.size - (at - skip) },
                };
                struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
                ssize_t k;

                if (at == 0 && tx->n_fds > 0) {
                        msg.msg_control = &control;
                        msg.msg_controllen = CMSG_SPACE(tx->n_fds * sizeof(int));
                        control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(tx->n_fds * sizeof(int)),
                                                           .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                        memcpy(CMSG_DATA(&control.align), tx->fds, tx->n_fds * sizeof(int));
                }
                k = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
                tx->n_sent += (size_t) k;
        }
        tx->busy = false;
        return 1;
}
