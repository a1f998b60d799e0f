/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The connection to a device server.
 *
 *      connect ─► greet ─► negotiate ─► used ─► lost ─► wait ─► connect ...
 *
 * The first one waits for the server, later ones do not: the supervisor keeps the listening socket while it starts a
 * new server, so connecting succeeds long before somebody answers. The greeting is sent and the loop waits for its
 * reply.
 */
#include "monitor/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/remote-internal.h"

/* Stopping a ring waits for what is in flight, which takes as long as a disk takes. */
#define TIMEOUT_MS 5000
#define TIMEOUT_LAST_MS 1000
/* A server that is only being started, beside us, answers when it is ready. */
#define TIMEOUT_FIRST_MS 30000
/* All that one says from its greeting on, until it is used: the machine's lock is held meanwhile. */
#define BACK_NS NSEC_PER_SEC
#define RETRY_MIN_NS (5 * NSEC_PER_MSEC)
/* Waiting for a server that is being started takes no trying: this is for one that hangs up on us. */
#define RETRY_MAX_NS (100 * NSEC_PER_MSEC)
#define LASTS_NS NSEC_PER_SEC
/* One that hangs cost everybody the time that we waited for it. */
#define RETRY_HUNG_NS (2 * NSEC_PER_SEC)

#define NET_FEATURE_MAC 5
#define BITS(from, to) ((FEATURE(to) - FEATURE(from)) | FEATURE(to))

/*
 * What may pass from server to driver: the bits of device types (VIRTIO 1.4, 2.2), and of the reserved ones those
 * that ask nothing of the transport or that this one can do. RING_PACKED passes if it is asked for.
 */
#define FEATURES_PASSED                                                                           \
        (BITS(0, 23) | FEATURE(41) | FEATURE(42) | (~UINT64_C(0) << 50) |                         \
         FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) | FEATURE(VIRTIO_FEATURE_EVENT_IDX) |              \
         FEATURE(VIRTIO_FEATURE_VERSION_1) | FEATURE(VIRTIO_FEATURE_IN_ORDER) |                   \
         FEATURE(VIRTIO_FEATURE_RING_RESET))

static void connect_later(struct remote *r, uint64_t delay_ns);

const struct monitor_device *remote_device(const struct remote *r) { return r->device; }
uint64_t remote_features(const struct remote *r) { return r->offered; }
uint16_t remote_n_rings(const struct remote *r) { return r->n_rings; }
int remote_kick_fd(const struct remote *r, uint16_t index) { return r->rings[index].kick_fd; }
int remote_call_fd(const struct remote *r, uint16_t index) { return r->rings[index].call_fd; }

uint16_t remote_queue_size_max(const struct remote *r)
{
        uint16_t size = r->device->queue_size_max ? r->device->queue_size_max : REMOTE_QUEUE_SIZE_DEFAULT;

        return (uint16_t) (1U << (31 - __builtin_clz(size)));
}

/* Whether one more line may be logged of what guest or server can trigger. */
static bool may_log(struct remote *r) { return ratelimit_take(&r->log_limit, 1, clock_now_ns()); }

void remote_fail(struct remote *r, const char *text)
{
        if (r->failed)
                return;
        r->failed = true;
        if (may_log(r))
                log_warning(r->device->id, "the device needs a reset: %s", text);
        if (r->events)
                r->events->needs_reset(r->data);
}

/* Return: 0, also if there is no configuration space; a negative errno of the front end. */
static int read_config(struct remote *r)
{
        uint8_t config[VHOST_CONFIG_MAX] = { 0 };
        int result = 0;

        if (r->n_config > 0)
                result = frontend_get_config(r->frontend, 0, config, r->n_config);
        if (result < 0)
                return result;
        if (r->device->has_mac)
                memcpy(config, r->device->mac, sizeof(r->device->mac));
        memcpy(r->config, config, sizeof(config));
        return 0;
}

/* Servers answer for as many bytes as they have, or for any number; none says how many that is. */
static int find_config(struct remote *r)
{
        int result = -EREMOTEIO;

        r->n_config = 0;
        if (!remote_has_protocol(r, VHOST_PROTOCOL_CONFIG))
                return read_config(r);
        for (r->n_config = VHOST_CONFIG_MAX; result == -EREMOTEIO && r->n_config > 0;) {
                result = read_config(r);
                if (result == -EREMOTEIO)
                        r->n_config -= 4;
        }
        return r->n_config == 0 ? read_config(r) : result;
}

uint64_t remote_can(const struct remote *r)
{
        uint64_t features = r->server_features & FEATURES_PASSED;

        if (r->device->packed)
                features |= r->server_features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
        if (r->device->has_mac)
                features |= FEATURE(NET_FEATURE_MAC);
        return features;
}

