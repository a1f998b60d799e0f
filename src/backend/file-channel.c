/* SPDX-License-Identifier: MPL-2.0 */
/*
 * I/O of one queue on an image; file.h says which way a request takes and why.
 *
 *   queued ──kick──► inline ──────────────────────────────► done
 *                       │ would block, or must not be inline
 *                       ▼
 *                    waiting ──room──► flying (io_uring) ──► done
 *                       ▲                    │
 *                       └── short, next step ┘
 *
 * scratch[0] of a request is the number of bytes that are done, scratch[1] the step that flies, scratch[2] is
 * nonzero once O_DIRECT refused it.
 *
 * A partly done transfer goes on with the rest of its current piece alone, then with the remaining pieces, so
 * that the caller's iovec is neither copied nor changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/disk-list.h"
#include "backend/file-private.h"
#include "base/macros.h"

#define FLYING_MAX (2 * FILE_RING_ENTRIES) /* entries of the completion ring */
#define PIECE_MAX ((size_t) 1 << 30)

#define ZEROES_BYTES 4096
#define ZEROES_PIECES 256

/* Also the way down: what the file system refuses is not tried again, neither by this request nor by others. */
enum step {
        STEP_TRANSFER, /* reads and writes; writes of zeroes where the file system has no better way */
        STEP_FLUSH,
        STEP_PUNCH,
        STEP_ZERO_RANGE,
        STEP_NOTHING,  /* a discard is advice: the file system cannot take it */
};

struct file_channel {
        struct disk_channel channel;
        struct file_disk *file; /* borrowed */
        struct loop *loop;      /* borrowed */
        struct disk_list queued, waiting;
        unsigned n_flying;
        bool busy; /* a function that will look at `queued` again is on the stack */
        struct io_uring *ring; /* borrowed from the image; NULL: there is none, and calls block */
        struct watch watch;
        struct task retry; /* the kernel had no room for what was submitted */
};

static const char zeroes[ZEROES_BYTES];
static const struct iovec zeroes_iov[ZEROES_PIECES] = {
        [0 ... ZEROES_PIECES - 1] = { (void *) (uintptr_t) zeroes, ZEROES_BYTES },
};

static void finish(struct file_channel *c, struct disk_request *rq, int result)
{
        if (result < 0)
                (void) file_refresh(c->file);
        rq->done(rq, result);
}

/* What is left of a transfer: either @one, filled here, or whole pieces. */
static const struct iovec *rest_of(const struct disk_request *rq, struct iovec *one, unsigned *ret_n)
{
        uint64_t skip = rq->scratch[0];
        unsigned i = 0;

        if (rq->op == DISK_WRITE_ZEROES) {
                uint64_t left = rq->n_bytes - skip;

                if (left >= ZEROES_BYTES) {
                        *ret_n = (unsigned) MIN(left / ZEROES_BYTES, (uint64_t) ZEROES_PIECES);
                        return zeroes_iov;
                }
                *one = (struct iovec) { (void *) (uintptr_t) zeroes, left };
                *ret_n = 1;
                return one;
        }
        while (skip > 0 && skip >= rq->iov[i].iov_len)
                skip -= rq->iov[i++].iov_len;
        if (skip == 0) {
                *ret_n = rq->n_iov - i;
                return rq->iov + i;
        }
        *one = (struct iovec) { (char *) rq->iov[i].iov_base + skip, rq->iov[i].iov_len - skip };
        *ret_n = 1;
        return one;
}

static enum step next_step(const struct file_disk *f, const struct disk_request *rq)
{
        bool can_punch = !atomic_load_explicit(&f->no_punch, memory_order_relaxed);

        switch (rq->op) {
        case DISK_READ:
        case DISK_WRITE:
                break;
        case DISK_FLUSH:
                return STEP_FLUSH;
        case DISK_DISCARD:
                return can_punch ? STEP_PUNCH : STEP_NOTHING;
        case DISK_WRITE_ZEROES:
                if (rq->may_unmap && can_punch)
                        return STEP_PUNCH;
                if (!atomic_load_explicit(&f->no_zero_range, memory_order_relaxed))
                        return STEP_ZERO_RANGE;
                break;
        }
        return STEP_TRANSFER;
}

