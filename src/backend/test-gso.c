/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/frame.h"
#include "backend/gso.h"
#include "base/macros.h"

static const struct frame_offloads all = { .checksum = true, .tso4 = true, .tso6 = true, .ecn = true };

struct collected {
        uint8_t *bytes[64];
        uint32_t n_bytes[64];
        unsigned n;
};

static void collect(void *data, const struct frame *f)
{
        struct collected *c = data;

        assert_true(c->n < ARRAY_SIZE(c->bytes));
        assert_int_equal(f->header.flags, 0);
        assert_int_equal(f->header.gso_type, 0);
        c->bytes[c->n] = malloc(f->n_bytes);
        frame_copy(f, c->bytes[c->n]);
        c->n_bytes[c->n++] = f->n_bytes;
}

static void collected_free(struct collected *c)
{
        while (c->n > 0)
                free(c->bytes[--c->n]);
}

/* As slow and plain as RFC 1071 reads. */
static uint16_t plain_sum(const uint8_t *p, size_t n, uint32_t sum)
{
        for (size_t i = 0; i < n; i++)
                sum += i % 2 ? p[i] : (uint32_t) p[i] << 8;
        while (sum >> 16)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t) sum;
}

static uint32_t get32(const uint8_t *p)
{
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static uint16_t get16(const uint8_t *p) { return (uint16_t) (p[0] << 8 | p[1]); }

/* An IPv4 frame with a TCP payload of n bytes 0, 1, 2 ...; the checksum field holds the pseudo-header's sum. */
static uint32_t make_tcp4(uint8_t *p, uint32_t n, uint8_t flags)
{
        static const uint8_t start[] = {
                0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x08, 0x00, /* Ethernet */
                0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, /* IPv4 */
                0x10, 0x00, 0x00, 0x50, 0xff, 0xff, 0xff, 0x00, 0, 0, 0, 1, 0x80, 0, 0x20, 0, 0, 0, 0, 0, /* TCP */
                1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, /* timestamps */
        };
        uint16_t sum;

        memcpy(p, start, sizeof(start));
        p[47] = flags;
        p[16] = (uint8_t) ((52 + n) >> 8);
        p[17] = (uint8_t) (52 + n);
        sum = plain_sum(p + 26, 8, 6 + 32 + n);
        p[50] = (uint8_t) (sum >> 8);
        p[51] = (uint8_t) sum;
        for (uint32_t i = 0; i < n; i++)
                p[66 + i] = (uint8_t) i;
        return 66 + n;
}

static uint32_t make_tcp6(uint8_t *p, uint32_t n)
{
        uint16_t sum;

        memset(p, 0, 74);
        p[12] = 0x86;
        p[13] = 0xdd;
        p[14] = 0x60;
        p[20] = 6;
        p[21] = 64;
        p[22] = 0xfe;
        p[23] = 0x80;
        p[37] = 1;
        p[38] = 0xfe;
        p[39] = 0x80;
        p[53] = 2;
        p[54 + 7] = 9; /* sequence number */
        p[54 + 12] = 0x50;
        p[54 + 13] = 0x18; /* PSH ACK */
        sum = plain_sum(p + 22, 32, 6 + 20 + n);
        p[70] = (uint8_t) (sum >> 8);
        p[71] = (uint8_t) sum;
        for (uint32_t i = 0; i < n; i++)
                p[74 + i] = (uint8_t) (i * 7);
        return 74 + n;
}

static struct frame frame_with(const uint8_t *bytes, uint32_t n, struct frame_header h, struct iovec *rest)
{
        struct frame f = frame_of_buffer(bytes, n, h, rest);

        assert_int_equal(frame_check(&f, &all), 0);
        return f;
}

static struct frame_header tso4_header(uint16_t size)
{
        return (struct frame_header) { .flags = FRAME_NEEDS_CHECKSUM, .gso_type = FRAME_GSO_TCPV4, .hdr_len = 66,
                                       .gso_size = size, .csum_start = 34, .csum_offset = 16 };
}

static void checksum_matches_known_vectors(void **state)
{
        static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
        static const uint8_t ip[] = { 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1,
                                      0xc0, 0xa8, 0, 0xc7 };

        assert_int_equal(checksum_add(0, rfc1071, sizeof(rfc1071)), 0xddf2);
        assert_int_equal(checksum_add(0, ip, sizeof(ip)), 0xffff);
}

static void checksum_matches_plain_sum_at_every_length_and_alignment(void **state)
{
        uint8_t bytes[300];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 251 + (i > 100 ? 0xff : 3));
        memset(bytes + 200, 0xff, 60);
        for (size_t start = 0; start < 9; start++)
                for (size_t n = 0; n + start <= sizeof(bytes); n++)
                        assert_int_equal(checksum_add(0x1234, bytes + start, n) % 0xffff,
                                         plain_sum(bytes + start, n, 0x1234) % 0xffff);
}

