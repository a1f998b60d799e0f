/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libslirp wants to be asked before each wait which descriptors it is interested in. Here its sockets sit in an
 * epoll set of their own, which is one watch of the loop; the set is brought up to date (sync) after anything
 * happened that may have changed it: frames of the guest, events, timers.
 *
 *      send() ─► slirp_input() ┐
 *      events ─► pollfds_poll() ├─► sync: pollfds_fill(), differences to the epoll set, timer
 *      timer  ─► pollfds_poll() ┘
 *
 * Sockets are closed within libslirp; unregister_poll_fd() comes before that and takes them out of the set, so that
 * a number that is used again is entered again.
 */
#include "backend/user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "backend/backlog.h"
#include "backend/gso.h"
#include "backend/port.h"
#include "backend/slirp-lazy.h"
#include "backend/user-forward.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"

#define EVENTS_MAX 64
#define QUEUE_FRAMES 1024
#define QUEUE_BYTES (2 << 20)

/* A descriptor number, as the epoll set has it. */
struct slot {
        uint32_t wanted;  /* events; 0: not in the set */
        uint32_t got;
        uint64_t round;   /* of the sync() that last saw it */
};

struct user_timer {
        struct user *user;
        struct timer timer;
        SlirpTimerId id;
        void *opaque;
};

struct user {
        struct port port;
        struct loop *loop; /* borrowed */
        Slirp *slirp;      /* owned */
        bool up;
        struct backlog backlog; /* towards the guest */
        uint8_t *scratch;       /* owned: FRAME_MAX_BYTES */

        int epoll_fd; /* owned */
        struct watch watch;
        struct timer timeout;
        struct task sync;
        uint64_t round;
        struct slot *slots; /* owned: by descriptor */
        size_t n_slots;
        int *fds, *old_fds; /* owned, n_slots each: of this and the previous sync */
        size_t n_fds, n_old_fds;
};

static struct user *of_port(struct port *p) { return container_of(p, struct user, port); }

/* Descriptors. */

static int slots_grow(struct user *u, size_t n)
{
        size_t n_new = MAX(n, 2 * u->n_slots);
        struct slot *slots;
        int *fds;

        if (n <= u->n_slots)
                return 0;
        slots = realloc(u->slots, n_new * sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        memset(slots + u->n_slots, 0, (n_new - u->n_slots) * sizeof(*slots));
        u->slots = slots;
        fds = realloc(u->fds, n_new * sizeof(*fds));
        if (!fds)
                return -ENOMEM;
        u->fds = fds;
        fds = realloc(u->old_fds, n_new * sizeof(*fds));
        if (!fds)
                return -ENOMEM;
        u->old_fds = fds;
        u->n_slots = n_new;
        return 0;
}

static void slot_set(struct user *u, int fd, uint32_t events)
{
        struct slot *slot = &u->slots[fd];
        struct epoll_event e = { .events = events, .data.fd = fd };
        int op = slot->wanted == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

        if (slot->wanted == events)
                return;
        if (epoll_ctl(u->epoll_fd, op, fd, &e) < 0)
                events = 0;
        slot->wanted = events;
}

static int on_add_poll(int fd, int events, void *data)
{
        struct user *u = data;
        uint32_t wanted = 0;

        if (fd < 0 || slots_grow(u, (size_t) fd + 1) < 0)
                return -1;
        wanted |= events & SLIRP_POLL_IN ? EPOLLIN : 0;
        wanted |= events & SLIRP_POLL_OUT ? EPOLLOUT : 0;
        wanted |= events & SLIRP_POLL_PRI ? EPOLLPRI : 0;
        wanted |= events & SLIRP_POLL_ERR ? EPOLLERR : 0;
        wanted |= events & SLIRP_POLL_HUP ? EPOLLHUP : 0;
        slot_set(u, fd, wanted);
        if (u->slots[fd].round != u->round && u->n_fds < u->n_slots)
                u->fds[u->n_fds++] = fd;
        u->slots[fd].round = u->round;
        return fd;
}

static int on_get_revents(int fd, void *data)
{
        struct user *u = data;
        uint32_t got;
        int events = 0;

        if (fd < 0 || (size_t) fd >= u->n_slots)
                return 0;
        got = u->slots[fd].got;
        events |= got & EPOLLIN ? SLIRP_POLL_IN : 0;
        events |= got & EPOLLOUT ? SLIRP_POLL_OUT : 0;
        events |= got & EPOLLPRI ? SLIRP_POLL_PRI : 0;
        events |= got & EPOLLERR ? SLIRP_POLL_ERR : 0;
        events |= got & EPOLLHUP ? SLIRP_POLL_HUP : 0;
        return events;
}

static void on_register(int fd, void *data) {}

static void on_unregister(int fd, void *data)
{
        struct user *u = data;

        if (fd >= 0 && (size_t) fd < u->n_slots) {
                slot_set(u, fd, 0);
                u->slots[fd].got = 0;
        }
}

static void on_timeout(struct timer *t);

static void sync_now(struct user *u)
{
        uint32_t timeout_ms = UINT32_MAX;
        int *fds = u->old_fds;

        u->old_fds = u->fds;
        u->n_old_fds = u->n_fds;
        u->fds = fds;
        u->n_fds = 0;
        u->round++;
        slirp_pollfds_fill(u->slirp, &timeout_ms, on_add_poll, u);
        for (size_t i = 0; i < u->n_old_fds; i++)
                if (u->slots[u->old_fds[i]].round != u->round)
                        slot_set(u, u->old_fds[i], 0);

        if (timeout_ms == UINT32_MAX)
                timer_stop(&u->timeout);
        else
                timer_start(&u->timeout, u->loop, clock_now_ns() + timeout_ms * NSEC_PER_MSEC, on_timeout);
}

static void on_sync(struct task *t) { sync_now(container_of(t, struct user, sync)); }

static void poll_now(struct user *u)
{
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(u->epoll_fd, events, ARRAY_SIZE(events), 0);

        for (int i = 0; i < n; i++)
                u->slots[events[i].data.fd].got = events[i].events;
        slirp_pollfds_poll(u->slirp, 0, on_get_revents, u);
        for (int i = 0; i < n; i++)
                u->slots[events[i].data.fd].got = 0;

        if (u->up)
                u->port.owner->flush(u->port.owner->data);
        sync_now(u);
}

static void on_events(struct watch *w, uint32_t events) { poll_now(container_of(w, struct user, watch)); }

static void on_timeout(struct timer *t) { poll_now(container_of(t, struct user, timeout)); }

/* Towards the guest. */

static ssize_t on_send_packet(const void *bytes, size_t n, void *data)
{
        struct user *u = data;
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, n, (struct frame_header) { 0 }, &rest);
        int r = -EAGAIN;

        if (!u->up || n < FRAME_MIN_BYTES || n > FRAME_MAX_BYTES)
                return (ssize_t) n;
        if (backlog_is_empty(&u->backlog))
                r = u->port.owner->deliver(u->port.owner->data, &f);
        if (r == -EAGAIN)
                (void) backlog_add(&u->backlog, 0, &f); /* full: lost, as on any network */
        return (ssize_t) n;
}

