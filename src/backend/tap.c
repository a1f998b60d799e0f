/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One descriptor a queue pair (IFF_MULTI_QUEUE if there are several); the kernel steers flows among them by what
 * the guest sent on each. Every descriptor is in one of these states, in each direction:
 *
 *      read:   watched (EPOLLIN) ── guest has no buffers ──► waiting for ready()
 *      write:  free ── EAGAIN ──► waiting for EPOLLOUT, then owner.writable()
 *
 * A frame is read straight into the guest's buffers if enough of them can be reserved for the longest frame there
 * may be. If not, it is read into a bounce buffer, delivered by copy, and kept there while it must wait.
 */
#include "backend/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "backend/port.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"

#define TAP_BURST 64       /* frames read before others have their turn */
#define TAP_IOV_MAX 256    /* pieces of one frame; the kernel takes 1024 */
#define TAP_SNDBUF_BYTES (1 << 20) /* in the kernel, not yet taken by the receiver; then writing waits */
#define BOUNCE_BYTES (FRAME_HEADER_BYTES + FRAME_MAX_BYTES + FRAME_TAG_BYTES)

struct tap_queue {
        struct tap *tap;
        uint16_t index;
        int fd; /* owned */
        struct watch watch;
        bool wait_ready, wait_writable;
        uint8_t *bounce; /* owned; NULL until needed */
        size_t n_held;   /* bytes of a frame in bounce that waits; 0: none */
};

struct tap {
        struct port port;
        struct loop *loop; /* borrowed */
        bool up;
        uint32_t mtu;
        size_t n_frame_max; /* the longest that may come, header included */
        uint16_t n_queues;
        struct tap_queue queues[];
};

static struct tap *of_port(struct port *p) { return container_of(p, struct tap, port); }

static void watch_update(struct tap_queue *q)
{
        uint32_t events = (q->wait_ready ? 0 : EPOLLIN) | (q->wait_writable ? EPOLLOUT : 0);

        (void) watch_set_events(&q->watch, events);
}

/* Delivers the frame in the bounce buffer. Return: false if it must wait. */
static bool deliver_held(struct tap_queue *q)
{
        static const struct frame_offloads all = { .checksum = true, .tso4 = true, .tso6 = true, .ecn = true };
        const struct port_owner *owner = q->tap->port.owner;
        struct frame_header header;
        struct iovec rest;
        struct frame f;

        memcpy(&header, q->bounce, sizeof(header));
        f = frame_of_buffer(q->bounce + FRAME_HEADER_BYTES, q->n_held - FRAME_HEADER_BYTES, header, &rest);
        f.queue = q->index;
        if (frame_check(&f, &all) == 0) {
                f.header.flags |= header.flags & FRAME_DATA_VALID;
                if (owner->deliver(owner->data, &f) == -EAGAIN)
                        return false;
        }
        q->n_held = 0;
        return true;
}

/* Return: 1 a frame was read and delivered, or waits; 0 there is none; a negative errno. */
static int read_bounce(struct tap_queue *q)
{
        ssize_t n;

        if (!q->bounce) {
                q->bounce = malloc(BOUNCE_BYTES);
                if (!q->bounce)
                        return -ENOMEM;
        }
        n = read(q->fd, q->bounce, BOUNCE_BYTES);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if ((size_t) n < FRAME_HEADER_BYTES + FRAME_MIN_BYTES || n == BOUNCE_BYTES)
                return 1;
        q->n_held = (size_t) n;
        q->wait_ready = !deliver_held(q);
        return 1;
}

static int read_straight(struct tap_queue *q)
{
        const struct port_owner *owner = q->tap->port.owner;
        struct iovec iov[TAP_IOV_MAX];
        size_t n_bytes = 0;
        ssize_t n;
        int n_iov;

        if (!owner->reserve)
                return -EAGAIN;
        n_iov = owner->reserve(owner->data, q->index, q->tap->n_frame_max, iov, ARRAY_SIZE(iov));
        if (n_iov < 0)
                return n_iov;
        n = readv(q->fd, iov, n_iov);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        for (int i = 0; i < n_iov; i++)
                n_bytes += iov[i].iov_len;
        if ((size_t) n >= FRAME_HEADER_BYTES + FRAME_MIN_BYTES && (size_t) n < n_bytes)
                owner->commit(owner->data, q->index, (size_t) n);
        return 1;
}