void remote_offer(struct remote *r)
{
        if (r->negotiated)
                r->offered = remote_can(r);
}

/* Return: 0; a negative errno, and @ret_text says what the server lacks if it is that. */
static int negotiate(struct remote *r, const char **ret_text)
{
        uint64_t n_rings = r->device->n_queues ? r->device->n_queues : 1;
        int result;

        result = frontend_negotiate(r->frontend, 0, &r->server_features);
        if (result == 0 && remote_has_protocol(r, VHOST_PROTOCOL_MQ))
                result = frontend_get_queue_num(r->frontend, &n_rings);
        if (result == 0)
                result = find_config(r);
        if (result < 0)
                return result;
        r->negotiated = true;
        r->connected_ns = clock_now_ns();
        if (!r->rings) /* of the first server: that many, unless we want fewer */
                r->n_rings = r->device->n_queues ?: (uint16_t) MIN(n_rings, (uint64_t) REMOTE_RINGS_MAX);
        *ret_text = NULL;
        if (!(r->server_features & FEATURE(VIRTIO_FEATURE_VERSION_1)))
                *ret_text = "it does not speak VIRTIO 1";
        else if (r->n_rings == 0 || n_rings < r->n_rings)
                *ret_text = "it has too few queues";
        return *ret_text ? -ENOTSUP : 0;
}

/* What cannot be had is a negative errno in the place of its fd. */
static int make_rings(struct remote *r)
{
        int worst = r->err_fd = fd_event();

        r->rings = calloc(r->n_rings, sizeof(*r->rings));
        if (!r->rings)
                return -ENOMEM;
        for (uint16_t i = 0; i < r->n_rings; i++) {
                struct ring *ring = &r->rings[i];

                ring->kick_fd = fd_event();
                ring->call_fd = fd_event();
                worst = MIN(worst, MIN(ring->kick_fd, ring->call_fd));
        }
        return MIN(worst, 0);
}

int remote_new(struct monitor *m, const struct monitor_device *d, struct remote **ret)
{
        struct remote *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        *r = (struct remote) { .monitor = m, .device = d, .inflight.fd = -1, .err_fd = -1, .retry_ns = RETRY_MIN_NS };
        ratelimit_init(&r->log_limit, 1, 10);
        *ret = r;
        return 0;
}

int remote_connect(struct remote *r, char **ret_error)
{
        const char *text = NULL;
        int result;

        *ret_error = NULL;
        result = frontend_connect(r->device->socket_path, &r->frontend);
        if (result == 0) {
                frontend_set_timeout(r->frontend, TIMEOUT_FIRST_MS);
                result = negotiate(r, &text);
        }
        if (result == 0)
                result = make_rings(r);
        if (result == 0) {
                frontend_set_timeout(r->frontend, TIMEOUT_MS);
                remote_offer(r);
                return 0;
        }
        return fail(result, ret_error, "device %s: server at %s: %s", r->device->id, r->device->socket_path,
                    text ? text : strerror(-result));
}

void remote_share_calls(struct remote *r)
{
        r->shares_calls = true;
        for (uint16_t i = 1; i < r->n_rings; i++) {
                fd_close(&r->rings[i].call_fd);
                r->rings[i].call_fd = r->rings[0].call_fd;
        }
}

/* VIRTIO 1.4, 2.1.2: a device that needs a reset says so like any change of its configuration. */
static void on_config_changed(struct frontend *f, void *data)
{
        struct remote *r = data;
        uint8_t status = 0;

        if (read_config(r) < 0)
                return; /* if the connection is lost the loop says so */
        if (remote_has_protocol(r, VHOST_PROTOCOL_STATUS))
                (void) frontend_get_status(f, &status);
        if ((status & VIRTIO_STATUS_NEEDS_RESET) && r->started)
                remote_fail(r, "the server says so");
        r->events->config_changed(r->data);
}

static void on_err(struct watch *w, uint32_t events)
{
        struct remote *r = container_of(w, struct remote, err_watch);

        (void) fd_event_take(r->err_fd);
        if (r->started)
                remote_fail(r, "a ring broke");
}

/* Gives up what is there, if anything, and begins again later. */
static void drop(struct remote *r)
{
        uint64_t now = clock_now_ns();
        bool hung = r->frontend && frontend_error(r->frontend) == -ETIMEDOUT;

        watch_stop(&r->greeting);
        r->frontend = frontend_free(r->frontend);
        if (r->negotiated && now - r->connected_ns > LASTS_NS)
                r->retry_ns = RETRY_MIN_NS;
        r->negotiated = false;
        remote_rings_lost(r);
        connect_later(r, hung ? RETRY_HUNG_NS : r->retry_ns);
}

