/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-blk-guest.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "virtio/features.h"

static void fill(struct guest *g, size_t n, unsigned seed)
{
        for (size_t i = 0; i < n; i++)
                g->memory[GUEST_DATA + i] = (char) ((i * 2654435761u + seed * 40503u) >> 9);
}

/* ---- what works ---- */

static void read_returns_what_write_stored(void **state)
{
        struct guest *g = *state;
        char copy[8192];

        fill(g, 8192, 1);
        memcpy(copy, g->memory + GUEST_DATA, 8192);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 3, 8192, false), VIRTIO_BLK_S_OK);
        assert_int_equal(g->last_len, 1);
        memset(g->memory + GUEST_DATA, 0, 8192);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 3, 8192, true), VIRTIO_BLK_S_OK);
        assert_int_equal(g->last_len, 8193);
        assert_memory_equal(g->memory + GUEST_DATA, copy, 8192);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, DISK_SECTORS - 1, 512, true), VIRTIO_BLK_S_OK);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
}

static void request_of_as_many_pieces_as_allowed(void **state)
{
        struct driver_buffer buffers[64] = { { GUEST_HEADER, 16, false } };
        struct guest *g = *state;
        char copy[62 * 512];

        fill(g, sizeof(copy), 2);
        memcpy(copy, g->memory + GUEST_DATA, sizeof(copy));
        for (unsigned i = 0; i < 62; i++)
                buffers[i + 1] = (struct driver_buffer) { GUEST_DATA + (61 - i) * 512, 512, false };
        buffers[63] = (struct driver_buffer) { GUEST_STATUS, 1, true };
        guest_header(g, VIRTIO_BLK_T_OUT, 100);
        assert_int_equal(guest_send(g, buffers, 64), VIRTIO_BLK_S_OK);

        memset(g->memory + GUEST_DATA, 0, sizeof(copy));
        for (unsigned i = 1; i < 63; i++)
                buffers[i].device_writes = true;
        guest_header(g, VIRTIO_BLK_T_IN, 100);
        assert_int_equal(guest_send(g, buffers, 64), VIRTIO_BLK_S_OK);
        assert_memory_equal(g->memory + GUEST_DATA, copy, sizeof(copy));
}

static void full_ring_of_requests_completes(void **state)
{
        struct guest *g = *state;
        void *cookie;

        for (int round = 0; round < 50; round++) {
                struct driver_buffer buffers[] = {
                        { GUEST_HEADER, 16, false }, { GUEST_DATA, 512, true }, { GUEST_STATUS, 1, true },
                };
                uintptr_t n = 0, n_done = 0;

                guest_header(g, VIRTIO_BLK_T_IN, 0);
                while (driver_queue_add(&g->dq, buffers, 3, (void *) (n + 1)) == 0)
                        n++;
                (void) driver_queue_kick(&g->dq);
                for (; n_done < n; n_done++)
                        assert_int_equal(guest_wait(g, &cookie), VIRTIO_BLK_S_OK);
                assert_true(n >= 64 / 3);
        }
}

static void serial_is_given(void **state)
{
        struct guest *g = *state;

        assert_int_equal(guest_run(g, VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
        assert_memory_equal(g->memory + GUEST_DATA, "serial-of-twenty-byt", 20);
        memset(g->memory + GUEST_DATA, 'x', 64);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_GET_ID, 0, 8, true), VIRTIO_BLK_S_OK);
        assert_memory_equal(g->memory + GUEST_DATA, "serial-oxxxx", 12);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_GET_ID, 0, 0, true), VIRTIO_BLK_S_OK);
}