static void read_burst(struct tap_queue *q)
{
        const struct port_owner *owner = q->tap->port.owner;
        int r = 1;

        if (q->n_held > 0)
                q->wait_ready = !deliver_held(q);
        for (unsigned i = 0; i < TAP_BURST && r > 0 && !q->wait_ready; i++) {
                r = read_straight(q);
                if (r == -EAGAIN)
                        r = read_bounce(q);
        }
        owner->flush(owner->data);
        if (r < 0 && r != -EAGAIN && r != -ENOMEM) {
                /* The interface is gone: EBADFD, or what its driver says. */
                watch_stop(&q->watch);
                if (owner->link_changed)
                        owner->link_changed(owner->data, false);
                return;
        }
        watch_update(q);
}

static void on_event(struct watch *w, uint32_t events)
{
        struct tap_queue *q = container_of(w, struct tap_queue, watch);

        if ((events & EPOLLOUT) && q->wait_writable) {
                q->wait_writable = false;
                watch_update(q);
                q->tap->port.owner->writable(q->tap->port.owner->data);
        }
        if (q->tap->up && q->watch.loop && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !q->wait_ready)
                read_burst(q);
        else if (q->watch.loop && (events & (EPOLLERR | EPOLLHUP)))
                watch_stop(&q->watch);
}

static int tap_send(struct port *p, const struct frame *f)
{
        struct tap *tap = of_port(p);
        struct tap_queue *q = &tap->queues[f->queue == FRAME_QUEUE_ANY ? 0 : f->queue % tap->n_queues];
        struct iovec iov[TAP_IOV_MAX];
        size_t left = f->n_bytes - f->n_head;
        int n = 0;

        if (q->wait_writable)
                return -EAGAIN;

        iov[n++] = (struct iovec) { .iov_base = (void *) (uintptr_t) &f->header, .iov_len = FRAME_HEADER_BYTES };
        iov[n++] = (struct iovec) { .iov_base = (void *) (uintptr_t) f->head, .iov_len = f->n_head };
        for (uint32_t i = 0; i < f->n_rest && left > 0; i++) {
                if (n == ARRAY_SIZE(iov))
                        return -EMSGSIZE;
                iov[n] = f->rest[i];
                iov[n].iov_len = MIN(iov[n].iov_len, left);
                left -= iov[n++].iov_len;
        }
        if (writev(q->fd, iov, n) >= 0)
                return 0;
        if (errno == EAGAIN) {
                if (!q->watch.loop)
                        return -ENETDOWN;
                q->wait_writable = true;
                watch_update(q);
                return -EAGAIN;
        }
        return -errno; /* EIO: the interface is down; EINVAL: the kernel dislikes the contents */
}

static void tap_ready(struct port *p)
{
        struct tap *tap = of_port(p);

        for (uint16_t i = 0; tap->up && i < tap->n_queues; i++) {
                struct tap_queue *q = &tap->queues[i];

                if (q->wait_ready && q->watch.loop) {
                        q->wait_ready = false;
                        read_burst(q);
                }
        }
}

static void tap_start(struct port *p, const struct frame_offloads *guest)
{
        struct tap *tap = of_port(p);
        unsigned long offloads = 0;
        bool segments = guest->tso4 || guest->tso6;

        if (guest->checksum)
                offloads = TUN_F_CSUM | (guest->tso4 ? TUN_F_TSO4 : 0) | (guest->tso6 ? TUN_F_TSO6 : 0) |
                           (guest->ecn && segments ? TUN_F_TSO_ECN : 0);
        (void) ioctl(tap->queues[0].fd, TUNSETOFFLOAD, offloads);
        tap->n_frame_max =
                FRAME_HEADER_BYTES + (segments ? FRAME_MAX_BYTES : FRAME_MIN_BYTES + FRAME_TAG_BYTES + tap->mtu);
        tap->n_frame_max++; /* a frame that fills all that was reserved may have been cut */

        for (uint16_t i = 0; i < tap->n_queues; i++) {
                struct tap_queue *q = &tap->queues[i];

                q->wait_ready = false;
                if (!q->watch.loop && watch_start(&q->watch, tap->loop, q->fd, EPOLLIN, on_event) < 0)
                        continue;
                watch_update(q);
        }
        tap->up = true;
}

static void tap_stop(struct port *p)
{
        struct tap *tap = of_port(p);

        tap->up = false;
        for (uint16_t i = 0; i < tap->n_queues; i++) {
                watch_stop(&tap->queues[i].watch);
                tap->queues[i].n_held = 0;
                tap->queues[i].wait_writable = false;
        }
}

