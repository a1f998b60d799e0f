/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The connection of the front end: one request at a time, each with a deadline. A reply that is late or of
 * the wrong shape ends the use of the connection, for what comes next could not be told from it.
 */
#include "vhost/frontend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/frontend-internal.h"
#include "virtio/features.h"

#define TIMEOUT_DEFAULT_MS 10000

#define PROTOCOL_FEATURES                                                                                    \
        (FEATURE(VHOST_PROTOCOL_MQ) | FEATURE(VHOST_PROTOCOL_LOG_SHMFD) | FEATURE(VHOST_PROTOCOL_RARP) |     \
         FEATURE(VHOST_PROTOCOL_REPLY_ACK) | FEATURE(VHOST_PROTOCOL_MTU) | FEATURE(VHOST_PROTOCOL_BACKEND_REQ) | \
         FEATURE(VHOST_PROTOCOL_CONFIG) | FEATURE(VHOST_PROTOCOL_INFLIGHT_SHMFD) |                           \
         FEATURE(VHOST_PROTOCOL_RESET_DEVICE) | FEATURE(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) |                \
         FEATURE(VHOST_PROTOCOL_STATUS))

int frontend_new(int fd, struct frontend **ret)
{
        struct frontend *f = calloc(1, sizeof(*f));

        if (!f) {
                closep(&fd);
                return -ENOMEM;
        }
        f->fd = fd;
        f->channel_fd = -1;
        f->timeout_ms = TIMEOUT_DEFAULT_MS;
        *ret = f;
        return 0;
}

int frontend_connect(const char *path, struct frontend **ret)
{
        int fd = fd_unix_connect(path);

        return fd < 0 ? fd : frontend_new(fd, ret);
}

struct frontend *frontend_free(struct frontend *f)
{
        if (!f)
                return NULL;
        frontend_unwatch(f);
        vhost_receiver_deinit(&f->rx);
        closep(&f->fd);
        free(f);
        return NULL;
}

void frontend_set_timeout(struct frontend *f, unsigned timeout_ms)
{
        f->timeout_ms = timeout_ms;
}

void frontend_set_deadline(struct frontend *f, uint64_t deadline_ns)
{
        f->deadline_ns = deadline_ns;
}

int frontend_error(const struct frontend *f)
{
        return f->error;
}

int frontend_fd(const struct frontend *f)
{
        return f->fd;
}

uint64_t frontend_protocol_features(const struct frontend *f)
{
        return f->protocol_features;
}

int frontend_needs(const struct frontend *f, unsigned protocol_feature)
{
        return frontend_has_protocol(f, protocol_feature) ? 0 : -EOPNOTSUPP;
}