static void zeroes_and_discards_take_several_segments(void **state)
{
        static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
        struct guest *g = *state;
        char out[16384], in[16384], nothing[4096] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                memset(out, 'x', sizeof(out));
                assert_int_equal(pwrite(g->image_fd, out, sizeof(out), 0), sizeof(out));
                memset(guest_segments(g), 0, 48);
                guest_segments(g)[0].sector = htole64(0);
                guest_segments(g)[0].num_sectors = htole32(8);
                guest_segments(g)[1].sector = htole64(16);
                guest_segments(g)[1].num_sectors = htole32(8);
                assert_int_equal(guest_run(g, types[i], 0, 48, false), VIRTIO_BLK_S_OK);
                assert_int_equal(pread(g->image_fd, in, sizeof(in), 0), sizeof(in));
                assert_memory_equal(in, nothing, 4096);
                assert_memory_equal(in + 4096, out, 4096);
                assert_memory_equal(in + 8192, nothing, 4096);
                assert_memory_equal(in + 12288, out, 4096);
        }
}

/* ---- configuration ---- */

static void config_says_what_the_disk_is(void **state)
{
        struct guest *g = *state;
        struct virtio_blk_config c;

        assert_int_equal(device_config_read(g->dev, 0, &c, sizeof(c)), 0);
        assert_int_equal(le64toh(c.capacity), DISK_SECTORS);
        assert_int_equal(le32toh(c.seg_max), 62);
        assert_int_equal(le32toh(c.blk_size), 512);
        assert_int_equal(c.physical_block_exp, 3);
        assert_int_equal(le16toh(c.num_queues), 1);
        assert_int_equal(c.wce, 1);
        assert_true(le32toh(c.max_discard_sectors) > 0 && le32toh(c.max_discard_seg) > 0);
        assert_int_equal(le32toh(c.discard_sector_alignment), 8);
        assert_int_equal(device_config_size(g->dev), 96);
}

static void line6_only_writeback_can_be_written(void **state)
{
        struct guest *g = *state;
        uint8_t bytes[96] = { 0 };

        for (size_t i = 0; i < sizeof(bytes); i++)
                assert_int_equal(device_config_write(g->dev, i, bytes, 1), i == 32 ? 0 : -EINVAL);
        assert_int_equal(device_config_write(g->dev, 32, bytes, 2), -EINVAL);
        assert_int_equal(device_config_write(g->dev, 96, bytes, 1), -EINVAL);
        bytes[0] = 2;
        assert_int_equal(device_config_write(g->dev, 32, bytes, 1), -EINVAL);
}

static void resized_image_is_announced_and_used(void **state)
{
        struct guest *g = *state;
        uint64_t capacity;

        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, DISK_SECTORS, 512, true), VIRTIO_BLK_S_IOERR);
        assert_int_equal(ftruncate(g->image_fd, 2 * DISK_BYTES), 0);
        while (g->n_config_changed == 0)
                assert_int_equal(loop_step(g->loop, 1000), 0);
        assert_int_equal(device_config_read(g->dev, 0, &capacity, sizeof(capacity)), 0);
        assert_int_equal(le64toh(capacity), 2 * DISK_SECTORS);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, DISK_SECTORS, 512, true), VIRTIO_BLK_S_OK);
}

/* ---- write cache ---- */

static void writes_are_durable_before_completion_when_writeback_is_off(void **state)
{
        struct guest *g = *state;
        uint8_t off = 0;

        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
        assert_false(g->spy->log[0].write_through);
        assert_int_equal(device_config_write(g->dev, 32, &off, 1), 0);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
        assert_true(g->spy->log[1].write_through);

        memset(guest_segments(g), 0, 16);
        guest_segments(g)[0].num_sectors = htole32(1);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_OK);
        assert_int_equal(g->spy->n_log, 4);
        assert_int_equal(g->spy->log[2].op, DISK_WRITE_ZEROES);
        assert_int_equal(g->spy->log[3].op, DISK_FLUSH);

        device_reset(g->dev);
        assert_int_equal(device_config_read(g->dev, 32, &off, 1), 0);
        assert_int_equal(off, 1);
}

static void driver_without_flush_gets_durable_writes(void **state)
{
        struct guest *g = *state;

        device_reset(g->dev);
        g->features &= ~(FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_CONFIG_WCE));
        assert_int_equal(device_start(g->dev, g->features), 0);
        guest_start(g);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
        assert_true(g->spy->log[0].write_through);
}

/* ---- what is refused ---- */

