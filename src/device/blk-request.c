/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One request of the block device. Spec: VIRTIO 1.4, 5.2.6.
 *
 *      readable:  header (16 bytes)  [ data of a write | segments ]
 *      writable:  [ data of a read | id ]  status (1 byte)
 *
 * in any division into descriptors (2.6.4). The header and segments are copied out of guest memory once, and only the
 * copy is checked and used. A chain that has no room for header and status is no request: the queue breaks. All else
 * that is wrong with a request is answered in its status.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "device/blk-private.h"

#define HEADER_BYTES sizeof(struct virtio_blk_outhdr)

static void complete(struct blk_request *rq, uint8_t status)
{
        struct blk_queue *bq = rq->queue;

        *(volatile uint8_t *) rq->status = status;
        queue_push(bq->queue, &rq->chain, rq->chain.n_write_bytes);
        blk_queue_completed(bq, &rq->chain);
        blk_request_put(rq);
}

/* Hands the next segment of a discard or write of zeroes to the disk. */
static void submit_segment(struct blk_request *rq)
{
        const struct virtio_blk_discard_write_zeroes *s = &rq->rest->segments[rq->segment++];

        rq->io.offset_bytes = le64toh(s->sector) * BLK_SECTOR_BYTES;
        rq->io.n_bytes = (uint64_t) le32toh(s->num_sectors) * BLK_SECTOR_BYTES;
        rq->io.may_unmap = le32toh(s->flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
        disk_submit(rq->queue->channel, &rq->io);
}

static void on_io_done(struct disk_request *io, int result)
{
        struct blk_request *rq = container_of(io, struct blk_request, io);

        if (unlikely(result < 0)) {
                complete(rq, result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR);
        } else if (unlikely(rq->segment < rq->n_segments)) {
                submit_segment(rq);
        } else if (unlikely(rq->flush_after)) {
                rq->flush_after = false;
                rq->io.op = DISK_FLUSH;
                disk_submit(rq->queue->channel, &rq->io);
        } else {
                complete(rq, VIRTIO_BLK_S_OK);
        }
}

/*
 * The data of a read (of the writable part, from its start) or a write (of the readable part, after the header). In
 * the usual layout, where header and status have descriptors of their own, these are entries of the chain itself.
 */
static int locate_data(struct blk_request *rq, bool device_writes, uint32_t n_bytes)
{
        struct chain *c = &rq->chain;
        int n;

        if (device_writes && c->n_write > 0 && c->iov[c->n_read + c->n_write - 1].iov_len == 1) {
                rq->io.iov = c->iov + c->n_read;
                rq->io.n_iov = c->n_write - 1u;
                return 0;
        }
        if (!device_writes && c->iov[0].iov_len == HEADER_BYTES) {
                rq->io.iov = c->iov + 1;
                rq->io.n_iov = c->n_read - 1u;
                return 0;
        }

        rq->rest = blk_spare_get(rq->queue);
        if (!rq->rest)
                return -ENOMEM;
        n = device_writes ? chain_write_slice(c, 0, n_bytes, rq->rest->iov, BLK_SPARE_IOV)
                          : chain_read_slice(c, HEADER_BYTES, n_bytes, rq->rest->iov, BLK_SPARE_IOV);
        if (n < 0)
                return n;
        rq->io.iov = rq->rest->iov;
        rq->io.n_iov = (unsigned) n;
        return 0;
}

static uint8_t start_transfer(struct blk_request *rq, enum disk_op op, uint64_t sector, uint32_t n_bytes)
{
        struct blk *blk = rq->queue->blk;
        uint64_t capacity = atomic_load_explicit(&blk->capacity_sectors, memory_order_relaxed);

        if (n_bytes % BLK_SECTOR_BYTES != 0 || !range_fits(sector, n_bytes / BLK_SECTOR_BYTES, capacity))
                return VIRTIO_BLK_S_IOERR;
        if (locate_data(rq, op == DISK_READ, n_bytes) < 0)
                return VIRTIO_BLK_S_IOERR;
        rq->io.op = op;
        rq->io.write_through = op == DISK_WRITE && !atomic_load_explicit(&blk->writeback, memory_order_relaxed);
        rq->io.offset_bytes = sector * BLK_SECTOR_BYTES;
        rq->io.n_bytes = n_bytes;
        disk_submit(rq->queue->channel, &rq->io);
        return VIRTIO_BLK_S_OK;
}

static uint8_t check_segment(const struct blk *blk, enum disk_op op, const struct virtio_blk_discard_write_zeroes *s)
{
        uint32_t allowed_flags = op == DISK_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
        uint32_t n_max = op == DISK_WRITE_ZEROES ? BLK_ZEROES_SECTORS_MAX : BLK_DISCARD_SECTORS_MAX;
        uint64_t capacity = atomic_load_explicit(&blk->capacity_sectors, memory_order_relaxed);

        if (le32toh(s->flags) & ~allowed_flags)
                return VIRTIO_BLK_S_UNSUPP;
        if (le32toh(s->num_sectors) > n_max || !range_fits(le64toh(s->sector), le32toh(s->num_sectors), capacity))
                return VIRTIO_BLK_S_IOERR;
        return VIRTIO_BLK_S_OK;
}

static uint8_t start_segments(struct blk_request *rq, enum disk_op op)
{
        const struct blk *blk = rq->queue->blk;
        size_t n_bytes = rq->chain.n_read_bytes - HEADER_BYTES;
        size_t n = n_bytes / sizeof(rq->rest->segments[0]);
        uint8_t status;

        if (n == 0 || n > BLK_SEGMENTS_MAX || n_bytes % sizeof(rq->rest->segments[0]) != 0)
                return VIRTIO_BLK_S_IOERR;
        rq->rest = blk_spare_get(rq->queue);
        if (!rq->rest)
                return VIRTIO_BLK_S_IOERR;
        (void) chain_read(&rq->chain, HEADER_BYTES, rq->rest->segments, n_bytes);
        for (size_t i = 0; i < n; i++) {
                status = check_segment(blk, op, &rq->rest->segments[i]);
                if (status != VIRTIO_BLK_S_OK)
                        return status;
        }
        rq->n_segments = (uint16_t) n;
        rq->flush_after = !atomic_load_explicit(&blk->writeback, memory_order_relaxed);
        rq->io.op = op;
        rq->io.write_through = false;
        submit_segment(rq);
        return VIRTIO_BLK_S_OK;
}

static uint8_t start_flush(struct blk_request *rq)
{
        rq->io.op = DISK_FLUSH;
        disk_submit(rq->queue->channel, &rq->io);
        return VIRTIO_BLK_S_OK;
}

static uint8_t give_id(struct blk_request *rq)
{
        const uint8_t *serial = rq->queue->blk->serial;

        (void) chain_write(&rq->chain, 0, serial, MIN(rq->chain.n_write_bytes - 1, (uint32_t) VIRTIO_BLK_ID_BYTES));
        complete(rq, VIRTIO_BLK_S_OK);
        return VIRTIO_BLK_S_OK;
}

static bool negotiated(const struct blk_request *rq, unsigned bit)
{
        return rq->queue->blk->dev.negotiated >> bit & 1;
}

/* Return: VIRTIO_BLK_S_OK if the request was started (it completes, or has); otherwise what to answer now. */
static uint8_t start(struct blk_request *rq, const struct virtio_blk_outhdr *header)
{
        uint32_t type = le32toh(header->type);
        bool read_only = rq->queue->blk->read_only;

        switch (type) {
        case VIRTIO_BLK_T_IN:
                return start_transfer(rq, DISK_READ, le64toh(header->sector), rq->chain.n_write_bytes - 1);
        case VIRTIO_BLK_T_OUT:
                if (read_only)
                        return VIRTIO_BLK_S_IOERR;
                return start_transfer(rq, DISK_WRITE, le64toh(header->sector), rq->chain.n_read_bytes - HEADER_BYTES);
        case VIRTIO_BLK_T_FLUSH:
                return start_flush(rq);
        case VIRTIO_BLK_T_GET_ID:
                return give_id(rq);
        case VIRTIO_BLK_T_DISCARD:
        case VIRTIO_BLK_T_WRITE_ZEROES:
                if (read_only)
                        return VIRTIO_BLK_S_IOERR;
                if (!negotiated(rq, type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES))
                        return VIRTIO_BLK_S_UNSUPP;
                return start_segments(rq, type == VIRTIO_BLK_T_DISCARD ? DISK_DISCARD : DISK_WRITE_ZEROES);
        default:
                return VIRTIO_BLK_S_UNSUPP;
        }
}

/* Makes the popped chain outlive the next pop. Return: 0, -ENOMEM, or -E2BIG. */
static int keep(struct blk_request *rq, const struct chain *c)
{
        size_t n = (size_t) c->n_read + c->n_write;

        if (likely(n <= BLK_INLINE_IOV))
                return chain_keep(&rq->chain, c, rq->iov, BLK_INLINE_IOV);
        if (n > BLK_SPARE_IOV)
                return -E2BIG;
        rq->kept = blk_spare_get(rq->queue);
        return rq->kept ? chain_keep(&rq->chain, c, rq->kept->iov, BLK_SPARE_IOV) : -ENOMEM;
}

/* Answers a request that cannot even be kept. */
static void refuse(struct blk_queue *bq, const struct chain *c)
{
        uint8_t status = VIRTIO_BLK_S_IOERR;

        (void) chain_write(c, c->n_write_bytes - 1, &status, 1);
        queue_push(bq->queue, c, c->n_write_bytes);
        blk_queue_completed(bq, c);
}

int blk_request_start(struct blk_queue *bq, const struct chain *c)
{
        struct virtio_blk_outhdr header;
        const struct iovec *last;
        struct blk_request *rq;
        uint8_t status;

        if (c->n_write_bytes == 0 || chain_read(c, 0, &header, HEADER_BYTES) < HEADER_BYTES)
                return -EBADMSG;
        rq = blk_request_get(bq);
        if (!rq)
                return -EBADMSG; /* more in flight than the queue has entries */
        if (keep(rq, c) < 0) {
                blk_request_put(rq);
                refuse(bq, c);
                return 0;
        }
        last = &rq->chain.iov[c->n_read + c->n_write - 1];
        rq->status = (uint8_t *) last->iov_base + last->iov_len - 1;
        rq->io.done = on_io_done;
        rq->n_segments = rq->segment = 0;
        rq->flush_after = false;

        status = start(rq, &header);
        if (status != VIRTIO_BLK_S_OK)
                complete(rq, status);
        return 0;
}
