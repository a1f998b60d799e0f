/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what a frame says was left undone, against what is in it. Input:
 *
 *      byte 0     bits 0 to 3: what the sender may leave undone (checksum, tso4, tso6, ecn); 4: put a VLAN tag on
 *      bytes 1-2  length of the frame; what the input does not hold repeats what it does
 *      12 bytes   struct virtio_net_hdr
 *      the rest   the frame
 *
 * Checked: all that comes out is complete and no longer than what went in, payloads add up to the original's, IPv4
 * headers are right, a tag that is put on and taken off changes nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/frame.h"
#include "backend/gso.h"
#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

struct sums {
        const struct frame *whole;
        uint32_t n_frames, n_payload, n_headers;
};

static void on_frame(void *data, const struct frame *f)
{
        struct sums *s = data;
        static uint8_t bytes[FRAME_MAX_BYTES + FRAME_TAG_BYTES];

        check(f->n_bytes <= s->whole->n_bytes && f->n_head <= f->n_bytes);
        check(f->header.flags == 0 && f->header.gso_type == 0 && f->header.gso_size == 0);
        frame_copy(f, bytes);
        s->n_frames++;
        if (s->whole->header.gso_type != FRAME_GSO_NONE) {
                s->n_headers = f->n_head;
                s->n_payload += f->n_bytes - f->n_head;
                check(f->n_bytes - f->n_head <= s->whole->header.gso_size);
                if (bytes[12] == 0x08 && bytes[13] == 0)
                        check(checksum_add(0, bytes + 14, 4 * (bytes[14] & 15)) == 0xffff);
        } else {
                check(f->n_bytes == s->whole->n_bytes);
        }
}

static void tag_and_untag(const struct frame *f)
{
        uint8_t tagged[FRAME_HEAD_MAX + FRAME_TAG_BYTES], back[FRAME_HEAD_MAX + FRAME_TAG_BYTES];
        struct frame a, b;

        frame_tag(f, 0x2007, tagged, &a);
        check(frame_ether_type(&a) == 0x8100 && a.n_bytes == f->n_bytes + FRAME_TAG_BYTES);
        frame_untag(&a, back, &b);
        check(b.n_bytes == f->n_bytes && b.n_head == f->n_head && memcmp(b.head, f->head, f->n_head) == 0);
        check(memcmp(&b.header, &f->header, sizeof(b.header)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t bytes[FRAME_MAX_BYTES + 1024], scratch[FRAME_MAX_BYTES + FRAME_TAG_BYTES];
        struct frame_offloads allowed;
        struct frame_header header;
        struct sums sums = { 0 };
        struct iovec rest;
        struct frame f;
        uint32_t n;

        if (size < 3 + sizeof(header) + 1)
                return 0;
        allowed = (struct frame_offloads) { data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8 };
        n = (uint32_t) (data[1] | data[2] << 8);
        memcpy(&header, data + 3, sizeof(header));
        for (uint32_t i = 0; i < n; i++)
                bytes[i] = data[15 + i % (size - 15)];

        f = frame_of_buffer(bytes, n, header, &rest);
        if (frame_check(&f, &allowed) < 0)
                return 0;
        check(frame_suits(&f, &allowed));
        if (data[0] & 16)
                tag_and_untag(&f);
        sums.whole = &f;
        if (gso_finish(&f, scratch, on_frame, &sums) < 0) {
                check(sums.n_frames == 0);
                return 0;
        }
        check(sums.n_frames >= 1);
        if (f.header.gso_type != FRAME_GSO_NONE)
                check(sums.n_payload + sums.n_headers == f.n_bytes && sums.n_frames <= FRAME_SEGMENTS_MAX + 1);
        return 0;
}
