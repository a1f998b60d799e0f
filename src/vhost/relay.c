/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One thread that waits: for the front end's next request, then for the server's reply. Whatever it waits for, the end
 * of the front end ends it, and the end of the server makes it begin with the next one.
 *
 * A server that is not there is waited for as long as it takes, and looked for less and less often: what is lost of the
 * time it was away is a small part of that. (Its socket's folder would not tell: between the birth of a socket and the
 * moment it listens there is no event, and a relay's sandbox has no folders.) One that is there and ends the connection
 * over the same words each time is asked RELAY_ATTEMPTS times, with longer and longer pauses, and then the front end's
 * connection ends: nothing that is said again would make it another. So that a request is known to be obeyed, refused
 * or neither, the relay has every one acknowledged where the server can, whatever the front end asked for. What was
 * refused is not remembered.
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
#include "base/macros.h"
#include "base/ratelimit.h"
#include "vhost/relay-memory.h"
#include "virtio/features.h"

#define ABSENT_PARTS 16 /* of the time that a server has been away: the pause until the next look for it */
#define STEADY_NS UINT64_C(1000000000) /* a server that keeps the connection that long has taken all it was told */
#define INFLIGHT_QUEUE_SIZE 1024 /* as large as any ring gets */
#define BIT(n) (UINT64_C(1) << (n))

/* What passes. The rest would need more of a relay, or is its own matter. */
#define PROTOCOL_PASSED                                                                                  \
        (BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_BACKEND_REQ) |      \
         BIT(VHOST_PROTOCOL_CONFIG) | BIT(VHOST_PROTOCOL_RESET_DEVICE) | BIT(VHOST_PROTOCOL_STATUS))

/* What ends an attempt; REFUSED: the server said no, and goes on. */
enum { FRONT_GONE = 1, BACK_GONE = 2, REFUSED = 3, GIVEN_UP = 4 };

/* What it uses itself. */
#define PROTOCOL_USED \
        (BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_STATUS))

