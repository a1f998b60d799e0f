/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The frame is copied to a private buffer first: it is looked at, changed and cut there, where the guest cannot
 * interfere. Each segment is a frame whose head is a copy of the packet's headers with the fields that differ
 * filled in, and whose rest is a slice of the buffer.
 *
 *      scratch:  [ Ethernet | IP | TCP | payload ........................................ ]
 *      segment:  [ Ethernet | IP'| TCP'][ payload i*size ... ]
 */
#include "backend/gso.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define PROTOCOL_TCP 6
#define TCP_CHECKSUM_OFFSET 16
#define HEADERS_MAX 256

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

struct packet {
        uint8_t *bytes;
        uint32_t n_bytes;
        bool ipv6;
        uint32_t ip, tcp, payload; /* offsets */
};

static uint16_t get16(const uint8_t *p) { return (uint16_t) (p[0] << 8 | p[1]); }

static uint32_t get32(const uint8_t *p) { return (uint32_t) get16(p) << 16 | get16(p + 2); }

static void put16(uint8_t *p, uint16_t v)
{
        p[0] = (uint8_t) (v >> 8);
        p[1] = (uint8_t) v;
}

static void put32(uint8_t *p, uint32_t v)
{
        put16(p, (uint16_t) (v >> 16));
        put16(p + 2, (uint16_t) v);
}

uint16_t checksum_add(uint16_t start, const void *bytes, size_t n)
{
        const uint8_t *p = bytes;
        uint64_t sum = 0; /* in memory order; one's complement sums do not mind (RFC 1071, 2 B) */

        for (; n >= 8; p += 8, n -= 8) {
                uint64_t word;

                memcpy(&word, p, 8);
                sum += word;
                sum += sum < word; /* end-around carry */
        }
        if (n > 0) {
                uint64_t word = 0;

                memcpy(&word, p, n);
                sum += word;
                sum += sum < word;
        }
        sum = (sum & 0xffffffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = be16toh((uint16_t) sum) + (uint64_t) start;
        return (uint16_t) ((sum & 0xffff) + (sum >> 16));
}

/* A checksum of zero means "none" to UDP, so it is sent as its other representation. */
static uint16_t invert_nonzero(uint16_t sum)
{
        uint16_t v = (uint16_t) ~sum;

        return v ? v : 0xffff;
}

static int skip_ipv6_extensions(const struct packet *p, uint32_t *at, uint8_t *next)
{
        /* Hop-by-hop, routing, destination options: all that may precede TCP in a packet that is to be cut. */
        while (*next == 0 || *next == 43 || *next == 60) {
                if (*at + 8 > p->n_bytes)
                        return -EPROTO;
                *next = p->bytes[*at];
                *at += 8 + 8 * (uint32_t) p->bytes[*at + 1];
        }
        return 0;
}

static int packet_parse(struct packet *p)
{
        uint32_t at = 12;
        uint16_t type;
        uint8_t next;

        type = get16(p->bytes + at);
        for (int i = 0; i < 2 && (type == TYPE_VLAN || type == TYPE_QINQ) && at + 6 <= p->n_bytes; i++) {
                at += FRAME_TAG_BYTES;
                type = get16(p->bytes + at);
        }
        p->ip = at + 2;

        if (type == TYPE_IPV4) {
                if (p->ip + 20 > p->n_bytes || p->bytes[p->ip] >> 4 != 4)
                        return -EPROTO;
                at = p->ip + 4 * (uint32_t) (p->bytes[p->ip] & 15);
                if (at < p->ip + 20 || (get16(p->bytes + p->ip + 6) & 0x3fff) != 0) /* a fragment */
                        return -EPROTO;
                next = p->bytes[p->ip + 9];
        } else if (type == TYPE_IPV6) {
                if (p->ip + 40 > p->n_bytes || p->bytes[p->ip] >> 4 != 6)
                        return -EPROTO;
                p->ipv6 = true;
                next = p->bytes[p->ip + 6];
                at = p->ip + 40;
                if (skip_ipv6_extensions(p, &at, &next) < 0)
                        return -EPROTO;
        } else
                return -EPROTO;

        if (next != PROTOCOL_TCP || at + 20 > p->n_bytes)
                return -EPROTO;
        p->tcp = at;
        p->payload = at + 4 * (uint32_t) (p->bytes[at + 12] >> 4);
        if (p->payload < at + 20 || p->payload > p->n_bytes || p->payload > HEADERS_MAX)
                return -EPROTO;
        return 0;
}

static uint16_t pseudo_sum(const struct packet *p, uint32_t n_tcp_bytes)
{
        uint8_t tail[8] = { 0 };
        uint16_t sum;

        put32(tail, n_tcp_bytes);
        tail[7] = PROTOCOL_TCP;
        sum = checksum_add(0, tail, sizeof(tail));
        return p->ipv6 ? checksum_add(sum, p->bytes + p->ip + 8, 32) : checksum_add(sum, p->bytes + p->ip + 12, 8);
}

/* Fills in the headers of the segment that begins @done bytes into the payload. */
static void segment_headers(const struct packet *p, uint8_t *h, uint32_t index, uint32_t done, uint32_t n, bool last)
{
        uint8_t *ip = h + p->ip, *tcp = h + p->tcp;
        uint32_t n_tcp_bytes = p->payload - p->tcp + n;
        uint16_t sum;

        if (p->ipv6)
                put16(ip + 4, (uint16_t) (p->payload - p->ip - 40 + n));
        else {
                put16(ip + 2, (uint16_t) (p->payload - p->ip + n));
                put16(ip + 4, (uint16_t) (get16(ip + 4) + index));
                put16(ip + 10, 0);
                put16(ip + 10, (uint16_t) ~checksum_add(0, ip, p->tcp - p->ip));
        }

        put32(tcp + 4, get32(tcp + 4) + done);
        if (index > 0)
                tcp[13] &= (uint8_t) ~TCP_CWR;
        if (!last)
                tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);

        put16(tcp + TCP_CHECKSUM_OFFSET, 0);
        sum = pseudo_sum(p, n_tcp_bytes);
        sum = checksum_add(sum, tcp, p->payload - p->tcp);
        sum = checksum_add(sum, p->bytes + p->payload + done, n);
        put16(tcp + TCP_CHECKSUM_OFFSET, (uint16_t) ~sum);
}

