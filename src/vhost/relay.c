/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One thread that waits: for the front end's next request, then for the server's reply. Whatever it waits for, the end
 * of the front end ends it, and the end of the server makes it begin with the next one.
 */
#include "vhost/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/ratelimit.h"
#include "vhost/relay-memory.h"
#include "virtio/features.h"

#define RETRY_MS 5
#define INFLIGHT_QUEUE_SIZE 1024 /* as large as any ring gets */
#define BIT(n) (UINT64_C(1) << (n))

/* What passes. The rest would need more of a relay, or is its own matter. */
#define PROTOCOL_PASSED                                                                                  \
        (BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_BACKEND_REQ) |      \
         BIT(VHOST_PROTOCOL_CONFIG) | BIT(VHOST_PROTOCOL_RESET_DEVICE) | BIT(VHOST_PROTOCOL_STATUS))

/* What ends an attempt. */
enum { FRONT_GONE = 1, BACK_GONE = 2 };

struct relay {
        const struct relay_options *options;
        int back; /* owned; -1: no server */
        struct vhost_receiver front_rx, back_rx;
        struct relay_memory memory;
        uint64_t server_protocol; /* features that the server has */
        uint64_t protocol;        /* negotiated */
        bool was_served;
        struct ratelimit log_limit;
};

static void lose(struct relay *r)
{
        vhost_receiver_deinit(&r->back_rx);
        fd_close(&r->back);
}

/* Waits until @fd is ready, or -1: for @timeout_ms. Return: 0; FRONT_GONE. */
static int wait_for(struct relay *r, int fd, short events, int timeout_ms)
{
        struct pollfd fds[] = {
                { .fd = r->options->front_fd, .events = POLLRDHUP },
                { .fd = fd, .events = events },
        };

        if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
                return FRONT_GONE;
        return fds[0].revents ? FRONT_GONE : 0;
}

/* Return: 0; FRONT_GONE; BACK_GONE for any failure of @fd. */
static int send_to(struct relay *r, int fd, const struct vhost_message *m, uint32_t flags)
{
        struct vhost_sender tx = { 0 };
        int result;

        vhost_sender_prepare(&tx, m->header.request, flags, &m->payload, m->header.size, m->fds, m->n_fds);
        while ((result = vhost_send(fd, &tx)) == 0) {
                result = wait_for(r, fd, POLLOUT, -1);
                if (result)
                        return result;
        }
        return result < 0 ? BACK_GONE : 0;
}

/* The server's next message. Return: 0; FRONT_GONE; BACK_GONE. */
static int receive_reply(struct relay *r, uint32_t request, bool ack, struct vhost_message *ret)
{
        const char *reason = NULL;
        int result;

        while ((result = vhost_receive(r->back, &r->back_rx, ret, &reason)) == 0) {
                result = wait_for(r, r->back, POLLIN, -1);
                if (result)
                        return result;
        }
        if (result < 0)
                return BACK_GONE;
        if (vhost_check_reply(VHOST_CHANNEL_MAIN, request, ack, ret, &reason) == 0)
                return 0;
        log_warning(r->options->name, "the server's answer to %s: %s",
                    vhost_request_name(VHOST_CHANNEL_MAIN, request), reason ? reason : "wrong");
        vhost_message_deinit(ret);
        return BACK_GONE;
}

static int say_again(const struct vhost_message *m, void *data)
{
        struct relay *r = data;

        return send_to(r, r->back, m, 0);
}

/* Return: 0 with a server that was told all; FRONT_GONE; BACK_GONE. */
static int try_server(struct relay *r)
{
        int result = fd_unix_connect_nonblock(r->options->path);

        if (result < 0)
                return BACK_GONE;
        r->back = result;
        result = relay_memory_each(&r->memory, say_again, r);
        if (result)
                lose(r);
        return result;
}

/* Return: 0 with a server that was told all; FRONT_GONE. */
static int find_server(struct relay *r)
{
        int result = BACK_GONE;

        if (r->back >= 0)
                return 0;
        /* One that ends each connection is not to be asked without a pause. */
        if (r->was_served && wait_for(r, -1, 0, RETRY_MS))
                return FRONT_GONE;
        while ((result = try_server(r)) == BACK_GONE)
                if (wait_for(r, -1, 0, RETRY_MS))
                        return FRONT_GONE;
        if (result)
                return result;
        if (r->was_served) {
                if (ratelimit_take(&r->log_limit, 1, clock_now_ns()))
                        log_info(r->options->name, "connected to its server again");
                relay_memory_stir(&r->memory);
        }
        r->was_served = true;
        return 0;
}