static void user_ready(struct port *p)
{
        struct user *u = of_port(p);
        const struct port_owner *owner = p->owner;

        if (!u->up || backlog_is_empty(&u->backlog))
                return;
        while (!backlog_is_empty(&u->backlog)) {
                struct iovec rest;
                struct frame f = backlog_first(&u->backlog, &rest);

                if (owner->deliver(owner->data, &f) == -EAGAIN)
                        break;
                backlog_drop_first(&u->backlog);
        }
        owner->flush(owner->data);
}

/* From the guest. */

static void input(void *data, const struct frame *f)
{
        struct user *u = data;

        if (f->n_head == f->n_bytes)
                slirp_input(u->slirp, f->head, (int) f->n_bytes);
        else {
                uint8_t bytes[2048];

                if (f->n_bytes > sizeof(bytes))
                        return; /* longer than the MTU that was announced */
                frame_copy(f, bytes);
                slirp_input(u->slirp, bytes, (int) f->n_bytes);
        }
}

/*
 * libslirp looks at IP addresses only, and answers for any: connections to other guests of a switch would be reset by
 * it. Its own Ethernet addresses begin with 52:55 (IPv4) and 52:56 (IPv6).
 */
static bool is_for_us(const struct frame *f)
{
        return f->head[0] & 1 || (f->head[0] == 0x52 && (f->head[1] == 0x55 || f->head[1] == 0x56));
}

static int user_send(struct port *p, const struct frame *f)
{
        static const struct frame_offloads none;
        struct user *u = of_port(p);

        if (!is_for_us(f))
                return 0;
        if (frame_suits(f, &none))
                input(u, f);
        else {
                if (!u->scratch)
                        u->scratch = malloc(FRAME_MAX_BYTES + FRAME_TAG_BYTES);
                if (!u->scratch)
                        return -ENOMEM;
                (void) gso_finish(f, u->scratch, input, u);
        }
        return 0;
}

static void user_send_flush(struct port *p)
{
        struct user *u = of_port(p);

        if (u->up)
                p->owner->flush(p->owner->data);
        task_schedule(&u->sync, u->loop, on_sync);
}

static void user_start(struct port *p, const struct frame_offloads *guest) { of_port(p)->up = true; }