/* Waits until the socket is ready. Return: 0, -ETIMEDOUT or another negative errno. */
static int wait_for(struct frontend *f, short events, uint64_t deadline_ns)
{
        struct pollfd p = { .fd = f->fd, .events = events };

        for (;;) {
                uint64_t now = clock_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
                struct timespec ts = { (time_t) (left / NSEC_PER_SEC), (long) (left % NSEC_PER_SEC) };
                int n = ppoll(&p, 1, &ts, NULL);

                if (n > 0)
                        return 0;
                if (n == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Of a call that begins now. */
static uint64_t deadline(const struct frontend *f)
{
        uint64_t at = clock_now_ns() + f->timeout_ms * NSEC_PER_MSEC;

        return f->deadline_ns ? MIN(at, f->deadline_ns) : at;
}

static int send_all(struct frontend *f, uint64_t deadline_ns)
{
        int r;

        while ((r = vhost_send(f->fd, &f->tx)) == 0) {
                r = wait_for(f, POLLOUT, deadline_ns);
                if (r < 0)
                        return r;
        }
        if (r == -EPIPE)
                return -ECONNRESET;
        return r < 0 ? r : 0;
}

static int receive(struct frontend *f, uint64_t deadline_ns, struct vhost_message *ret)
{
        int r;

        while ((r = vhost_receive(f->fd, &f->rx, ret, &f->reason)) == 0) {
                r = wait_for(f, POLLIN, deadline_ns);
                if (r < 0)
                        return r;
        }
        if (r == -ENODATA)
                return -ECONNRESET;
        return r < 0 ? r : 0;
}

static int fail(struct frontend *f, int error, uint32_t request)
{
        f->error = error;
        (void) shutdown(f->fd, SHUT_RDWR);
        log_debug("vhost-user", "front end: %s: %s", vhost_request_name(VHOST_CHANNEL_MAIN, request),
                  f->reason ? f->reason : strerror(-error));
        return error;
}

/* The reply to a request that was sent. Return: 0, -EREMOTEIO for a refusal, or what ends the connection. */
static int take_reply(struct frontend *f, const struct frontend_call *call, bool ack, uint64_t deadline_ns)
{
        struct vhost_message m;
        int r;

        r = receive(f, deadline_ns, &m);
        if (r == 0) {
                r = vhost_check_reply(VHOST_CHANNEL_MAIN, call->request, ack, &m, &f->reason);
                if (r < 0)
                        vhost_message_deinit(&m);
        }
        if (r < 0)
                return fail(f, r, call->request);
        if (ack)
                return m.payload.u64 == 0 ? 0 : -EREMOTEIO;
        if (call->reply)
                *call->reply = m;
        else
                vhost_message_deinit(&m);
        return 0;
}

/* The acknowledgements that are due. Return: 0, also after a refusal, which is noted; what ends the connection. */
static int collect(struct frontend *f, uint64_t deadline_ns)
{
        int r = 0;

        for (unsigned i = 0; i < f->n_due && (r == 0 || r == -EREMOTEIO); i++) {
                r = take_reply(f, &(struct frontend_call) { .request = f->due[i] }, true, deadline_ns);
                if (r == -EREMOTEIO)
                        f->refused = true;
        }
        f->n_due = 0;
        return r == -EREMOTEIO ? 0 : r;
}

void frontend_begin(struct frontend *f)
{
        f->gathers = true;
        f->refused = false;
}

int frontend_end(struct frontend *f)
{
        int r = f->error;

        f->gathers = false;
        if (r == 0)
                r = collect(f, deadline(f));
        return r == 0 && f->refused ? -EREMOTEIO : r;
}

int frontend_call(struct frontend *f, const struct frontend_call *call)
{
        bool replies = vhost_request_has_reply(VHOST_CHANNEL_MAIN, call->request);
        bool ack = !replies && frontend_has_protocol(f, VHOST_PROTOCOL_REPLY_ACK);
        uint64_t deadline_ns = deadline(f);
        int r = f->error;

        if (r == 0 && (replies || f->n_due == FRONTEND_DUE_MAX))
                r = collect(f, deadline_ns);
        if (r < 0)
                return r;
        vhost_sender_prepare(&f->tx, call->request, ack ? VHOST_FLAG_NEED_REPLY : 0, call->payload, call->n, call->fds,
                             call->n_fds);
        r = send_all(f, deadline_ns);
        if (r < 0)
                return fail(f, r, call->request);
        if (ack && f->gathers) {
                f->due[f->n_due++] = call->request;
                return 0;
        }
        return replies || ack ? take_reply(f, call, ack, deadline_ns) : 0;
}

int frontend_set_u64(struct frontend *f, uint32_t request, uint64_t value)
{
        return frontend_call(f, &(struct frontend_call) { .request = request, .payload = &value, .n = sizeof(value) });
}

int frontend_get_u64(struct frontend *f, uint32_t request, uint64_t *ret)
{
        struct vhost_message m;
        int r;

        r = frontend_call(f, &(struct frontend_call) { .request = request, .reply = &m });
        if (r < 0)
                return r;
        *ret = m.payload.u64;
        return 0;
}

int frontend_greet(struct frontend *f)
{
        int r;

        if (f->error)
                return f->error;
        vhost_sender_prepare(&f->tx, VHOST_REQUEST_GET_FEATURES, 0, NULL, 0, NULL, 0);
        r = send_all(f, clock_now_ns());
        if (r < 0)
                return fail(f, r, VHOST_REQUEST_GET_FEATURES);
        f->greeted = true;
        return 0;
}

static int get_features(struct frontend *f, uint64_t *ret)
{
        struct vhost_message m;
        struct frontend_call call = { .request = VHOST_REQUEST_GET_FEATURES, .reply = &m };
        int r;

        if (!f->greeted)
                return frontend_get_u64(f, VHOST_REQUEST_GET_FEATURES, ret);
        f->greeted = false;
        r = take_reply(f, &call, false, deadline(f));
        if (r == 0)
                *ret = m.payload.u64;
        return r;
}

int frontend_negotiate(struct frontend *f, uint64_t without_protocol, uint64_t *ret_features)
{
        uint64_t features = 0, offered;
        int r;

        r = get_features(f, &features);
        if (r < 0)
                return r;
        if (features & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES)) {
                r = frontend_get_u64(f, VHOST_REQUEST_GET_PROTOCOL_FEATURES, &offered);
                if (r < 0)
                        return r;
                offered &= PROTOCOL_FEATURES & ~without_protocol;
                r = frontend_set_u64(f, VHOST_REQUEST_SET_PROTOCOL_FEATURES, offered);
                if (r < 0)
                        return r;
                f->protocol_features = offered;
        }
        r = frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_OWNER });
        if (r < 0)
                return r;
        *ret_features = features;
        return 0;
}

int frontend_send_raw(struct frontend *f, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
        union {
                char bytes[CMSG_SPACE(64 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t k;

        if (n_fds > 64)
                return -EINVAL;
        if (n_fds > 0) {
                control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        k = sendmsg(f->fd, &msg, MSG_NOSIGNAL);
        if (k < 0)
                return -errno;
        return (size_t) k == n ? 0 : -EIO;
}
