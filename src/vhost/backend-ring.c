/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Messages about one ring. What they say is kept here; backend-run.c makes a running queue of it.
 *
 * Spec: vhost-user protocol, "Ring states".
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

/* Return: the ring, or NULL and the refusal noted. */
static struct backend_ring *find_ring(struct vhost_backend *b, uint64_t index)
{
        if (index < b->n_rings)
                return &b->rings[index];
        (void) backend_refuse(b, -EINVAL, "no ring %" PRIu64 ", the device has %u", index, b->n_rings);
        return NULL;
}

int backend_set_vring_num(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_vring_state *in = &m->payload.state;
        struct backend_ring *ring = find_ring(b, in->index);

        if (!ring)
                return -EINVAL;
        if (ring->running && in->num != ring->size)
                return backend_refuse(b, -EBUSY, "ring %u is running", ring->index);
        if (in->num == 0 || in->num > QUEUE_SIZE_MAX)
                return backend_refuse(b, -EINVAL, "ring %u of size %u", ring->index, in->num);
        ring->size = (uint16_t) in->num;
        ring->has_size = true;
        return backend_rings_start(b, NULL);
}

static bool same_addresses(const struct vhost_vring_address *a, const struct vhost_vring_address *b)
{
        return a->descriptors == b->descriptors && a->available == b->available && a->used == b->used;
}

int backend_set_vring_addr(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_vring_address *in = &m->payload.address;
        struct backend_ring *ring = find_ring(b, in->index);

        if (!ring)
                return -EINVAL;
        if (in->flags & ~VHOST_VRING_FLAG_LOG)
                return backend_refuse(b, -EINVAL, "ring %u with flags 0x%x", ring->index, in->flags);
        if (ring->running && !same_addresses(in, &ring->address))
                return backend_refuse(b, -EBUSY, "ring %u is running", ring->index);
        ring->address = *in;
        ring->has_address = true;
        backend_ring_set_log(ring, in->flags & VHOST_VRING_FLAG_LOG);
        return backend_rings_start(b, NULL);
}

int backend_set_vring_base(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_vring_state *in = &m->payload.state;
        struct backend_ring *ring = find_ring(b, in->index);

        if (!ring)
                return -EINVAL;
        if (ring->running)
                return backend_refuse(b, -EBUSY, "ring %u is running", ring->index);
        ring->base = in->num;
        return 0;
}

int backend_get_vring_base(struct vhost_backend *b, struct vhost_message *m)
{
        struct backend_ring *ring = find_ring(b, m->payload.state.index);
        struct vhost_vring_state out;

        if (!ring)
                return -EINVAL;
        backend_ring_stop(ring);
        out = (struct vhost_vring_state) { .index = ring->index, .num = ring->base };
        return backend_reply(b, m, &out, sizeof(out), -1);
}

/*
 * Kicks, calls and errors come as eventfds, which are anonymous inodes: their mode has no file type. A pipe or
 * socket could block a writer or send it SIGPIPE, a regular file cannot be waited for. An eventfd blocks its
 * reader at 0 and its writer at the top unless told otherwise, and the front end's hand is on the counter.
 */
static int take_eventfd(struct vhost_backend *b, struct vhost_message *m, int *ret)
{
        struct stat st;
        int r;

        if (m->payload.u64 & VHOST_VRING_NO_FD) {
                *ret = -1;
                return 0;
        }
        if (fstat(m->fds[0], &st) < 0)
                return -errno;
        if ((st.st_mode & S_IFMT) != 0)
                return backend_refuse(b, -EINVAL, "not an eventfd");
        r = fd_set_nonblock(m->fds[0], true);
        if (r < 0)
                return r;
        *ret = take_fd(&m->fds[0]);
        return 0;
}

/* The ring and the eventfd of a SET_VRING_KICK, _CALL or _ERR. */
static int take_ring_fd(struct vhost_backend *b, struct vhost_message *m, struct backend_ring **ret_ring, int *ret_fd)
{
        if (m->payload.u64 & ~(VHOST_VRING_INDEX_MASK | VHOST_VRING_NO_FD))
                return backend_refuse(b, -EINVAL, "unknown bits in 0x%" PRIx64, m->payload.u64);
        *ret_ring = find_ring(b, m->payload.u64 & VHOST_VRING_INDEX_MASK);
        if (!*ret_ring)
                return -EINVAL;
        return take_eventfd(b, m, ret_fd);
}

int backend_set_vring_kick(struct vhost_backend *b, struct vhost_message *m)
{
        auto_cleanup(closep) int fd = -1;
        struct backend_ring *ring = NULL;
        int r;

        r = take_ring_fd(b, m, &ring, &fd);
        if (r < 0)
                return r;
        if (ring->running)
                return backend_ring_set_kick(ring, take_fd(&fd));
        fd_close(&ring->kick_fd);
        ring->kick_fd = take_fd(&fd);
        ring->has_kick = true;
        return backend_rings_start(b, ring);
}

int backend_set_vring_call(struct vhost_backend *b, struct vhost_message *m)
{
        auto_cleanup(closep) int fd = -1;
        struct backend_ring *ring = NULL;
        int r;

        r = take_ring_fd(b, m, &ring, &fd);
        if (r < 0)
                return r;
        backend_ring_set_call(ring, take_fd(&fd));
        return 0;
}

int backend_set_vring_err(struct vhost_backend *b, struct vhost_message *m)
{
        struct backend_ring *ring = NULL;
        int fd = -1, r;

        r = take_ring_fd(b, m, &ring, &fd);
        if (r < 0)
                return r;
        fd_close(&ring->err_fd);
        ring->err_fd = fd;
        return 0;
}

int backend_set_vring_enable(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_vring_state *in = &m->payload.state;
        struct backend_ring *ring = find_ring(b, in->index);

        if (!ring)
                return -EINVAL;
        if (in->num > 1)
                return backend_refuse(b, -EINVAL, "ring %u enabled with %u", ring->index, in->num);
        backend_ring_set_enabled(ring, in->num);
        return 0;
}