static void on_disconnected(struct frontend *f, void *data)
{
        struct remote *r = data;
        int error = frontend_error(f);

        if (may_log(r))
                log_warning(r->device->id, "server lost: %s; waiting for it to come back", strerror(-error));
        /* One that dies leaves its rings as they are. What one does that breaks the protocol, nobody knows. */
        if (error != -ECONNRESET && r->told)
                remote_fail(r, "its server misbehaves");
        drop(r);
}

static const struct frontend_events events = {
        .config_changed = on_config_changed,
        .disconnected = on_disconnected,
};

/* The server is back. */
static void go_on(struct remote *r)
{
        uint8_t config[VHOST_CONFIG_MAX];
        const char *text = NULL;
        int result;

        memcpy(config, r->config, sizeof(config));
        frontend_set_deadline(r->frontend, clock_now_ns() + BACK_NS);
        result = negotiate(r, &text);
        if (result == 0)
                result = frontend_watch(r->frontend, r->monitor->loop, &events, r);
        if (result < 0) {
                if (may_log(r))
                        log_warning(r->device->id, "server at %s: %s", r->device->socket_path,
                                    text ? text : strerror(-result));
                drop(r);
                return;
        }
        frontend_set_deadline(r->frontend, 0);
        if (may_log(r))
                log_info(r->device->id, "server is back");
        if (!r->started)
                remote_offer(r);
        remote_bring_up(r, true);
        if (memcmp(config, r->config, sizeof(config)) != 0)
                r->events->config_changed(r->data);
}

static void on_greeting(struct watch *w, uint32_t ev)
{
        struct remote *r = container_of(w, struct remote, greeting);

        watch_stop(w);
        go_on(r);
}

static void on_retry(struct timer *t)
{
        struct remote *r = container_of(t, struct remote, retry);
        int fd, result;

        fd = fd_unix_connect_nonblock(r->device->socket_path);
        result = fd < 0 ? fd : frontend_new(fd, &r->frontend);
        if (result == 0) {
                frontend_set_timeout(r->frontend, TIMEOUT_MS);
                result = frontend_greet(r->frontend);
        }
        if (result == 0)
                result = watch_start(&r->greeting, r->monitor->loop, frontend_fd(r->frontend), EPOLLIN | EPOLLRDHUP,
                                     on_greeting);
        if (result < 0)
                drop(r);
}

static void connect_later(struct remote *r, uint64_t delay_ns)
{
        timer_start(&r->retry, r->monitor->loop, clock_now_ns() + delay_ns, on_retry);
        r->retry_ns = MIN(2 * r->retry_ns, RETRY_MAX_NS);
}

int remote_watch(struct remote *r, const struct remote_events *to, void *data)
{
        int result;

        result = watch_start(&r->err_watch, r->monitor->loop, r->err_fd, EPOLLIN, on_err);
        if (result == 0)
                result = frontend_watch(r->frontend, r->monitor->loop, &events, r);
        if (result < 0)
                return result;
        r->events = to;
        r->data = data;
        return 0;
}

struct remote *remote_free(struct remote *r)
{
        if (!r)
                return NULL;
        r->events = NULL;
        if (r->frontend)
                frontend_set_timeout(r->frontend, TIMEOUT_LAST_MS);
        if (r->rings)
                remote_reset(r);
        watch_stop(&r->err_watch);
        watch_stop(&r->greeting);
        timer_stop(&r->retry);
        r->frontend = frontend_free(r->frontend);
        for (uint16_t i = 0; r->rings && i < r->n_rings; i++) {
                fd_close(&r->rings[i].kick_fd);
                if (i == 0 || !r->shares_calls)
                        fd_close(&r->rings[i].call_fd);
        }
        free(r->rings);
        fd_close(&r->err_fd);
        free(r);
        return NULL;
}

void remote_config_read(const struct remote *r, uint64_t offset, void *buf, unsigned n_bytes)
{
        memset(buf, 0, n_bytes);
        if (offset < sizeof(r->config))
                memcpy(buf, r->config + offset, MIN((size_t) n_bytes, sizeof(r->config) - offset));
}

void remote_config_write(struct remote *r, uint64_t offset, const void *buf, unsigned n_bytes)
{
        int result;

        if (!remote_usable(r) || !range_fits(offset, n_bytes, r->n_config))
                return;
        /* A refusal is the server's way to say that the driver may not write there. */
        result = frontend_set_config(r->frontend, (uint32_t) offset, buf, n_bytes);
        if (result == 0 || result == -EREMOTEIO)
                (void) read_config(r);
}
