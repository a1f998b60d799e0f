/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/frame.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

/* Offsets have 16 bits, also after a tag moved them. */
#define OFFSET_MAX (UINT16_MAX - FRAME_TAG_BYTES)

static int check_gso(const struct frame *f, const struct frame_offloads *allowed)
{
        const struct frame_header *h = &f->header;
        bool ecn = h->gso_type & FRAME_GSO_ECN;

        switch (h->gso_type & ~FRAME_GSO_ECN) {
        case FRAME_GSO_TCPV4:
                if (!allowed->tso4)
                        return -EPROTO;
                break;
        case FRAME_GSO_TCPV6:
                if (!allowed->tso6)
                        return -EPROTO;
                break;
        default:
                return -EPROTO;
        }
        if (ecn && !allowed->ecn)
                return -EPROTO;
        /* 5.1.6.2.1: segmentation needs the checksum left undone, too. */
        if ((h->flags & FRAME_NEEDS_CHECKSUM) == 0 || h->gso_size == 0)
                return -EPROTO;
        if (f->n_bytes / h->gso_size > FRAME_SEGMENTS_MAX)
                return -EPROTO;
        return 0;
}

int frame_check(struct frame *f, const struct frame_offloads *allowed)
{
        struct frame_header *h = &f->header;

        if (f->n_bytes < FRAME_MIN_BYTES || f->n_bytes > FRAME_MAX_BYTES)
                return -EPROTO;

        if (likely((h->flags & FRAME_NEEDS_CHECKSUM) == 0 && h->gso_type == FRAME_GSO_NONE)) {
                *h = (struct frame_header) { 0 };
                return 0;
        }
        h->flags = FRAME_NEEDS_CHECKSUM & h->flags;
        h->num_buffers = 0;

        if (h->flags & FRAME_NEEDS_CHECKSUM) {
                if (!allowed->checksum || h->csum_start < FRAME_MIN_BYTES || h->csum_start > OFFSET_MAX)
                        return -EPROTO;
                if ((uint32_t) h->csum_start + h->csum_offset + 2 > f->n_bytes)
                        return -EPROTO;
        }
        if (h->gso_type == FRAME_GSO_NONE) {
                h->hdr_len = h->gso_size = 0;
                return 0;
        }
        if (h->hdr_len > f->n_bytes || h->hdr_len > OFFSET_MAX)
                return -EPROTO;
        return check_gso(f, allowed);
}

void frame_copy(const struct frame *f, void *to)
{
        struct iovec iov = { .iov_base = to, .iov_len = f->n_bytes };

        (void) frame_copy_to_iov(f, &iov, 1, 0);
}

/* Where the next byte of a copy goes. */
struct cursor {
        const struct iovec *iov;
        size_t n_iov, offset;
};

static size_t cursor_put(struct cursor *to, const uint8_t *from, size_t n)
{
        size_t done = 0;

        while (done < n && to->n_iov > 0) {
                size_t room = to->iov->iov_len - to->offset, k = MIN(n - done, room);

                if (room == 0) {
                        to->iov++;
                        to->n_iov--;
                        to->offset = 0;
                        continue;
                }
                memcpy((uint8_t *) to->iov->iov_base + to->offset, from + done, k);
                done += k;
                to->offset += k;
        }
        return done;
}

size_t frame_copy_to_iov(const struct frame *f, const struct iovec *iov, size_t n_iov, size_t skip)
{
        struct cursor to = { .iov = iov, .n_iov = n_iov };
        size_t done, left = f->n_bytes - f->n_head;

        while (to.n_iov > 0 && skip >= to.iov->iov_len) {
                skip -= to.iov->iov_len;
                to.iov++;
                to.n_iov--;
        }
        to.offset = skip;

        done = cursor_put(&to, f->head, f->n_head);
        for (uint32_t i = 0; i < f->n_rest && left > 0; i++) {
                size_t n = MIN(f->rest[i].iov_len, left), k = cursor_put(&to, f->rest[i].iov_base, n);

                done += k;
                left -= n;
                if (k < n)
                        break;
        }
        return done;
}

static void move_offsets(struct frame *f, int by)
{
        if (f->header.flags & FRAME_NEEDS_CHECKSUM)
                f->header.csum_start = (uint16_t) (f->header.csum_start + by);
        if (f->header.hdr_len > 0)
                f->header.hdr_len = (uint16_t) MAX(f->header.hdr_len + by, 0);
        f->n_head = (uint32_t) ((int) f->n_head + by);
        f->n_bytes = (uint32_t) ((int) f->n_bytes + by);
}

void frame_tag(const struct frame *f, uint16_t tci, uint8_t *buffer, struct frame *ret)
{
        const uint8_t tag[FRAME_TAG_BYTES] = { 0x81, 0x00, (uint8_t) (tci >> 8), (uint8_t) tci };

        memcpy(buffer, f->head, 12);
        memcpy(buffer + 12, tag, sizeof(tag));
        memcpy(buffer + 16, f->head + 12, f->n_head - 12);
        *ret = *f;
        ret->head = buffer;
        move_offsets(ret, FRAME_TAG_BYTES);
}

void frame_untag(const struct frame *f, uint8_t *buffer, struct frame *ret)
{
        memcpy(buffer, f->head, 12);
        memcpy(buffer + 12, f->head + 16, f->n_head - 16);
        *ret = *f;
        ret->head = buffer;
        move_offsets(ret, -FRAME_TAG_BYTES);
}