static void completes_checksum(void **state)
{
        uint8_t bytes[600], scratch[FRAME_MAX_BYTES];
        uint32_t n = make_tcp4(bytes, 333, 0x18);
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 34, .csum_offset = 16 };
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f = frame_with(bytes, n, h, &rest);

        assert_int_equal(gso_finish(&f, scratch, collect, &c), 0);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.n_bytes[0], n);
        assert_int_equal(plain_sum(c.bytes[0] + 34, n - 34, plain_sum(bytes + 26, 8, 6 + n - 34)), 0xffff);
        collected_free(&c);
}

static void zero_checksum_becomes_its_other_form(void **state)
{
        /* 0xffff at the checksum's place and nothing else: the sum is 0xffff, its complement 0. */
        uint8_t bytes[64] = { 0 }, scratch[FRAME_MAX_BYTES];
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 34, .csum_offset = 6 };
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f;

        bytes[40] = bytes[41] = 0xff;
        f = frame_with(bytes, sizeof(bytes), h, &rest);
        assert_int_equal(gso_finish(&f, scratch, collect, &c), 0);
        assert_int_equal(get16(c.bytes[0] + 40), 0xffff);
        collected_free(&c);
}

static void cuts_ipv4_into_valid_segments(void **state)
{
        uint8_t bytes[8000], scratch[FRAME_MAX_BYTES];
        uint32_t n = make_tcp4(bytes, 3001, 0x80 | 0x18 | 0x01), done = 0; /* CWR PSH ACK FIN */
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f = frame_with(bytes, n, tso4_header(1000), &rest);

        assert_int_equal(gso_finish(&f, scratch, collect, &c), 0);
        assert_int_equal(c.n, 4);
        for (unsigned i = 0; i < c.n; i++) {
                const uint8_t *p = c.bytes[i];
                uint32_t k = c.n_bytes[i];

                assert_int_equal(k, i < 3 ? 1066 : 67);
                assert_int_equal(get16(p + 16), k - 14);
                assert_int_equal(get16(p + 18), 0x1234 + i);
                assert_int_equal(plain_sum(p + 14, 20, 0), 0xffff);
                assert_int_equal(get32(p + 38), 0xffffff00 + done); /* wraps */
                assert_int_equal(plain_sum(p + 34, k - 34, plain_sum(p + 26, 8, 6 + k - 34)), 0xffff);
                assert_int_equal(p[47] & 0x80, i == 0 ? 0x80 : 0);
                assert_int_equal(p[47] & 0x09, i == 3 ? 0x09 : 0);
                assert_memory_equal(p + 66, bytes + 66 + done, k - 66);
                done += k - 66;
        }
        assert_int_equal(done, 3001);
        collected_free(&c);
}

static void cuts_ipv6_into_valid_segments(void **state)
{
        uint8_t bytes[8000], scratch[FRAME_MAX_BYTES];
        uint32_t n = make_tcp6(bytes, 2500), done = 0;
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .gso_type = FRAME_GSO_TCPV6, .gso_size = 999,
                                  .csum_start = 54, .csum_offset = 16 };
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f = frame_with(bytes, n, h, &rest);

        assert_int_equal(gso_finish(&f, scratch, collect, &c), 0);
        assert_int_equal(c.n, 3);
        for (unsigned i = 0; i < c.n; i++) {
                const uint8_t *p = c.bytes[i];
                uint32_t k = c.n_bytes[i];

                assert_int_equal(get16(p + 18), k - 54);
                assert_int_equal(get32(p + 58), 9 + done);
                assert_int_equal(plain_sum(p + 54, k - 54, plain_sum(p + 22, 32, 6 + k - 54)), 0xffff);
                assert_memory_equal(p + 74, bytes + 74 + done, k - 74);
                done += k - 74;
        }
        assert_int_equal(done, 2500);
        collected_free(&c);
}

