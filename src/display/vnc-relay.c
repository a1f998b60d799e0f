/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The TLS of a viewer who is in: libvncserver has one end of a socket pair, this has the other and the network's. One
 * buffer each way; a side that does not read stops the other.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "display/vnc-private.h"

#define BUFFER_SIZE 16384 /* a record of TLS */

struct way {
        uint8_t buffer[BUFFER_SIZE];
        size_t from, to;      /* what is to be written */
        short read_events, write_events; /* what its next read or write waits for; 0: nothing, try */
        bool ended;
};

static ssize_t plain_read(int fd, void *buf, size_t n, short *ret_events)
{
        ssize_t r = recv(fd, buf, n, MSG_DONTWAIT);

        *ret_events = POLLIN;
        return r < 0 ? -errno : r;
}

static ssize_t plain_write(int fd, const void *buf, size_t n, short *ret_events)
{
        ssize_t r = send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        *ret_events = POLLOUT;
        return r < 0 ? -errno : r;
}

/* One step of a way: read if it is empty, write what there is. Return: whether anything moved. */
static bool step(struct way *w, struct vnc_tls_session *tls, int plain_fd, bool inward)
{
        bool moved = false;
        ssize_t n;

        w->read_events = w->write_events = 0;
        if (w->from == w->to) {
                n = inward ? vnc_tls_read(tls, w->buffer, sizeof(w->buffer), &w->read_events)
                           : plain_read(plain_fd, w->buffer, sizeof(w->buffer), &w->read_events);
                w->from = 0;
                w->to = n > 0 ? (size_t) n : 0;
                moved = n > 0;
                w->ended = n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR);
        }
        while (!w->ended && w->from < w->to) {
                n = inward ? plain_write(plain_fd, w->buffer + w->from, w->to - w->from, &w->write_events)
                           : vnc_tls_write(tls, w->buffer + w->from, w->to - w->from, &w->write_events);
                if (n == -EAGAIN || n == -EINTR)
                        break;
                w->ended = n <= 0;
                w->from += n > 0 ? (size_t) n : 0;
                moved = true;
        }
        return moved;
}

static void wait_for(const struct way *in, const struct way *out, int fd, int plain_fd)
{
        struct pollfd fds[] = { { .fd = fd }, { .fd = plain_fd } };

        /* Of TLS, both ways may wait for either direction of the network's side. */
        if (in->from == in->to)
                fds[0].events |= in->read_events;
        else
                fds[1].events |= in->write_events;
        if (out->from == out->to)
                fds[1].events |= out->read_events;
        else
                fds[0].events |= out->write_events;
        /* A side that nothing is awaited from must not end the wait again and again when it has gone: see poll(2). */
        for (size_t i = 0; i < 2; i++)
                if (fds[i].events == 0)
                        fds[i].fd = -1;
        (void) poll(fds, 2, -1);
}

/* Until one side ends. */
static void relay(const struct vnc_job *job)
{
        struct way in = { 0 }, out = { 0 };

        while (!in.ended && !out.ended) {
                bool moved = step(&in, job->tls, job->plain_fd, true);

                moved |= step(&out, job->tls, job->plain_fd, false);
                if (!moved && !in.ended && !out.ended)
                        wait_for(&in, &out, job->fd, job->plain_fd);
        }
        (void) shutdown(job->fd, SHUT_RDWR);
        (void) shutdown(job->plain_fd, SHUT_RDWR);
}

void *vnc_relay_main(void *data)
{
        struct vnc_slot *slot = data;

        pthread_mutex_lock(&slot->lock);
        while (!slot->stopping) {
                struct vnc_job job = slot->job;

                if (!job.tls) {
                        pthread_cond_wait(&slot->relay_cond, &slot->lock);
                        continue;
                }
                pthread_mutex_unlock(&slot->lock);
                relay(&job);
                pthread_mutex_lock(&slot->lock);
                slot->job.tls = NULL;
                pthread_cond_broadcast(&slot->relay_cond);
        }
        slot->relay_gone = true;
        pthread_cond_broadcast(&slot->relay_cond);
        pthread_mutex_unlock(&slot->lock);
        return NULL;
}

void vnc_relay_begin(struct vnc_slot *slot, const struct vnc_job *job)
{
        pthread_mutex_lock(&slot->lock);
        slot->job = *job;
        pthread_cond_broadcast(&slot->relay_cond);
        pthread_mutex_unlock(&slot->lock);
}

void vnc_relay_end(struct vnc_slot *slot)
{
        pthread_mutex_lock(&slot->lock);
        while (slot->job.tls && !slot->relay_gone)
                pthread_cond_wait(&slot->relay_cond, &slot->lock);
        slot->job.tls = NULL;
        pthread_mutex_unlock(&slot->lock);
}