static struct tap *tap_free(struct tap *tap)
{
        if (!tap)
                return NULL;
        for (uint16_t i = 0; i < tap->n_queues; i++) {
                watch_stop(&tap->queues[i].watch);
                closep(&tap->queues[i].fd);
                free(tap->queues[i].bounce);
        }
        free(tap);
        return NULL;
}

static void tap_freep(struct tap **tap) { *tap = tap_free(*tap); }

static struct port *tap_port_free(struct port *p)
{
        tap_free(of_port(p));
        return NULL;
}

static const struct port_ops tap_port_ops = {
        .name = "tap",
        .steers = true,
        .send = tap_send,
        .start = tap_start,
        .stop = tap_stop,
        .free = tap_port_free,
        .ready = tap_ready,
};

static int open_by_name(struct tap *tap, const char *name)
{
        struct ifreq ifr = { 0 };

        if (strlen(name) == 0 || strlen(name) >= sizeof(ifr.ifr_name))
                return -EINVAL;
        for (uint16_t i = 0; i < tap->n_queues; i++) {
                tap->queues[i].fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
                if (tap->queues[i].fd < 0)
                        return -errno;
                ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
                if (tap->n_queues > 1)
                        ifr.ifr_flags |= IFF_MULTI_QUEUE;
                memcpy(ifr.ifr_name, name, strlen(name) + 1);
                if (ioctl(tap->queues[i].fd, TUNSETIFF, &ifr) < 0)
                        return -errno;
        }
        return 0;
}

/* Brings the interface up if that is allowed, learns its MTU. A tap that the user set up needs neither. */
static void set_up_interface(struct tap *tap, struct ifreq *ifr)
{
        auto_cleanup(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        tap->mtu = 1500;
        if (fd < 0)
                return;
        if (ioctl(fd, SIOCGIFFLAGS, ifr) == 0 && (ifr->ifr_flags & IFF_UP) == 0) {
                ifr->ifr_flags |= IFF_UP;
                (void) ioctl(fd, SIOCSIFFLAGS, ifr);
        }
        if (ioctl(fd, SIOCGIFMTU, ifr) == 0 && ifr->ifr_mtu > 0 && ifr->ifr_mtu < FRAME_MAX_BYTES - 18)
                tap->mtu = (uint32_t) ifr->ifr_mtu;
}

static int configure(struct tap *tap)
{
        const int need = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        const int header = FRAME_HEADER_BYTES, sndbuf = TAP_SNDBUF_BYTES;
        struct ifreq ifr;

        for (uint16_t i = 0; i < tap->n_queues; i++) {
                int fd = tap->queues[i].fd, flags;

                memset(&ifr, 0, sizeof(ifr));
                if (ioctl(fd, TUNGETIFF, &ifr) < 0)
                        return errno == ENOTTY ? -EINVAL : -errno;
                if ((ifr.ifr_flags & need) != need)
                        return -EINVAL;
                if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0)
                        return -errno;
                flags = fcntl(fd, F_GETFL);
                if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                        return -errno;
        }
        set_up_interface(tap, &ifr);
        return 0;
}

int tap_open(struct loop *loop, const struct tap_options *options, struct port **ret)
{
        auto_cleanup(tap_freep) struct tap *tap = NULL;
        bool fits = options->n_queues >= 1 && options->n_queues <= TAP_QUEUES_MAX;
        int r;

        if (fits)
                tap = calloc(1, sizeof(*tap) + options->n_queues * sizeof(tap->queues[0]));
        if (!tap) {
                for (uint16_t i = 0; options->fds && i < options->n_queues; i++)
                        (void) close(options->fds[i]);
                return fits ? -ENOMEM : -EINVAL;
        }
        *tap = (struct tap) { .port = { .ops = &tap_port_ops }, .loop = loop, .n_queues = options->n_queues };
        for (uint16_t i = 0; i < tap->n_queues; i++)
                tap->queues[i] = (struct tap_queue) { .tap = tap, .index = i,
                                                      .fd = options->fds ? options->fds[i] : -1 };

        r = options->fds ? 0 : open_by_name(tap, options->name);
        if (r == 0)
                r = configure(tap);
        if (r < 0)
                return r;
        *ret = &take_ptr(&tap)->port;
        return 0;
}