static void write_to_read_only_disk_fails(void **state)
{
        struct guest *g = *state;
        char sector[512], nothing[512] = { 0 };

        assert_true(g->features & FEATURE(VIRTIO_BLK_F_RO));
        fill(g, 512, 3);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_DISCARD, 0, 16, false), VIRTIO_BLK_S_IOERR);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_IOERR);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
        assert_int_equal(pread(g->image_fd, sector, 512, 0), 512);
        assert_memory_equal(sector, nothing, 512);
}

static void unknown_type_is_unsupported(void **state)
{
        static const uint32_t types[] = {
                2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16, 26, 0x7fffffff, 0x80000000, 0x80000001
        };
        struct guest *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                assert_int_equal(guest_run(g, types[i], 0, 512, i % 2), VIRTIO_BLK_S_UNSUPP);
}

static void discard_that_was_not_negotiated_is_unsupported(void **state)
{
        struct guest *g = *state;

        device_reset(g->dev);
        g->features &= ~(FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES));
        assert_int_equal(device_start(g->dev, g->features), 0);
        guest_start(g);
        memset(guest_segments(g), 0, 16);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_DISCARD, 0, 16, false), VIRTIO_BLK_S_UNSUPP);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_UNSUPP);
}

static void disk_errors_become_status(void **state)
{
        static const struct { int result, status; } cases[] = {
                { -EIO, VIRTIO_BLK_S_IOERR }, { -ENOSPC, VIRTIO_BLK_S_IOERR }, { -EOPNOTSUPP, VIRTIO_BLK_S_UNSUPP },
        };
        struct guest *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                g->spy->result = cases[i].result;
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 0, 512, true), cases[i].status);
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_FLUSH, 0, 0, true), cases[i].status);
        }
}

/* ---- bad input, by the line of the list of what has broken others ---- */

static void line3_header_split_over_many_descriptors(void **state)
{
        struct driver_buffer buffers[18];
        struct guest *g = *state;

        fill(g, 512, 4);
        for (unsigned i = 0; i < 16; i++)
                buffers[i] = (struct driver_buffer) { GUEST_HEADER + i, 1, false };
        buffers[16] = (struct driver_buffer) { GUEST_DATA, 512, false };
        buffers[17] = (struct driver_buffer) { GUEST_STATUS, 1, true };
        guest_header(g, VIRTIO_BLK_T_OUT, 5);
        assert_int_equal(guest_send(g, buffers, 18), VIRTIO_BLK_S_OK);
        assert_int_equal(g->spy->log[0].offset_bytes, 5 * 512);
        assert_int_equal(g->spy->log[0].n_iov, 1);
}

static void line3_header_and_status_share_descriptors_with_data(void **state)
{
        struct driver_buffer out[] = { { GUEST_DATA - 16, 16 + 1024, false }, { GUEST_STATUS, 1, true } };
        struct driver_buffer in[] = { { GUEST_HEADER, 16, false }, { GUEST_DATA, 1024 + 1, true } };
        struct guest *g = *state;
        char copy[1024];

        fill(g, 1024, 5);
        memcpy(copy, g->memory + GUEST_DATA, 1024);
        guest_header(g, VIRTIO_BLK_T_OUT, 7);
        memcpy(g->memory + GUEST_DATA - 16, g->memory + GUEST_HEADER, 16);
        assert_int_equal(guest_send(g, out, 2), VIRTIO_BLK_S_OK);
        memset(g->memory + GUEST_DATA, 0xee, 1025);
        guest_header(g, VIRTIO_BLK_T_IN, 7);
        (void) guest_send(g, in, 2);
        assert_int_equal(g->memory[GUEST_DATA + 1024], VIRTIO_BLK_S_OK);
        assert_memory_equal(g->memory + GUEST_DATA, copy, 1024);
}

static void line3_short_header_breaks_the_queue(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 15, false }, { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_FLUSH, 0);
        assert_int_equal(guest_send(g, buffers, 2), QUEUE_BROKE);
        assert_int_equal((uint8_t) g->memory[GUEST_STATUS], STATUS_NONE);
        assert_int_equal(g->spy->n_log, 0);
}

