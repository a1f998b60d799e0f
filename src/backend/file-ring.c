/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/file-ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"

/* What file-channel.c submits. */
static const struct io_uring_restriction restrictions[] = {
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FALLOCATE },
};

/* liburing declares functions for both, but some builds of it do not have them (Debian 12). */
static int ring_register(const struct io_uring *uring, unsigned opcode, void *argument, unsigned n)
{
        return syscall(__NR_io_uring_register, uring->ring_fd, opcode, argument, n) < 0 ? -errno : 0;
}

static int ring_open(struct io_uring *uring, unsigned n_entries)
{
        /*
         * COOP_TASKRUN: Linux 5.19. Not SINGLE_ISSUER: a queue may come back on another thread. Not DEFER_TASKRUN,
         * which needs that; with it, Linux 6.18 also fails to wake an epoll that waits for the ring's descriptor.
         */
        static const unsigned flags[] = { IORING_SETUP_COOP_TASKRUN, 0 };
        struct io_uring_restriction copy[ARRAY_SIZE(restrictions)];
        int r = -EINVAL;

        for (size_t i = 0; i < ARRAY_SIZE(flags) && r == -EINVAL; i++)
                r = io_uring_queue_init(n_entries, uring, flags[i] | IORING_SETUP_R_DISABLED);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(copy); i++)
                copy[i] = restrictions[i];
        r = ring_register(uring, IORING_REGISTER_RESTRICTIONS, copy, ARRAY_SIZE(copy));
        if (r == 0)
                r = ring_register(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (r < 0)
                io_uring_queue_exit(uring);
        return r;
}

int file_rings_init(struct file_rings *r, unsigned n_rings, unsigned n_entries)
{
        int result;

        *r = (struct file_rings) { .rings = calloc(MAX(n_rings, 1u), sizeof(*r->rings)) };
        if (!r->rings)
                return -ENOMEM;
        (void) pthread_mutex_init(&r->lock, NULL);
        while (r->n_rings < n_rings) {
                result = ring_open(&r->rings[r->n_rings].uring, n_entries);
                if (result < 0) {
                        log_debug("file", "no io_uring (error %d): I/O blocks the queue's thread", -result);
                        break;
                }
                r->n_rings++;
        }
        return 0;
}

void file_rings_deinit(struct file_rings *r)
{
        if (!r->rings)
                return;
        for (unsigned i = 0; i < r->n_rings; i++)
                io_uring_queue_exit(&r->rings[i].uring);
        free(r->rings);
        (void) pthread_mutex_destroy(&r->lock);
        *r = (struct file_rings) { .rings = NULL };
}

struct io_uring *file_rings_take(struct file_rings *r)
{
        struct io_uring *uring = NULL;

        (void) pthread_mutex_lock(&r->lock);
        for (unsigned i = 0; i < r->n_rings && !uring; i++) {
                if (!r->rings[i].taken) {
                        r->rings[i].taken = true;
                        uring = &r->rings[i].uring;
                }
        }
        (void) pthread_mutex_unlock(&r->lock);
        return uring;
}

void file_rings_put(struct file_rings *r, struct io_uring *uring)
{
        (void) pthread_mutex_lock(&r->lock);
        container_of(uring, struct file_ring, uring)->taken = false;
        (void) pthread_mutex_unlock(&r->lock);
}
