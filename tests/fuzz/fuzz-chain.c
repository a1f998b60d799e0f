/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what a device model asks of a chain, with offsets that come from a guest. Compared with the same
 * done on flat memory.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "virtio/chain.h"

#define N_PIECES_MAX 16
#define PIECE_MAX 24
#define FLAT_MAX (N_PIECES_MAX * PIECE_MAX)

#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct part {
        uint8_t flat[FLAT_MAX];
        size_t n;
};

static uint8_t take(const uint8_t **data, size_t *size)
{
        if (*size == 0)
                return 0;
        (*size)--;
        return *(*data)++;
}

/* Mostly inside, sometimes at the edge, sometimes far out. */
static size_t take_number(const uint8_t **data, size_t *size)
{
        uint8_t n = take(data, size);

        return n < 0xe0 ? n : n < 0xf0 ? (size_t) 1 << (n & 0xf) : SIZE_MAX - (n & 0xf);
}

static void gather(const struct iovec *iov, size_t n_iov, struct part *ret)
{
        ret->n = 0;
        for (size_t i = 0; i < n_iov; i++) {
                memcpy(ret->flat + ret->n, iov[i].iov_base, iov[i].iov_len);
                ret->n += iov[i].iov_len;
        }
}

static size_t inside(const struct part *p, size_t offset, size_t n)
{
        return offset >= p->n ? 0 : MIN(n, p->n - offset);
}

static void check_slice(const struct part *p, int r, size_t offset, size_t n, const struct iovec *out, size_t n_max)
{
        size_t at = offset;

        expect(r >= 0 || r == -E2BIG || r == -EBADMSG);
        expect((r == -EBADMSG) == !range_fits(offset, n, p->n));
        if (r < 0)
                return;
        expect((size_t) r <= n_max);
        for (int i = 0; i < r; i++) {
                expect(memcmp(out[i].iov_base, p->flat + at, out[i].iov_len) == 0);
                at += out[i].iov_len;
        }
        expect(at == offset + n);
}

static void check_step(const struct chain *c, const uint8_t **data, size_t *size)
{
        uint8_t op = take(data, size), buf[FLAT_MAX];
        size_t offset = take_number(data, size), n = take_number(data, size), n_max = op / 8 % 20, done;
        struct iovec out[20];
        struct part before, after;

        gather(c->iov, c->n_read, &before);
        gather(c->iov + c->n_read, c->n_write, &after);
        switch (op % 6) {
        case 0:
                n = MIN(n, sizeof(buf));
                done = chain_read(c, offset, buf, n);
                expect(done == inside(&before, offset, n) &&
                       memcmp(buf, before.flat + MIN(offset, before.n), done) == 0);
                break;
        case 1:
        case 2:
                n = MIN(n, sizeof(buf));
                memset(buf, op % 6 == 1 ? op : 0, sizeof(buf));
                done = op % 6 == 1 ? chain_write(c, offset, buf, n) : chain_zero(c, offset, n);
                expect(done == inside(&after, offset, n));
                if (done > 0)
                        memcpy(after.flat + offset, buf, done);
                gather(c->iov + c->n_read, c->n_write, &before);
                expect(memcmp(before.flat, after.flat, after.n) == 0);
                break;
        case 3:
                check_slice(&before, chain_read_slice(c, offset, n, out, n_max), offset, n, out, n_max);
                break;
        case 4:
                check_slice(&after, chain_write_slice(c, offset, n, out, n_max), offset, n, out, n_max);
                break;
        default: {
                struct chain kept;

                expect(chain_keep(&kept, c, out, n_max) == 0);
                gather(kept.iov, kept.n_read, &after);
                expect(after.n == before.n && memcmp(after.flat, before.flat, after.n) == 0);
                chain_drop(&kept, out);
                break;
        }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct iovec iov[N_PIECES_MAX];
        uint8_t *memory[N_PIECES_MAX];
        uint8_t n_read = take(&data, &size) % (N_PIECES_MAX / 2 + 1),
                n_write = take(&data, &size) % (N_PIECES_MAX / 2 + 1);
        struct chain c = { .n_read = n_read, .n_write = n_write, .iov = iov };

        for (unsigned i = 0; i < (unsigned) n_read + n_write; i++) {
                size_t n = take(&data, &size) % PIECE_MAX + 1;

                /* A block of its own for each, so that a step outside is seen. */
                memory[i] = malloc(n);
                expect(memory[i] != NULL);
                memset(memory[i], (int) (i + 1), n);
                iov[i] = (struct iovec) { memory[i], n };
                if (i < n_read)
                        c.n_read_bytes += (uint32_t) n;
                else
                        c.n_write_bytes += (uint32_t) n;
        }
        while (size > 0)
                check_step(&c, &data, &size);
        for (unsigned i = 0; i < (unsigned) n_read + n_write; i++)
                free(memory[i]);
        return 0;
}
