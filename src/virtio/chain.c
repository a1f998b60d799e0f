/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/*
 * Walks a range of iov and calls @each on every piece, which is the loop that all helpers here share. Inlined
 * with a constant function, so that there is no call in the loop.
 */
static inline __attribute__((always_inline)) size_t
for_range(const struct iovec *iov, size_t n_iov, size_t offset, size_t n,
          void (*each)(void *piece, size_t n, size_t at, void *data), void *data)
{
        size_t done = 0;

        for (size_t i = 0; i < n_iov && done < n; i++) {
                size_t len = iov[i].iov_len, piece;

                if (offset >= len) {
                        offset -= len;
                        continue;
                }
                piece = MIN(len - offset, n - done);
                each((char *) iov[i].iov_base + offset, piece, done, data);
                done += piece;
                offset = 0;
        }
        return done;
}

static inline void copy_out(void *piece, size_t n, size_t at, void *data)
{
        memcpy((char *) data + at, piece, n);
}

static inline void copy_in(void *piece, size_t n, size_t at, void *data)
{
        memcpy(piece, (const char *) data + at, n);
}

static inline void clear(void *piece, size_t n, size_t at, void *data)
{
        memset(piece, 0, n);
}

size_t chain_read(const struct chain *c, size_t offset, void *buf, size_t n)
{
        return for_range(c->iov, c->n_read, offset, n, copy_out, buf);
}

size_t chain_write(const struct chain *c, size_t offset, const void *buf, size_t n)
{
        return for_range(c->iov + c->n_read, c->n_write, offset, n, copy_in, (void *) buf);
}

size_t chain_zero(const struct chain *c, size_t offset, size_t n)
{
        return for_range(c->iov + c->n_read, c->n_write, offset, n, clear, NULL);
}

static int slice(const struct iovec *iov, size_t n_iov, size_t offset, size_t n, struct iovec *out, size_t n_max)
{
        size_t n_out = 0;

        for (size_t i = 0; i < n_iov && n > 0; i++) {
                size_t len = iov[i].iov_len, piece;

                if (offset >= len) {
                        offset -= len;
                        continue;
                }
                if (n_out == n_max)
                        return -E2BIG;
                piece = MIN(len - offset, n);
                out[n_out++] = (struct iovec) { (char *) iov[i].iov_base + offset, piece };
                n -= piece;
                offset = 0;
        }
        return n > 0 ? -EBADMSG : (int) n_out;
}

int chain_read_slice(const struct chain *c, size_t offset, size_t n, struct iovec *out, size_t n_max)
{
        if (!range_fits(offset, n, c->n_read_bytes))
                return -EBADMSG;
        return slice(c->iov, c->n_read, offset, n, out, n_max);
}

int chain_write_slice(const struct chain *c, size_t offset, size_t n, struct iovec *out, size_t n_max)
{
        if (!range_fits(offset, n, c->n_write_bytes))
                return -EBADMSG;
        return slice(c->iov + c->n_read, c->n_write, offset, n, out, n_max);
}

int chain_keep(struct chain *ret, const struct chain *c, struct iovec *iov, size_t n_max)
{
        size_t n = (size_t) c->n_read + c->n_write;

        if (n > n_max) {
                iov = malloc(n * sizeof(*iov));
                if (!iov)
                        return -ENOMEM;
        }
        if (n > 0)
                memcpy(iov, c->iov, n * sizeof(*iov));
        *ret = *c;
        ret->iov = iov;
        return 0;
}

void chain_drop(struct chain *c, const struct iovec *iov)
{
        if (c->iov != iov)
                free(c->iov);
        c->iov = NULL;
        c->n_read = c->n_write = 0;
        c->n_read_bytes = c->n_write_bytes = 0;
}