static void line3_no_status_byte_breaks_the_queue(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false }, { GUEST_DATA, 512, false } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_OUT, 0);
        assert_int_equal(guest_send(g, buffers, 2), QUEUE_BROKE);
        assert_int_equal(g->spy->n_log, 0);
}

static void line3_status_in_the_read_only_part_breaks_the_queue(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false }, { GUEST_STATUS, 1, false } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_FLUSH, 0);
        assert_int_equal(guest_send(g, buffers, 2), QUEUE_BROKE);
        assert_int_equal((uint8_t) g->memory[GUEST_STATUS], STATUS_NONE);
}

static void reset_revives_a_broken_device(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 3, false }, { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_FLUSH, 0);
        assert_int_equal(guest_send(g, buffers, 2), QUEUE_BROKE);
        device_reset(g->dev);
        g->n_needs_reset = 0;
        driver_queue_deinit(&g->dq);
        assert_int_equal(driver_queue_init(&g->dq, g->space, GUEST_RING, g->features, g->size, 64), 0);
        g->dq.kick_fd = g->kick_fd;
        assert_int_equal(device_start(g->dev, g->features), 0);
        guest_start(g);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
}

static void line5_segments_rewritten_after_the_check(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false },
                                           { GUEST_DATA, 32, false },
                                           { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        memset(guest_segments(g), 0, 32);
        guest_segments(g)[0].num_sectors = htole32(1);
        guest_segments(g)[1].sector = htole64(9);
        guest_segments(g)[1].num_sectors = htole32(2);
        guest_header(g, VIRTIO_BLK_T_DISCARD, 0);
        g->spy->hold = true;
        guest_post(g, buffers, 3, NULL);
        while (g->spy->n_log == 0)
                assert_int_equal(loop_step(g->loop, 1000), 0);
        memset(guest_segments(g), 0xff, 32);
        memset(g->memory + GUEST_HEADER, 0xff, 16);
        spy_release(g->spy, 0);
        assert_int_equal(g->spy->n_log, 2);
        assert_int_equal(g->spy->log[1].op, DISK_DISCARD);
        assert_int_equal(g->spy->log[1].offset_bytes, 9 * 512);
        assert_int_equal(g->spy->log[1].n_bytes, 2 * 512);
        spy_release(g->spy, 0);
        assert_int_equal(guest_wait(g, NULL), VIRTIO_BLK_S_OK);
}

static void line7_data_that_overlaps_header_and_status(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false },
                                           { GUEST_HEADER, 512, true },
                                           { GUEST_HEADER, 1, true } };
        struct driver_buffer ring[] = { { GUEST_HEADER, 16, false },
                                        { GUEST_RING, 4096, true },
                                        { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_IN, 0);
        (void) guest_send(g, buffers, 3);
        assert_int_equal(g->memory[GUEST_HEADER], VIRTIO_BLK_S_OK);

        /* A read over the ring itself leaves it in whatever state; nothing but this queue may suffer. */
        guest_header(g, VIRTIO_BLK_T_IN, 0);
        guest_post(g, ring, 3, NULL);
        for (int i = 0; i < 10; i++)
                assert_int_equal(loop_step(g->loop, 0), 0);
}

static void line8_stop_drains_what_is_in_flight(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false },
                                           { GUEST_DATA, 512, true },
                                           { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_IN, 0);
        g->spy->hold = true;
        for (int i = 0; i < 5; i++)
                guest_post(g, buffers, 3, NULL);
        while (g->spy->n_log < 5)
                assert_int_equal(loop_step(g->loop, 1000), 0);
        queue_stop(g->queue, &g->setup.base);
        assert_false(g->spy->open);
        for (int i = 0; i < 5; i++)
                assert_int_equal(guest_wait(g, NULL), VIRTIO_BLK_S_OK);
        g->spy->hold = false;
        guest_start(g);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
}