struct relay {
        const struct relay_options *options;
        int back; /* owned; -1: no server */
        struct vhost_receiver front_rx, back_rx;
        struct relay_memory memory;
        uint64_t server_protocol; /* features that the server has */
        uint64_t protocol;        /* negotiated */
        bool was_served;
        uint64_t absent_since_ns; /* 0: it is there, or was not looked for */
        unsigned n_vain;    /* connections in a row that ended over what is remembered */
        uint64_t told_ns;   /* when the server had been told all */
        bool has_answered;  /* it obeyed a request since */
        bool stands_still;  /* rings were stopped because the machine was paused */
        const char *saying; /* the name of what was said last */
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

/* Before the next attempt, when @n failed. Return: 0; FRONT_GONE; GIVEN_UP. */
static int pause_after(struct relay *r, unsigned n)
{
        if (n >= RELAY_ATTEMPTS) {
                log_warning(r->options->name, "its server ended %u connections at %s: it is given up", n, r->saying);
                return GIVEN_UP;
        }
        return wait_for(r, -1, 0, r->options->pause_ms << (n - 1));
}

static bool has_acks(const struct relay *r)
{
        const struct relay_entry *e = &r->memory.slots[RELAY_PROTOCOL_FEATURES];

        return e->is_there && (e->message.payload.u64 & BIT(VHOST_PROTOCOL_REPLY_ACK));
}

/* Has a request obeyed that has no reply of its own.
   Return: 0 as far as can be known; FRONT_GONE; BACK_GONE; REFUSED. */
static int say(struct relay *r, const struct vhost_message *m)
{
        bool ack = m->header.request != VHOST_REQUEST_SET_PROTOCOL_FEATURES && has_acks(r);
        struct vhost_message reply;
        int result;

        r->saying = vhost_request_name(VHOST_CHANNEL_MAIN, m->header.request);
        result = send_to(r, r->back, m, ack ? VHOST_FLAG_NEED_REPLY : 0);
        if (result || !ack)
                return result;
        result = receive_reply(r, m->header.request, true, &reply);
        if (result)
                return result;
        result = reply.payload.u64 == 0 ? 0 : REFUSED;
        vhost_message_deinit(&reply);
        if (result && ratelimit_take(&r->log_limit, 1, clock_now_ns()))
                log_warning(r->options->name, "its server refuses %s", r->saying);
        return result;
}

/* What is refused now and was not before: a ring that the driver has broken since then is the driver's matter; another
   word is one without which the device would not be what the guest takes it for. */
static int say_again(const struct vhost_message *m, void *data)
{
        int result = say(data, m);

        if (result == REFUSED)
                return m->header.request == VHOST_REQUEST_SET_VRING_KICK ? 0 : BACK_GONE;
        return result;
}

int relay_absent_pause_ms(uint64_t absent_ns)
{
        uint64_t part_ms = absent_ns / ABSENT_PARTS / NSEC_PER_MSEC;

        return (int) MIN(MAX(part_ms, (uint64_t) RELAY_ABSENT_MS_MIN), (uint64_t) RELAY_ABSENT_MS_MAX);
}

/* Nobody listens. Return: BACK_GONE after a while; FRONT_GONE. */
static int wait_for_server(struct relay *r)
{
        uint64_t now_ns = clock_now_ns();

        if (r->absent_since_ns == 0)
                r->absent_since_ns = now_ns;
        return wait_for(r, -1, 0, relay_absent_pause_ms(now_ns - r->absent_since_ns)) ? FRONT_GONE : BACK_GONE;
}

/* Return: 0 with a server that was told all; FRONT_GONE; BACK_GONE, and in vain if there was one. */
static int try_server(struct relay *r)
{
        int result = fd_unix_connect_nonblock(r->options->path);

        if (result < 0)
                return wait_for_server(r);
        r->absent_since_ns = 0;
        r->back = result;
        result = relay_memory_each(&r->memory, say_again, r);
        r->told_ns = clock_now_ns();
        r->has_answered = false;
        if (result)
                lose(r);
        if (result == BACK_GONE)
                result = pause_after(r, ++r->n_vain) ?: BACK_GONE;
        return result;
}

/* Return: 0 with a server that was told all; FRONT_GONE; GIVEN_UP. */
static int find_server(struct relay *r)
{
        int result;

        if (r->back >= 0)
                return 0;
        do
                result = try_server(r);
        while (result == BACK_GONE);
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
                result = say(r, &r->memory.slots[RELAY_INFLIGHT].message);
                if (result == REFUSED)
                        result = BACK_GONE; /* its own */
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
        m->payload.u64 |= r->server_protocol & PROTOCOL_USED;
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

/* Return: 0; FRONT_GONE; BACK_GONE. */
static int ask(struct relay *r, const struct vhost_message *m)
{
        struct vhost_message reply;
        int result;

        r->saying = vhost_request_name(VHOST_CHANNEL_MAIN, m->header.request);
        result = send_to(r, r->back, m, 0);
        if (result == 0)
                result = receive_reply(r, m->header.request, false, &reply);
        if (result)
                return result;
        change_reply(r, &reply);
        result = send_to(r, r->options->front_fd, &reply, VHOST_FLAG_REPLY);
        vhost_message_deinit(&reply);
        return result ? FRONT_GONE : 0;
}

/* The features of a device whose machine goes on. Return: as say(). */
static int say_features(struct relay *r, const struct vhost_message *m)
{
        const struct relay_entry *e = &r->memory.slots[RELAY_STATUS];
        struct vhost_message status = { .header = { .request = VHOST_REQUEST_SET_STATUS, .size = sizeof(uint64_t) } };
        uint64_t kept = e->is_there ? e->message.payload.u64 : VIRTIO_STATUS_FEATURES_OK;
        int result, refused;

        if (!r->stands_still || !(r->server_protocol & BIT(VHOST_PROTOCOL_STATUS)))
                return say(r, m);
        status.payload.u64 = kept | VIRTIO_STATUS_DRIVER_OK;
        result = say(r, &status);
        if (result == FRONT_GONE || result == BACK_GONE)
                return result;
        refused = say(r, m);
        if (refused == FRONT_GONE || refused == BACK_GONE)
                return refused;
        status.payload.u64 = kept;
        result = say(r, &status);
        return result == REFUSED ? refused : result ?: refused;
}

/* One attempt to have a request obeyed. Return: 0; FRONT_GONE; BACK_GONE; REFUSED. */
static int try_request(struct relay *r, const struct vhost_message *m)
{
        int result = 0;

        if (m->header.request == VHOST_REQUEST_SET_VRING_KICK && !r->memory.slots[RELAY_INFLIGHT].is_there &&
            wants_inflight(r))
                result = get_inflight(r);
        if (result)
                return result;
        if (m->header.request == VHOST_REQUEST_SET_FEATURES)
                return say_features(r, m);
        return vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request) ? ask(r, m) : say(r, m);
}

/* The front end's own acknowledgement. Return: 0 or FRONT_GONE. */
static int acknowledge(struct relay *r, const struct vhost_message *m, bool obeyed)
{
        struct vhost_message reply = { .header = { .request = m->header.request, .size = sizeof(reply.payload.u64) },
                                       .payload.u64 = obeyed ? 0 : 1 };

        if (!(m->header.flags & VHOST_FLAG_NEED_REPLY) || !(r->protocol & BIT(VHOST_PROTOCOL_REPLY_ACK)) ||
            vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request))
                return 0;
        return send_to(r, r->options->front_fd, &reply, VHOST_FLAG_REPLY) ? FRONT_GONE : 0;
}