static int fallocate_mode(enum step step)
{
        return FALLOC_FL_KEEP_SIZE | (step == STEP_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

/* Return: true if the request has another way to go on. */
static bool learn_refusal(struct file_disk *f, enum step step, int result)
{
        if (result != -EOPNOTSUPP || (step != STEP_PUNCH && step != STEP_ZERO_RANGE))
                return false;
        atomic_store(step == STEP_PUNCH ? &f->no_punch : &f->no_zero_range, true);
        return true;
}

/* One transfer on the caller's thread. Return: bytes or a negative errno. */
static ssize_t transfer(const struct file_disk *f, const struct disk_request *rq, int flags)
{
        off_t at = (off_t) (rq->offset_bytes + rq->scratch[0]);
        const struct iovec *iov;
        struct iovec one;
        unsigned n;
        ssize_t r;

        if (rq->write_through)
                flags |= RWF_DSYNC;
        iov = rest_of(rq, &one, &n);
        if (n == 1 && flags == 0) /* most requests; saves the kernel a copy of the iovec */
                r = rq->op == DISK_READ ? pread(f->fd, iov->iov_base, iov->iov_len, at)
                                        : pwrite(f->fd, iov->iov_base, iov->iov_len, at);
        else
                r = rq->op == DISK_READ ? preadv2(f->fd, iov, (int) n, at, flags)
                                        : pwritev2(f->fd, iov, (int) n, at, flags);
        return r < 0 ? -errno : r;
}

static int transfer_all(const struct file_disk *f, struct disk_request *rq)
{
        while (rq->scratch[0] < rq->n_bytes) {
                ssize_t n = transfer(f, rq, 0);

                if (n == -EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? (int) n : -EIO; /* 0: the image has become shorter */
                rq->scratch[0] += (uint64_t) n;
        }
        return 0;
}

/* Does the whole request by blocking calls. */
static int run_blocking(struct file_disk *f, struct disk_request *rq)
{
        enum step step;
        int r;

        do {
                step = next_step(f, rq);
                switch (step) {
                case STEP_TRANSFER:
                        return transfer_all(f, rq);
                case STEP_NOTHING:
                        return 0;
                case STEP_FLUSH:
                        return fdatasync(f->fd) < 0 ? -errno : 0;
                case STEP_PUNCH:
                case STEP_ZERO_RANGE:
                        break;
                }
                r = fallocate(f->fd, fallocate_mode(step), (off_t) rq->offset_bytes, (off_t) rq->n_bytes);
                r = r < 0 ? -errno : 0;
        } while (learn_refusal(f, step, r));
        return r;
}

static bool fits_direct(const struct file_disk *f, const struct disk_request *rq)
{
        uint64_t offset_mask = f->direct_offset_align - 1, memory_mask = f->direct_memory_align - 1;

        if (f->direct_fd < 0 || rq->op == DISK_WRITE_ZEROES || rq->scratch[2] != 0)
                return false;
        if (((rq->offset_bytes | rq->scratch[0] | rq->n_bytes) & offset_mask) != 0)
                return false;
        for (unsigned i = 0; i < rq->n_iov; i++)
                if (((uintptr_t) rq->iov[i].iov_base & memory_mask) != 0 || (rq->iov[i].iov_len & offset_mask) != 0)
                        return false;
        return true;
}

static void prepare_transfer(struct file_disk *f, struct disk_request *rq, struct io_uring_sqe *sqe)
{
        uint64_t at = rq->offset_bytes + rq->scratch[0];
        int fd = fits_direct(f, rq) ? f->direct_fd : f->fd;
        const struct iovec *iov;
        struct iovec one;
        unsigned n;

        iov = rest_of(rq, &one, &n);
        if (n == 1 && rq->op == DISK_READ)
                io_uring_prep_read(sqe, fd, iov->iov_base, (unsigned) MIN(iov->iov_len, PIECE_MAX), at);
        else if (n == 1)
                io_uring_prep_write(sqe, fd, iov->iov_base, (unsigned) MIN(iov->iov_len, PIECE_MAX), at);
        else if (rq->op == DISK_READ)
                io_uring_prep_readv(sqe, fd, iov, n, at);
        else
                io_uring_prep_writev(sqe, fd, iov, n, at);
        if (rq->write_through)
                sqe->rw_flags = RWF_DSYNC;
}

static void prepare(struct file_disk *f, struct disk_request *rq, struct io_uring_sqe *sqe)
{
        enum step step = next_step(f, rq);

        switch (step) {
        case STEP_TRANSFER:
                prepare_transfer(f, rq, sqe);
                break;
        case STEP_FLUSH:
                io_uring_prep_fsync(sqe, f->fd, IORING_FSYNC_DATASYNC);
                break;
        case STEP_PUNCH:
        case STEP_ZERO_RANGE:
                io_uring_prep_fallocate(sqe, f->fd, fallocate_mode(step), (off_t) rq->offset_bytes,
                                        (off_t) rq->n_bytes);
                break;
        case STEP_NOTHING:
                io_uring_prep_nop(sqe);
                break;
        }
        rq->scratch[1] = step;
        io_uring_sqe_set_data(sqe, rq);
}

static void on_retry(struct task *t);

/* Moves waiting requests into the ring as far as there is room, and starts them: usually one system call. */
static void fly(struct file_channel *c)
{
        while (c->waiting.head && c->n_flying < FLYING_MAX) {
                struct io_uring_sqe *sqe = io_uring_get_sqe(c->ring);

                if (!sqe && io_uring_submit(c->ring) > 0)
                        sqe = io_uring_get_sqe(c->ring);
                if (!sqe)
                        break;
                prepare(c->file, disk_list_pop(&c->waiting), sqe);
                c->n_flying++;
        }
        if (io_uring_sq_ready(c->ring) > 0 && io_uring_submit(c->ring) <= 0)
                task_schedule(&c->retry, c->loop, on_retry);
}

static void on_retry(struct task *t)
{
        fly(container_of(t, struct file_channel, retry));
}

static void wait_for_ring(struct file_channel *c, struct disk_request *rq)
{
        if (c->ring)
                disk_list_push(&c->waiting, rq);
        else
                finish(c, rq, run_blocking(c->file, rq));
}

/* Tries a read or write out of or into the page cache. Return: true if it is finished. */
static bool try_cached(struct file_channel *c, struct disk_request *rq)
{
        struct file_disk *f = c->file;
        atomic_bool *refused = rq->op == DISK_READ ? &f->no_nowait_read : &f->no_nowait_write;
        ssize_t n;

        if (rq->write_through || atomic_load_explicit(refused, memory_order_relaxed))
                return false;
        n = transfer(f, rq, RWF_NOWAIT);
        if (n == -EOPNOTSUPP)
                atomic_store(refused, true);
        if (n < 0)
                return false; /* whatever it is, the ring finds out, too */
        rq->scratch[0] = (uint64_t) n;
        if (rq->scratch[0] < rq->n_bytes)
                return false;
        finish(c, rq, 0);
        return true;
}

static void start(struct file_channel *c, struct disk_request *rq)
{
        struct file_disk *f = c->file;
        bool is_transfer = rq->op == DISK_READ || rq->op == DISK_WRITE;

        rq->scratch[0] = rq->scratch[2] = 0;
        if (rq->op != DISK_FLUSH) {
                uint64_t size_bytes = atomic_load_explicit(&f->size_bytes, memory_order_relaxed);

                if (!range_fits(rq->offset_bytes, rq->n_bytes, size_bytes)) {
                        finish(c, rq, -EIO);
                        return;
                }
                if (rq->op != DISK_READ && f->options.read_only) {
                        finish(c, rq, -EROFS);
                        return;
                }
                if (rq->n_bytes == 0) {
                        finish(c, rq, 0);
                        return;
                }
        }
        if (f->options.never_inline || (is_transfer && f->direct_fd >= 0))
                wait_for_ring(c, rq);
        else if (f->in_memory && (is_transfer || rq->op == DISK_FLUSH))
                finish(c, rq, run_blocking(f, rq));
        else if (!is_transfer || !try_cached(c, rq))
                wait_for_ring(c, rq);
}

static void run_queued(struct file_channel *c)
{
        bool size_is_fresh = false;
        struct disk_request *rq;

        while ((rq = disk_list_pop(&c->queued)) != NULL) {
                if (rq->op != DISK_READ && !size_is_fresh) {
                        (void) file_refresh(c->file);
                        size_is_fresh = true;
                }
                start(c, rq);
        }
        if (c->waiting.head)
                fly(c);
}

static void completed(struct file_channel *c, struct disk_request *rq, int result)
{
        struct file_disk *f = c->file;

        if (result == -EINTR || learn_refusal(f, rq->scratch[1], result)) {
                disk_list_push(&c->waiting, rq);
        } else if (rq->scratch[1] != STEP_TRANSFER) {
                finish(c, rq, result);
        } else if (result == -EINVAL && fits_direct(f, rq)) {
                rq->scratch[2] = 1;
                disk_list_push(&c->waiting, rq);
        } else if (result <= 0) {
                finish(c, rq, result < 0 ? result : -EIO);
        } else {
                rq->scratch[0] += (uint64_t) result;
                if (rq->scratch[0] < rq->n_bytes)
                        disk_list_push(&c->waiting, rq);
                else
                        finish(c, rq, 0);
        }
}

static void reap(struct file_channel *c)
{
        struct io_uring_cqe *cqe;

        while (io_uring_peek_cqe(c->ring, &cqe) == 0) {
                struct disk_request *rq = io_uring_cqe_get_data(cqe);
                int result = cqe->res;

                io_uring_cqe_seen(c->ring, cqe);
                c->n_flying--;
                completed(c, rq, result);
        }
}

static void on_ring(struct watch *w, uint32_t events)
{
        struct file_channel *c = container_of(w, struct file_channel, watch);

        c->busy = true;
        reap(c);
        run_queued(c);
        c->busy = false;
}

void file_submit(struct disk_channel *channel, struct disk_request *rq)
{
        disk_list_push(&container_of(channel, struct file_channel, channel)->queued, rq);
}

void file_kick(struct disk_channel *channel)
{
        struct file_channel *c = container_of(channel, struct file_channel, channel);

        if (c->busy)
                return;
        c->busy = true;
        run_queued(c);
        c->busy = false;
}

void file_drain(struct disk_channel *channel)
{
        struct file_channel *c = container_of(channel, struct file_channel, channel);

        file_kick(channel);
        c->busy = true;
        while (c->n_flying > 0 || c->waiting.head) {
                (void) io_uring_submit_and_wait(c->ring, 1);
                reap(c);
                run_queued(c);
        }
        c->busy = false;
}

int file_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        struct file_channel *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->channel.ops = d->ops;
        c->file = container_of(d, struct file_disk, disk);
        c->loop = loop;
        c->ring = file_rings_take(&c->file->rings);
        r = c->ring ? watch_start(&c->watch, loop, c->ring->ring_fd, EPOLLIN, on_ring) : 0;
        if (r < 0) {
                (void) file_channel_close(&c->channel);
                return r;
        }
        *ret = &c->channel;
        return 0;
}

struct disk_channel *file_channel_close(struct disk_channel *channel)
{
        struct file_channel *c = container_of(channel, struct file_channel, channel);

        task_cancel(&c->retry);
        watch_stop(&c->watch);
        if (c->ring)
                file_rings_put(&c->file->rings, c->ring);
        free(c);
        return NULL;
}