static void line8_reset_while_requests_are_in_flight(void **state)
{
        struct driver_buffer buffers[] = { { GUEST_HEADER, 16, false },
                                           { GUEST_DATA, 512, true },
                                           { GUEST_STATUS, 1, true } };
        struct guest *g = *state;

        guest_header(g, VIRTIO_BLK_T_IN, 0);
        g->spy->hold = true;
        guest_post(g, buffers, 3, NULL);
        while (g->spy->n_log < 1)
                assert_int_equal(loop_step(g->loop, 1000), 0);
        device_reset(g->dev);
        device_reset(g->dev);
        assert_null(g->spy->held.head);
        for (int i = 0; i < 3; i++)
                assert_int_equal(loop_step(g->loop, 0), 0);
}

static void line9_sector_and_length(void **state)
{
        static const struct { uint64_t sector; uint32_t n_bytes; int status; } cases[] = {
                { DISK_SECTORS - 1, 512, VIRTIO_BLK_S_OK },
                { DISK_SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR }, /* past the end by one */
                { DISK_SECTORS, 512, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR }, /* * 512 wraps to 0 */
                { UINT64_MAX - 7, 8192, VIRTIO_BLK_S_IOERR },
                { 0, 511, VIRTIO_BLK_S_IOERR }, /* unaligned */
                { 0, 513, VIRTIO_BLK_S_IOERR },
                { 0, 1, VIRTIO_BLK_S_IOERR },
                { DISK_SECTORS, 0, VIRTIO_BLK_S_OK },
                { DISK_SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
        };
        struct guest *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, cases[i].sector, cases[i].n_bytes, true),
                                 cases[i].status);
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, cases[i].sector, cases[i].n_bytes, false),
                                 cases[i].status);
        }
        for (unsigned i = 0; i < g->spy->n_log; i++)
                assert_true(range_fits(g->spy->log[i].offset_bytes, g->spy->log[i].n_bytes, DISK_BYTES));
}

static void line9_segment_arithmetic_and_flags(void **state)
{
        static const struct { uint64_t sector; uint32_t n, flags; int discard, zeroes; } cases[] = {
                { 0, 1, 0, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_OK },
                { 0, 1, 1, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_OK },
                { 0, 1, 2, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP },
                { 0, 1, 0x80000001, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP },
                { DISK_SECTORS - 1, 1, 0, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_OK },
                { DISK_SECTORS - 1, 2, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { DISK_SECTORS, 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX, 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { UINT64_MAX / 512 + 1, 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
                { 0, 0, 0, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_OK },
        };
        struct guest *g = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                *guest_segments(g) = (struct virtio_blk_discard_write_zeroes) {
                        .sector = htole64(cases[i].sector),
                        .num_sectors = htole32(cases[i].n),
                        .flags = htole32(cases[i].flags),
                };
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_DISCARD, 0, 16, false), cases[i].discard);
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), cases[i].zeroes);
        }
}

static void line9_segment_counts(void **state)
{
        static const struct { uint32_t n_bytes; int status; } cases[] = {
                { 0, VIRTIO_BLK_S_IOERR }, { 1, VIRTIO_BLK_S_IOERR }, { 15, VIRTIO_BLK_S_IOERR },
                { 16, VIRTIO_BLK_S_OK }, { 17, VIRTIO_BLK_S_IOERR }, { 32 * 16, VIRTIO_BLK_S_OK },
                { 32 * 16 + 8, VIRTIO_BLK_S_IOERR }, { 33 * 16, VIRTIO_BLK_S_IOERR }, { 65536, VIRTIO_BLK_S_IOERR },
        };
        struct guest *g = *state;

        memset(guest_segments(g), 0, 65536);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_DISCARD, 0, cases[i].n_bytes, false), cases[i].status);
                assert_int_equal(guest_run(g, VIRTIO_BLK_T_WRITE_ZEROES, 0, cases[i].n_bytes, false), cases[i].status);
        }
        /* One bad segment among good ones: nothing is done. */
        g->spy->n_log = 0;
        guest_segments(g)[3].sector = htole64(DISK_SECTORS + 1);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_DISCARD, 0, 64, false), VIRTIO_BLK_S_IOERR);
        assert_int_equal(g->spy->n_log, 0);
}