/* A region of our own, before the first ring runs. Return: 0; FRONT_GONE; BACK_GONE. */
static int get_inflight(struct relay *r)
{
        struct vhost_message ask = {
                .header = { .request = VHOST_REQUEST_GET_INFLIGHT_FD, .size = sizeof(struct vhost_inflight) },
                .payload.inflight = { .n_queues = r->options->n_rings, .queue_size = INFLIGHT_QUEUE_SIZE },
        };
        struct vhost_message reply;
        int result;

        result = send_to(r, r->back, &ask, 0);
        if (result == 0)
                result = receive_reply(r, VHOST_REQUEST_GET_INFLIGHT_FD, false, &reply);
        if (result)
                return result;
        if (reply.n_fds == 1) {
                relay_memory_take_inflight(&r->memory, &reply.payload.inflight, take_fd(&reply.fds[0]));
                result = send_to(r, r->back, &r->memory.slots[RELAY_INFLIGHT].message, 0);
        }
        vhost_message_deinit(&reply);
        return result;
}

/* What the front end may not see of the server, and the other way round. */
static void change_request(struct relay *r, struct vhost_message *m)
{
        if (m->header.request != VHOST_REQUEST_SET_PROTOCOL_FEATURES)
                return;
        r->protocol = m->payload.u64;
        m->payload.u64 |= r->server_protocol & BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD);
}

static void change_reply(struct relay *r, struct vhost_message *m)
{
        if (m->header.request == VHOST_REQUEST_GET_FEATURES)
                m->payload.u64 &= ~BIT(VHOST_FEATURE_LOG_ALL);
        if (m->header.request == VHOST_REQUEST_GET_PROTOCOL_FEATURES) {
                r->server_protocol = m->payload.u64;
                m->payload.u64 &= PROTOCOL_PASSED;
        }
}

/* Did the front end's word, as it was passed on, ask for regions? */
static bool wants_inflight(const struct relay *r)
{
        const struct relay_entry *e = &r->memory.slots[RELAY_PROTOCOL_FEATURES];

        return e->is_there && (e->message.payload.u64 & BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD));
}

/* One attempt to have a request obeyed. Return: 0; FRONT_GONE; BACK_GONE. */
static int try_request(struct relay *r, const struct vhost_message *m)
{
        bool has_reply = vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request);
        bool ack = !has_reply && (m->header.flags & VHOST_FLAG_NEED_REPLY) &&
                   (r->protocol & BIT(VHOST_PROTOCOL_REPLY_ACK));
        struct vhost_message reply;
        int result = 0;

        if (m->header.request == VHOST_REQUEST_SET_VRING_KICK && !r->memory.slots[RELAY_INFLIGHT].is_there &&
            wants_inflight(r))
                result = get_inflight(r);
        if (result == 0)
                result = send_to(r, r->back, m, ack ? VHOST_FLAG_NEED_REPLY : 0);
        if (result || (!has_reply && !ack))
                return result;
        result = receive_reply(r, m->header.request, ack, &reply);
        if (result)
                return result;
        change_reply(r, &reply);
        result = send_to(r, r->options->front_fd, &reply, VHOST_FLAG_REPLY);
        vhost_message_deinit(&reply);
        return result ? FRONT_GONE : 0;
}

/* Return: 0 or FRONT_GONE. */
static int relay_request(struct relay *r, struct vhost_message *m)
{
        int result;

        /* A device that begins anew begins with an empty region. */
        if (m->header.request == VHOST_REQUEST_SET_VRING_KICK && !relay_memory_runs(&r->memory))
                relay_memory_forget_inflight(&r->memory);
        change_request(r, m);
        do {
                result = find_server(r);
                if (result == 0)
                        result = try_request(r, m);
                if (result == BACK_GONE)
                        lose(r);
        } while (result == BACK_GONE);
        if (result == 0)
                relay_memory_take(&r->memory, m);
        return result;
}

/* Between two requests. Return: 0; FRONT_GONE. */
static int wait_for_request(struct relay *r)
{
        struct pollfd fds[] = {
                { .fd = r->options->front_fd, .events = POLLIN },
                { .fd = r->back, .events = POLLIN },
        };

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
                return FRONT_GONE;
        if (!fds[1].revents)
                return 0;
        /* It is gone, or says what nobody asked for. */
        lose(r);
        return find_server(r);
}

static int serve(struct relay *r)
{
        struct vhost_message m;
        const char *reason;
        int result;

        if (find_server(r))
                return 0;
        for (;;) {
                result = vhost_receive(r->options->front_fd, &r->front_rx, &m, &reason);
                if (result < 0)
                        return result == -EBADMSG ? result : 0;
                if (result == 0) {
                        result = wait_for_request(r);
                } else {
                        result = relay_request(r, &m);
                        vhost_message_deinit(&m);
                }
                if (result)
                        return 0;
        }
}

int relay_run(const struct relay_options *options)
{
        struct relay *r = calloc(1, sizeof(*r));
        int result;

        if (!r)
                return -ENOMEM;
        r->options = options;
        r->back = -1;
        ratelimit_init(&r->log_limit, 1, 10);
        result = serve(r);
        lose(r);
        vhost_receiver_deinit(&r->front_rx);
        relay_memory_deinit(&r->memory);
        free(r);
        return result;
}
