/* SPDX-License-Identifier: MPL-2.0 */
#include "blk-load.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_blk.h>

#include "base/macros.h"

#define STATUS_OFFSET 64
#define DATA_OFFSET 4096
#define NOT_ANSWERED 0xee
#define WAIT_MS 30000
#define BLOCK_SECTORS (BLK_LOAD_BLOCK_BYTES / 512)

static uint64_t next_random(struct blk_load *l)
{
        l->random ^= l->random << 13;
        l->random ^= l->random >> 7;
        l->random ^= l->random << 17;
        return l->random;
}

/* Contents of a version of a block; version 0 is zeroes. */
static uint64_t word_of(uint32_t block, uint32_t version, size_t i)
{
        return version == 0 ? 0 : ((uint64_t) block << 32 | version) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static void fill_block(uint64_t *words, uint32_t block, uint32_t version)
{
        for (size_t i = 0; i < BLK_LOAD_BLOCK_BYTES / sizeof(*words); i++)
                words[i] = word_of(block, version, i);
}

static void check_block(const uint64_t *words, uint32_t block, uint32_t version)
{
        for (size_t i = 0; i < BLK_LOAD_BLOCK_BYTES / sizeof(*words); i++)
                assert_true(words[i] == word_of(block, version, i));
}

void blk_load_init(struct blk_load *l, struct vhost_driver *d, uint16_t queue)
{
        *l = (struct blk_load) { .driver = d, .queue = queue, .random = UINT64_C(0x2545f4914f6cdd1d) + queue };
        for (unsigned i = 0; i < BLK_LOAD_SLOTS; i++) {
                l->slots[i].at = vhost_driver_alloc(d, DATA_OFFSET + BLK_LOAD_BLOCK_BYTES, 4096);
                assert_true(l->slots[i].at != 0);
        }
}

static void send_request(struct blk_load *l, struct blk_slot *s)
{
        struct virtio_blk_outhdr *header = vhost_driver_pointer(l->driver, s->at);
        uint8_t *status = vhost_driver_pointer(l->driver, s->at + STATUS_OFFSET);
        struct driver_buffer buffers[] = {
                { s->at, sizeof(*header), false },
                { s->at + DATA_OFFSET, 1024, !s->write },
                { s->at + DATA_OFFSET + 1024, BLK_LOAD_BLOCK_BYTES - 1024, !s->write },
                { s->at + STATUS_OFFSET, 1, true },
        };
        uint64_t first = (uint64_t) l->queue * BLK_LOAD_BLOCKS;

        *header = (struct virtio_blk_outhdr) {
                .type = htole32(s->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN),
                .sector = htole64((first + s->block) * BLOCK_SECTORS),
        };
        *status = NOT_ANSWERED;
        assert_int_equal(driver_queue_add(&l->driver->queues[l->queue], buffers, ARRAY_SIZE(buffers), s), 0);
        s->busy = true;
        l->n_busy++;
}

void blk_load_fill(struct blk_load *l)
{
        for (unsigned i = 0; i < BLK_LOAD_SLOTS; i++) {
                struct blk_slot *s = &l->slots[i];
                uint64_t *data = vhost_driver_pointer(l->driver, s->at + DATA_OFFSET);

                if (s->busy)
                        continue;
                s->block = (uint32_t) (next_random(l) % (BLK_LOAD_BLOCKS / BLK_LOAD_SLOTS)) * BLK_LOAD_SLOTS + i;
                s->write = next_random(l) % 2 == 0;
                if (s->write)
                        fill_block(data, s->block, ++l->versions[s->block]);
                else
                        memset(data, 0x77, BLK_LOAD_BLOCK_BYTES);
                send_request(l, s);
        }
        (void) driver_queue_kick(&l->driver->queues[l->queue]);
}

int blk_load_take(struct blk_load *l, unsigned timeout_ms)
{
        struct blk_slot *s;
        uint32_t len;
        void *cookie;
        int r;

        r = vhost_driver_wait(l->driver, l->queue, timeout_ms, &cookie, &len);
        if (r == -ETIMEDOUT)
                return r;
        assert_int_equal(r, 1);
        s = cookie;
        assert_true(s->busy);
        assert_int_equal(*(uint8_t *) vhost_driver_pointer(l->driver, s->at + STATUS_OFFSET), VIRTIO_BLK_S_OK);
        assert_int_equal(len, s->write ? 1 : BLK_LOAD_BLOCK_BYTES + 1);
        if (!s->write)
                check_block(vhost_driver_pointer(l->driver, s->at + DATA_OFFSET), s->block, l->versions[s->block]);
        s->busy = false;
        l->n_busy--;
        l->n_done++;
        l->n_writes += s->write;
        return 0;
}

void blk_load_run(struct blk_load *l, uint64_t n)
{
        uint64_t end = l->n_done + n;

        while (l->n_done < end) {
                blk_load_fill(l);
                assert_int_equal(blk_load_take(l, WAIT_MS), 0);
        }
}

void blk_load_finish(struct blk_load *l)
{
        while (l->n_busy > 0)
                assert_int_equal(blk_load_take(l, WAIT_MS), 0);
        for (uint32_t block = 0; block < BLK_LOAD_BLOCKS; block++) {
                struct blk_slot *s = &l->slots[0];

                s->block = block;
                s->write = false;
                send_request(l, s);
                (void) driver_queue_kick(&l->driver->queues[l->queue]);
                assert_int_equal(blk_load_take(l, WAIT_MS), 0);
        }
}

int blk_run(struct vhost_driver *d, uint16_t queue, uint32_t type, uint64_t sector, gpa_t data, uint32_t n_bytes,
            bool device_writes)
{
        static const uint32_t header_bytes = sizeof(struct virtio_blk_outhdr);
        gpa_t at = vhost_driver_alloc(d, 128, 128);
        struct virtio_blk_outhdr *header = vhost_driver_pointer(d, at);
        uint8_t *status = vhost_driver_pointer(d, at + STATUS_OFFSET);
        struct driver_buffer buffers[3] = { { at, header_bytes, false } };
        unsigned n = 1;
        void *cookie;
        uint32_t len;

        assert_true(at != 0);
        *header = (struct virtio_blk_outhdr) { .type = htole32(type), .sector = htole64(sector) };
        *status = NOT_ANSWERED;
        if (n_bytes > 0)
                buffers[n++] = (struct driver_buffer) { data, n_bytes, device_writes };
        buffers[n++] = (struct driver_buffer) { at + STATUS_OFFSET, 1, true };
        assert_int_equal(driver_queue_add(&d->queues[queue], buffers, n, status), 0);
        (void) driver_queue_kick(&d->queues[queue]);
        assert_int_equal(vhost_driver_wait(d, queue, WAIT_MS, &cookie, &len), 1);
        assert_ptr_equal(cookie, status);
        return *status;
}
