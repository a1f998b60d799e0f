/* SPDX-License-Identifier: MPL-2.0 */
/* Guest addresses that take more than a look at the window of ring.h. */
#include "virtio/ring.h"

/* A buffer that is not in the window, crosses regions, is empty, or is wrong. */
int ring_add_slow(struct queue_ring *r, struct chain *c, uint64_t at, uint32_t len_bytes, bool device_writes)
{
        uint32_t n = (uint32_t) c->n_read + c->n_write;
        int result;

        if (!device_writes && c->n_write > 0)
                return -EBADMSG;
        if (len_bytes > UINT32_MAX - c->n_read_bytes - c->n_write_bytes)
                return -EBADMSG;
        result = space_iov(r->space, at, len_bytes, &r->iov[n], r->n_iov_max - n);
        if (result < 0)
                return -EBADMSG;
        if (result > 0)
                (void) space_window(r->space, at, &r->window);
        if (device_writes) {
                c->n_write = (uint16_t) (c->n_write + result);
                c->n_write_bytes += len_bytes;
        } else {
                c->n_read = (uint16_t) (c->n_read + result);
                c->n_read_bytes += len_bytes;
        }
        return 0;
}

int ring_table_open(struct queue_ring *r, uint64_t at, uint32_t len_bytes, struct ring_table *ret)
{
        uint32_t n = len_bytes / sizeof(struct vring_desc);
        uint64_t offset = at - r->window.start;
        struct iovec iov[SPACE_REGIONS_MAX];
        int n_pieces;

        if (n == 0 || n > r->size || len_bytes % sizeof(struct vring_desc) != 0)
                return -EBADMSG;
        *ret = (struct ring_table) { .start = at, .n = n };
        if (likely(offset < r->window.size_bytes && len_bytes <= r->window.size_bytes - offset)) {
                ret->p = r->window.host + offset;
                return 0;
        }
        n_pieces = space_iov(r->space, at, len_bytes, iov, ARRAY_SIZE(iov));
        if (n_pieces < 0)
                return -EBADMSG;
        if (n_pieces == 1)
                ret->p = iov[0].iov_base;
        return 0;
}

int ring_table_read_slow(struct queue_ring *r, const struct ring_table *t, uint32_t index, struct raw_descriptor *ret)
{
        uint64_t offset = index * sizeof(struct vring_desc), n_done = 0;
        struct iovec iov[sizeof(struct vring_desc)];
        int n;

        if (add_overflows(t->start, offset, &offset))
                return -EBADMSG;
        n = space_iov(r->space, offset, sizeof(*ret), iov, ARRAY_SIZE(iov));
        if (n < 0)
                return -EBADMSG;
        for (int i = 0; i < n; i++) {
                for (size_t k = 0; k < iov[i].iov_len; k++)
                        ((char *) ret)[n_done + k] = ((const volatile char *) iov[i].iov_base)[k];
                n_done += iov[i].iov_len;
        }
        return 0;
}