static void line9_image_shrinks_under_us(void **state)
{
        struct guest *g = *state;
        struct stat st;

        assert_int_equal(ftruncate(g->image_fd, 4096), 0);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 8, 512, true), VIRTIO_BLK_S_IOERR);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_OUT, 8, 512, false), VIRTIO_BLK_S_IOERR);
        assert_int_equal(guest_run(g, VIRTIO_BLK_T_IN, 7, 512, true), VIRTIO_BLK_S_OK);
        assert_int_equal(fstat(g->image_fd, &st), 0);
        assert_int_equal(st.st_size, 4096);
        assert_true(g->n_config_changed > 0);
}

#define RING_COMMON (FEATURE(VIRTIO_FEATURE_EVENT_IDX) | FEATURE(VIRTIO_FEATURE_INDIRECT_DESC))
#define PACKED FEATURE(VIRTIO_FEATURE_RING_PACKED)

static const struct guest_config file_configs[] = {
        { .features = RING_COMMON }, { .features = RING_COMMON | PACKED }, { .features = 0 },
        { .features = PACKED | FEATURE(VIRTIO_FEATURE_IN_ORDER) },
};
static const struct guest_config spy_configs[] = {
        { .features = RING_COMMON, .spy = true }, { .features = RING_COMMON | PACKED, .spy = true },
        { .features = 0, .spy = true },
        { .features = RING_COMMON | FEATURE(VIRTIO_FEATURE_IN_ORDER), .spy = true },
};
static const struct guest_config ro_configs[] = {
        { .features = RING_COMMON, .read_only = true }, { .features = PACKED, .read_only = true },
        { .features = 0, .read_only = true }, { .features = RING_COMMON | PACKED, .read_only = true },
};

#define CASE(fn, configs, i) { #fn, fn, guest_setup, guest_teardown, (void *) (uintptr_t) &(configs)[i] }
#define CASES(fn, configs) CASE(fn, configs, 0), CASE(fn, configs, 1), CASE(fn, configs, 2), CASE(fn, configs, 3)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASES(read_returns_what_write_stored, file_configs),
                CASES(request_of_as_many_pieces_as_allowed, file_configs),
                CASES(full_ring_of_requests_completes, file_configs),
                CASES(serial_is_given, file_configs),
                CASES(zeroes_and_discards_take_several_segments, file_configs),
                CASE(config_says_what_the_disk_is, spy_configs, 0),
                CASE(line6_only_writeback_can_be_written, spy_configs, 0),
                CASE(resized_image_is_announced_and_used, file_configs, 0),
                CASE(writes_are_durable_before_completion_when_writeback_is_off, spy_configs, 0),
                CASE(driver_without_flush_gets_durable_writes, spy_configs, 0),
                CASES(write_to_read_only_disk_fails, ro_configs),
                CASES(unknown_type_is_unsupported, spy_configs),
                CASE(discard_that_was_not_negotiated_is_unsupported, spy_configs, 0),
                CASES(disk_errors_become_status, spy_configs),
                CASES(line3_header_split_over_many_descriptors, spy_configs),
                CASES(line3_header_and_status_share_descriptors_with_data, file_configs),
                CASES(line3_short_header_breaks_the_queue, spy_configs),
                CASES(line3_no_status_byte_breaks_the_queue, spy_configs),
                CASES(line3_status_in_the_read_only_part_breaks_the_queue, spy_configs),
                CASES(reset_revives_a_broken_device, spy_configs),
                CASES(line5_segments_rewritten_after_the_check, spy_configs),
                CASES(line7_data_that_overlaps_header_and_status, file_configs),
                CASES(line8_stop_drains_what_is_in_flight, spy_configs),
                CASES(line8_reset_while_requests_are_in_flight, spy_configs),
                CASES(line9_sector_and_length, spy_configs),
                CASES(line9_segment_arithmetic_and_flags, spy_configs),
                CASES(line9_segment_counts, spy_configs),
                CASES(line9_image_shrinks_under_us, file_configs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