static bool is_paused(const struct relay *r) { return r->options->paused && atomic_load(r->options->paused); }

static bool is_reset(const struct vhost_message *m)
{
        return m->header.request == VHOST_REQUEST_SET_STATUS && m->payload.u64 == 0;
}

/* A request was obeyed that came while the machine was paused, or was not. */
static void see_pause(struct relay *r, const struct vhost_message *m, bool paused)
{
        if (m->header.request == VHOST_REQUEST_GET_VRING_BASE)
                r->stands_still = paused;
        else if (is_reset(m) || m->header.request == VHOST_REQUEST_RESET_DEVICE ||
                 m->header.request == VHOST_REQUEST_SET_FEATURES)
                r->stands_still = false;
}

/* Return: 0; FRONT_GONE; GIVEN_UP. */
static int relay_request(struct relay *r, struct vhost_message *m)
{
        bool paused = is_paused(r); /* once the front end has its answer, its machine may go on */
        unsigned n_vain = 0;
        int result;

        if (is_reset(m) && paused)
                return acknowledge(r, m, true);
        /* A device that begins anew begins with an empty region. */
        if (m->header.request == VHOST_REQUEST_SET_VRING_KICK && !relay_memory_runs(&r->memory))
                relay_memory_forget_inflight(&r->memory);
        change_request(r, m);
        do {
                result = find_server(r);
                if (result == 0)
                        result = try_request(r, m);
                if (result == BACK_GONE) {
                        lose(r);
                        result = pause_after(r, ++n_vain) ?: BACK_GONE;
                }
        } while (result == BACK_GONE);
        if (result != 0 && result != REFUSED)
                return result;
        if (has_acks(r) || vhost_request_has_reply(VHOST_CHANNEL_MAIN, m->header.request)) {
                r->has_answered = true;
                r->n_vain = 0;
        }
        if (acknowledge(r, m, result == 0))
                return FRONT_GONE;
        if (result == 0) {
                see_pause(r, m, paused);
                relay_memory_take(&r->memory, m);
        }
        return 0;
}

/* Between two requests. Return: 0; FRONT_GONE; GIVEN_UP. */
static int wait_for_request(struct relay *r)
{
        struct pollfd fds[] = {
                { .fd = r->options->front_fd, .events = POLLIN },
                { .fd = r->back, .events = POLLIN },
        };
        int result = 0;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
                return FRONT_GONE;
        if (!fds[1].revents)
                return 0;
        /* It is gone, or says what nobody asked for. */
        lose(r);
        if (r->has_answered || clock_now_ns() - r->told_ns >= STEADY_NS)
                r->n_vain = 0;
        else
                result = pause_after(r, ++r->n_vain);
        return result ? result : find_server(r);
}

static int serve(struct relay *r)
{
        struct vhost_message m;
        const char *reason;
        int result = find_server(r);

        while (result == 0) {
                result = vhost_receive(r->options->front_fd, &r->front_rx, &m, &reason);
                if (result < 0)
                        return result == -EBADMSG ? result : 0;
                if (result == 0) {
                        result = wait_for_request(r);
                        continue;
                }
                /* What is well said and unknown is the server's to refuse. */
                result = vhost_check_request(VHOST_CHANNEL_MAIN, &m, &reason);
                if (result != -EBADMSG)
                        result = relay_request(r, &m);
                vhost_message_deinit(&m);
        }
        if (result == -EBADMSG)
                return result;
        return result == GIVEN_UP ? -ECONNABORTED : 0;
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