static int segment(const struct frame *f, uint8_t *scratch, gso_emit_fn emit, void *data)
{
        struct packet p = { .bytes = scratch, .n_bytes = f->n_bytes };
        uint32_t n_payload, size = f->header.gso_size, index = 0, done = 0;

        if (packet_parse(&p) < 0)
                return -EPROTO;
        if (p.ipv6 != ((f->header.gso_type & ~FRAME_GSO_ECN) == FRAME_GSO_TCPV6))
                return -EPROTO;
        if (f->header.csum_start != p.tcp || f->header.csum_offset != TCP_CHECKSUM_OFFSET)
                return -EPROTO;

        n_payload = p.n_bytes - p.payload;
        do {
                uint8_t headers[HEADERS_MAX];
                uint32_t n = MIN(size, n_payload - done);
                struct iovec rest = { .iov_base = scratch + p.payload + done, .iov_len = n };
                struct frame s = { .head = headers, .n_head = p.payload, .n_bytes = p.payload + n,
                                   .rest = &rest, .n_rest = 1, .queue = f->queue };

                memcpy(headers, scratch, p.payload);
                segment_headers(&p, headers, index, done, n, done + n == n_payload);
                emit(data, &s);
                index++;
                done += n;
        } while (done < n_payload);
        return 0;
}

int gso_finish(const struct frame *f, uint8_t *scratch, gso_emit_fn emit, void *data)
{
        const struct frame_header *h = &f->header;
        struct iovec rest;
        struct frame whole;
        uint16_t sum;

        frame_copy(f, scratch);
        if (h->gso_type != FRAME_GSO_NONE)
                return segment(f, scratch, emit, data);

        if (h->flags & FRAME_NEEDS_CHECKSUM) {
                sum = checksum_add(0, scratch + h->csum_start, f->n_bytes - h->csum_start);
                put16(scratch + h->csum_start + h->csum_offset, invert_nonzero(sum));
        }
        whole = frame_of_buffer(scratch, f->n_bytes, (struct frame_header) { 0 }, &rest);
        whole.queue = f->queue;
        emit(data, &whole);
        return 0;
}