static void cuts_tagged_frame(void **state)
{
        uint8_t bytes[4000], head[FRAME_HEAD_MAX + FRAME_TAG_BYTES], scratch[FRAME_MAX_BYTES + FRAME_TAG_BYTES];
        uint32_t n = make_tcp4(bytes, 2000, 0x18);
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f = frame_with(bytes, n, tso4_header(1500), &rest), tagged, again;
        uint8_t back[FRAME_HEAD_MAX + FRAME_TAG_BYTES];

        frame_tag(&f, 0x6007, head, &tagged);
        assert_int_equal(tagged.n_bytes, n + 4);
        assert_int_equal(tagged.header.csum_start, 38);
        assert_int_equal(gso_finish(&tagged, scratch, collect, &c), 0);
        assert_int_equal(c.n, 2);
        assert_int_equal(get32(c.bytes[1] + 12), 0x81006007);
        assert_int_equal(c.n_bytes[0], 1570);
        collected_free(&c);

        frame_untag(&tagged, back, &again);
        assert_int_equal(again.n_bytes, n);
        assert_memory_equal(again.head, bytes, again.n_head);
        assert_int_equal(again.header.csum_start, 34);
}

static void drops_contents_unlike_the_header(void **state)
{
        uint8_t bytes[3000], scratch[FRAME_MAX_BYTES];
        uint32_t n = make_tcp4(bytes, 1000, 0x18);
        struct collected c = { .n = 0 };
        struct iovec rest;
        struct frame f = frame_with(bytes, n, tso4_header(500), &rest);
        static const struct { uint16_t at; uint8_t value; } damage[] = {
                { 12, 0x12 },           /* not IP */
                { 14, 0x65 },           /* version 6 */
                { 14, 0x44 },           /* header of 16 bytes */
                { 14, 0x4f },           /* header of 60 bytes: TCP is not where csum_start says */
                { 20, 0x20 },           /* a fragment */
                { 23, 17 },             /* UDP */
                { 46, 0x40 },           /* TCP header of 16 bytes */
        };

        for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
                uint8_t saved = bytes[damage[i].at];

                bytes[damage[i].at] = damage[i].value;
                assert_int_equal(gso_finish(&f, scratch, collect, &c), -EPROTO);
                bytes[damage[i].at] = saved;
        }
        f.header.gso_type = FRAME_GSO_TCPV6;
        assert_int_equal(gso_finish(&f, scratch, collect, &c), -EPROTO);
        assert_int_equal(c.n, 0);
}

static void drops_truncated_headers(void **state)
{
        uint8_t bytes[3000], scratch[FRAME_MAX_BYTES];
        struct collected c = { .n = 0 };
        struct iovec rest;

        (void) make_tcp4(bytes, 1000, 0x18);
        for (uint32_t n = 52; n < 66; n++) {
                struct frame f = frame_of_buffer(bytes, n, tso4_header(500), &rest);

                f.header.hdr_len = 0;
                assert_int_equal(frame_check(&f, &all), 0);
                assert_int_equal(gso_finish(&f, scratch, collect, &c), -EPROTO);
        }
        assert_int_equal(c.n, 0);
}

static void check_refuses(struct frame_header h, uint32_t n, const struct frame_offloads *allowed)
{
        static uint8_t bytes[70000];
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, n, h, &rest);

        assert_int_equal(frame_check(&f, allowed), -EPROTO);
}