static void user_stop(struct port *p)
{
        struct user *u = of_port(p);

        u->up = false;
        backlog_clear(&u->backlog);
}

/* Timers of libslirp, in milliseconds of on_clock(). */

static int64_t on_clock(void *data) { return (int64_t) clock_now_ns(); }

static void on_slirp_timer(struct timer *t)
{
        struct user_timer *ut = container_of(t, struct user_timer, timer);

        slirp_handle_timer(ut->user->slirp, ut->id, ut->opaque);
        task_schedule(&ut->user->sync, ut->user->loop, on_sync);
}

static void *on_timer_new(SlirpTimerId id, void *opaque, void *data)
{
        struct user_timer *ut = calloc(1, sizeof(*ut));

        if (ut)
                *ut = (struct user_timer) { .user = data, .id = id, .opaque = opaque };
        return ut;
}

static void on_timer_free(void *timer, void *data)
{
        struct user_timer *ut = timer;

        if (ut)
                timer_stop(&ut->timer);
        free(ut);
}

static void on_timer_mod(void *timer, int64_t expire_ms, void *data)
{
        struct user_timer *ut = timer;

        if (ut)
                timer_start(&ut->timer, ut->user->loop, (uint64_t) MAX(expire_ms, (int64_t) 0) * NSEC_PER_MSEC,
                            on_slirp_timer);
}

static void on_notify(void *data) {}

static void on_guest_error(const char *text, void *data) { log_debug("user", "%s", text); }

static const SlirpCb callbacks = {
        .send_packet = on_send_packet,
        .guest_error = on_guest_error,
        .clock_get_ns = on_clock,
        .timer_new_opaque = on_timer_new,
        .timer_free = on_timer_free,
        .timer_mod = on_timer_mod,
        .register_poll_fd = on_register,
        .unregister_poll_fd = on_unregister,
        .notify = on_notify,
};

static struct user *user_free(struct user *u)
{
        if (!u)
                return NULL;
        u->up = false;
        if (u->slirp)
                slirp_cleanup(u->slirp);
        watch_stop(&u->watch);
        timer_stop(&u->timeout);
        task_cancel(&u->sync);
        closep(&u->epoll_fd);
        backlog_deinit(&u->backlog);
        free(u->slots);
        free(u->fds);
        free(u->old_fds);
        free(u->scratch);
        free(u);
        return NULL;
}

static void user_freep(struct user **u) { *u = user_free(*u); }

static struct port *user_port_free(struct port *p)
{
        user_free(of_port(p));
        return NULL;
}

static const struct port_ops user_port_ops = {
        .name = "user",
        .send = user_send,
        .start = user_start,
        .stop = user_stop,
        .free = user_port_free,
        .send_flush = user_send_flush,
        .ready = user_ready,
};

static int slirp_open(struct user *u, const struct user_options *options)
{
        SlirpConfig config = {
                .version = 4,
                .restricted = options->restricted,
                .in_enabled = true,
                .vnetwork.s_addr = htonl(0x0a000200),
                .vnetmask.s_addr = htonl(0xffffff00),
                .vhost.s_addr = htonl(0x0a000202),
                .vdhcp_start.s_addr = htonl(0x0a00020f),
                .vnameserver.s_addr = htonl(0x0a000203),
                .in6_enabled = !options->no_ipv6,
                .vprefix_len = 64,
                .disable_host_loopback = options->no_host_loopback,
        };
        int r;

        r = slirp_load();
        if (r < 0)
                return r;
        (void) inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
        (void) inet_pton(AF_INET6, "fec0::2", &config.vhost6);
        (void) inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
        u->slirp = slirp_new(&config, &callbacks, u);
        return u->slirp ? 0 : -ENOMEM;
}

int user_open(struct loop *loop, const struct user_options *options, struct port **ret, const char **ret_bad)
{
        auto_cleanup(user_freep) struct user *u = NULL;
        int r;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        *u = (struct user) { .port = { .ops = &user_port_ops }, .loop = loop, .epoll_fd = -1 };
        r = backlog_init(&u->backlog, 1, QUEUE_FRAMES, QUEUE_BYTES);
        if (r < 0)
                return r;
        u->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (u->epoll_fd < 0)
                return -errno;
        r = watch_start(&u->watch, loop, u->epoll_fd, EPOLLIN, on_events);
        if (r == 0)
                r = slots_grow(u, 64);
        if (r == 0)
                r = slirp_open(u, options);
        for (size_t i = 0; r == 0 && i < options->n_forwards; i++) {
                r = user_forward_add(u->slirp, options->forwards[i]);
                if (r < 0 && ret_bad)
                        *ret_bad = options->forwards[i];
        }
        if (r < 0)
                return r;
        sync_now(u);
        *ret = &take_ptr(&u)->port;
        return 0;
}
