/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An Ethernet frame on its way from a guest, or to one, with the virtio-net header that says which work on it
 * was left undone (checksum, segmentation).
 *
 * A frame lies in two parts. The head is a private copy, so it can be looked at, decided on and passed on
 * without the guest changing it in between; the rest may be guest memory, which nobody looks into but to copy it.
 *
 *      ┌ head: n_head bytes, ours ┐┌ rest: pieces of guest memory, or of a buffer of ours ┐
 *      │ dst src type IP TCP ...  ││ ...                                                  │
 *      └──────────────────────────┘└──────────────────────────────────────────────────────┘
 *
 * Invariants after frame_check(): the head holds at least the first 18 bytes, or the whole frame if that is shorter;
 * every field of the header is consistent with n_bytes.
 *
 * Spec: VIRTIO 1.4, 5.1.6 (struct virtio_net_hdr), 5.1.6.2 (transmission).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define FRAME_HEADER_BYTES 12
#define FRAME_MIN_BYTES 14
#define FRAME_MAX_BYTES 65550 /* 65562 with the header: 5.1.6.3.1 */
#define FRAME_HEAD_MAX 128
#define FRAME_TAG_BYTES 4 /* 802.1Q */
#define FRAME_SEGMENTS_MAX 512 /* what one frame may be cut into in software */

enum {
        FRAME_NEEDS_CHECKSUM = 1, /* VIRTIO_NET_HDR_F_NEEDS_CSUM */
        FRAME_DATA_VALID = 2,     /* VIRTIO_NET_HDR_F_DATA_VALID */
};

enum {
        FRAME_GSO_NONE = 0,
        FRAME_GSO_TCPV4 = 1,
        FRAME_GSO_TCPV6 = 4,
        FRAME_GSO_ECN = 0x80, /* beside TCPV4 or TCPV6 */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are little-endian");

/* struct virtio_net_hdr. */
struct frame_header {
        uint8_t flags;
        uint8_t gso_type;
        uint16_t hdr_len;
        uint16_t gso_size;
        uint16_t csum_start;
        uint16_t csum_offset;
        uint16_t num_buffers;
};

_Static_assert(sizeof(struct frame_header) == FRAME_HEADER_BYTES, "layout of struct virtio_net_hdr");

/* What a receiver of frames can take: what may be left undone in a frame that is given to it. */
struct frame_offloads {
        bool checksum;
        bool tso4, tso6, ecn; /* need checksum */
};

#define FRAME_QUEUE_ANY UINT16_MAX

struct frame {
        struct frame_header header;
        const uint8_t *head; /* borrowed */
        uint32_t n_head;
        uint32_t n_bytes;    /* head and rest */
        const struct iovec *rest; /* borrowed; may hold more bytes than the frame, never fewer */
        uint32_t n_rest;     /* entries */
        uint16_t queue;      /* pair of the device or port that it came from; FRAME_QUEUE_ANY: not known */
};

/**
 * frame_check() - is this frame well-formed, and does it ask for no more than was agreed?
 * @f:       header, head and n_bytes are set; flags that mean nothing in this direction are cleared
 * @allowed: what the sender may leave undone
 *
 * Return: 0, or -EPROTO: drop it.
 */
int frame_check(struct frame *f, const struct frame_offloads *allowed);

/* True if a receiver with these offloads can take the frame as it is. */
static inline bool frame_suits(const struct frame *f, const struct frame_offloads *can)
{
        if ((f->header.flags & FRAME_NEEDS_CHECKSUM) == 0 && f->header.gso_type == FRAME_GSO_NONE)
                return true;
        if (!can->checksum)
                return false;
        switch (f->header.gso_type & ~FRAME_GSO_ECN) {
        case FRAME_GSO_NONE:
                return true;
        case FRAME_GSO_TCPV4:
                return can->tso4 && (can->ecn || (f->header.gso_type & FRAME_GSO_ECN) == 0);
        default:
                return can->tso6 && (can->ecn || (f->header.gso_type & FRAME_GSO_ECN) == 0);
        }
}

/* Copies the whole frame, without its header, to @to, which has room for n_bytes. */
void frame_copy(const struct frame *f, void *to);

/**
 * frame_copy_to_iov() - copy the whole frame, without its header, to pieces
 * @skip: bytes of the pieces to leave out at the start
 *
 * Return: bytes copied; less than n_bytes if the pieces hold less.
 */
size_t frame_copy_to_iov(const struct frame *f, const struct iovec *iov, size_t n_iov, size_t skip);

/* A frame that lies in one private piece. */
static inline struct frame frame_of_buffer(const void *bytes, size_t n, struct frame_header header, struct iovec *rest)
{
        size_t n_head = n < FRAME_HEAD_MAX ? n : FRAME_HEAD_MAX;

        *rest = (struct iovec) { .iov_base = (uint8_t *) (uintptr_t) bytes + n_head, .iov_len = n - n_head };
        return (struct frame) { .header = header, .head = bytes, .n_head = (uint32_t) n_head,
                                .n_bytes = (uint32_t) n, .rest = rest, .n_rest = n > n_head ? 1 : 0,
                                .queue = FRAME_QUEUE_ANY };
}

/**
 * frame_tag(), frame_untag() - the same frame with an 802.1Q tag inserted, with its tag removed
 * @f:      with a head of at most FRAME_HEAD_MAX bytes; frame_untag() needs a tag and at least 18 bytes
 * @buffer: FRAME_HEAD_MAX + FRAME_TAG_BYTES; becomes the head of @ret
 *
 * Offsets in the header move along.
 */
void frame_tag(const struct frame *f, uint16_t tci, uint8_t *buffer, struct frame *ret);
void frame_untag(const struct frame *f, uint8_t *buffer, struct frame *ret);

static inline uint16_t frame_ether_type(const struct frame *f)
{
        return (uint16_t) (f->head[12] << 8 | f->head[13]);
}