/* bad-input 10 */
static void check_refuses_inconsistent_headers(void **state)
{
        struct frame_header h = tso4_header(1000);
        struct frame_offloads some = all;

        check_refuses((struct frame_header) { 0 }, 13, &all);
        check_refuses((struct frame_header) { 0 }, FRAME_MAX_BYTES + 1, &all);

        h.gso_size = 0;
        check_refuses(h, 1500, &all);
        h.gso_size = 2; /* more segments than anybody has use for */
        check_refuses(h, 1500, &all);
        h = tso4_header(1000);
        h.hdr_len = 1501;
        check_refuses(h, 1500, &all);
        h = tso4_header(1000);
        h.flags = 0;
        check_refuses(h, 1500, &all);
        h = tso4_header(1000);
        h.gso_type = 3; /* UFO */
        check_refuses(h, 1500, &all);
        h.gso_type = FRAME_GSO_ECN;
        check_refuses(h, 1500, &all);
        h = tso4_header(1000);
        h.csum_start = 1483;
        check_refuses(h, 1500, &all);
        h.csum_start = h.csum_offset = 0xffff;
        check_refuses(h, 1500, &all);
        h = tso4_header(1000);
        h.csum_start = 13;
        check_refuses(h, 1500, &all);

        some.tso4 = false;
        check_refuses(tso4_header(1000), 1500, &some);
        some = all;
        some.ecn = false;
        h = tso4_header(1000);
        h.gso_type |= FRAME_GSO_ECN;
        check_refuses(h, 1500, &some);
        some.checksum = false;
        check_refuses((struct frame_header) { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 34 }, 100, &some);
}

/* A checksum that starts at the end of 16 bits would start in the Ethernet header, and overwrite MAC address or tag,
   once a tag moved it. */
static void tags_do_not_wrap_offsets(void **state)
{
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 0xfffc, .csum_offset = 14 };
        static uint8_t bytes[200], buffer[FRAME_HEAD_MAX + FRAME_TAG_BYTES];
        struct frame f, untagged;
        struct iovec rest;

        check_refuses(h, FRAME_MAX_BYTES, &all);
        h = tso4_header(1000);
        h.hdr_len = 0xfffc;
        check_refuses(h, FRAME_MAX_BYTES, &all);

        h = tso4_header(1000);
        h.hdr_len = 3;
        f = frame_of_buffer(bytes, sizeof(bytes), h, &rest);
        assert_int_equal(frame_check(&f, &all), 0);
        frame_untag(&f, buffer, &untagged);
        assert_int_equal(untagged.header.hdr_len, 0);
}

static void check_clears_what_means_nothing(void **state)
{
        static const uint8_t bytes[100];
        struct frame_header h = { .flags = 0xfe, .hdr_len = 9999, .gso_size = 7, .csum_start = 1, .num_buffers = 5 };
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, sizeof(bytes), h, &rest);
        static const struct frame_header zero;

        assert_int_equal(frame_check(&f, &all), 0);
        assert_memory_equal(&f.header, &zero, sizeof(zero));
}

static void copies_into_pieces(void **state)
{
        uint8_t bytes[500], to[600] = { 0 };
        struct iovec rest, pieces[] = { { to, 5 }, { to + 5, 0 }, { to + 5, 200 }, { to + 205, 395 } };
        struct frame f;

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) i;
        f = frame_of_buffer(bytes, sizeof(bytes), (struct frame_header) { 0 }, &rest);
        assert_int_equal(frame_copy_to_iov(&f, pieces, ARRAY_SIZE(pieces), 12), 500);
        assert_memory_equal(to + 12, bytes, 500);
        assert_int_equal(frame_copy_to_iov(&f, pieces, 3, 12), 193);
        assert_int_equal(frame_copy_to_iov(&f, pieces, 3, 205), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(checksum_matches_known_vectors),
                cmocka_unit_test(checksum_matches_plain_sum_at_every_length_and_alignment),
                cmocka_unit_test(completes_checksum),
                cmocka_unit_test(zero_checksum_becomes_its_other_form),
                cmocka_unit_test(cuts_ipv4_into_valid_segments),
                cmocka_unit_test(cuts_ipv6_into_valid_segments),
                cmocka_unit_test(cuts_tagged_frame),
                cmocka_unit_test(drops_contents_unlike_the_header),
                cmocka_unit_test(drops_truncated_headers),
                cmocka_unit_test(check_refuses_inconsistent_headers),
                cmocka_unit_test(tags_do_not_wrap_offsets),
                cmocka_unit_test(check_clears_what_means_nothing),
                cmocka_unit_test(copies_into_pieces),
        };

        return cmocka_run_group_tests_name("gso", tests, NULL, NULL);
}
