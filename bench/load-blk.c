/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Load generator: drives one queue of any vhost-user block device as a guest's driver does, and prints what it
 * got. Takes all completions that are there, sends as many new requests, kicks once; when there are none it asks
 * for a call and halts. The same for every server that is compared.
 *
 * A vCPU that halts under KVM looks for its interrupt for up to 200 us (halt_poll_ns) before its thread sleeps, so the
 * load generator does that with the call eventfd. A server has to signal it either way, but does not pay for an
 * inter-processor interrupt each time, which in a virtual machine would be most of what is measured.
 */
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "vhost/driver.h"
#include "virtio/features.h"

#define QUEUE_SIZE 256
#define DEPTH_MAX 256
#define SLOT_BYTES (UINT32_C(1) << 20)
#define STALL_MS 10000

struct load {
        const char *socket_path;
        bool write, packed;
        uint32_t block_bytes;
        unsigned depth;
        uint64_t duration_ns, halt_poll_ns;

        struct vhost_driver driver;
        struct driver_queue *dq;
        uint64_t n_blocks;
        uint64_t random;
        gpa_t slots[DEPTH_MAX]; /* header, status, then (page-aligned) data */
        uint64_t n_done, n_halts, n_sleeps;
};

#define STATUS_OFFSET 64
#define DATA_OFFSET 4096

static uint64_t next_random(struct load *l)
{
        l->random ^= l->random << 13;
        l->random ^= l->random >> 7;
        l->random ^= l->random << 17;
        return l->random;
}

static int send_request(struct load *l, gpa_t slot)
{
        struct virtio_blk_outhdr *header = vhost_driver_pointer(&l->driver, slot);
        struct driver_buffer buffers[] = {
                { slot, sizeof(*header), false },
                { slot + DATA_OFFSET, l->block_bytes, !l->write },
                { slot + STATUS_OFFSET, 1, true },
        };
        uint64_t block = next_random(l) % l->n_blocks;

        *header = (struct virtio_blk_outhdr) {
                .type = htole32(l->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN),
                .sector = htole64(block * (l->block_bytes / 512)),
        };
        return driver_queue_add(l->dq, buffers, ARRAY_SIZE(buffers), (void *) (uintptr_t) slot);
}

static int set_up(struct load *l)
{
        struct vhost_driver_options options = {
                .features_wanted = FEATURE(VIRTIO_FEATURE_EVENT_IDX) | FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) |
                                   FEATURE(VIRTIO_BLK_F_FLUSH) |
                                   (l->packed ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0),
                .memory_bytes = UINT64_C(64) << 20,
                .n_queues = 1,
                .queue_size = QUEUE_SIZE,
                .indirect_max = 4,
        };
        uint64_t capacity;
        int r;

        r = vhost_driver_start(&l->driver, l->socket_path, &options);
        if (r < 0)
                return r;
        l->dq = &l->driver.queues[0];
        r = frontend_get_config(l->driver.frontend, 0, &capacity, sizeof(capacity));
        if (r < 0)
                return r;
        l->n_blocks = le64toh(capacity) / (l->block_bytes / 512);
        if (l->n_blocks == 0)
                return -EINVAL;
        for (unsigned i = 0; i < l->depth; i++) {
                l->slots[i] = vhost_driver_alloc(&l->driver, DATA_OFFSET + l->block_bytes, 4096);
                if (l->slots[i] == 0)
                        return -ENOSPC;
                memset(vhost_driver_pointer(&l->driver, l->slots[i]), 0x5a, DATA_OFFSET + l->block_bytes);
        }
        return 0;
}

/* Takes what is done and sends as many again. Return: how many; -EIO if one failed. */
static int turn(struct load *l)
{
        uint32_t len;
        void *cookie;
        int n = 0, r;

        while ((r = driver_queue_get(l->dq, &cookie, &len)) > 0) {
                gpa_t slot = (gpa_t) (uintptr_t) cookie;

                if (*(uint8_t *) vhost_driver_pointer(&l->driver, slot + STATUS_OFFSET) != VIRTIO_BLK_S_OK)
                        return -EIO;
                r = send_request(l, slot);
                if (r < 0)
                        return r;
                n++;
        }
        return r < 0 ? r : n;
}

/* Waits for the call as a halted vCPU waits for its interrupt: see above. Return: 0 or -ETIMEDOUT. */
static int halt(struct load *l)
{
        struct pollfd p = { .fd = l->dq->call_fd, .events = POLLIN };
        uint64_t end = clock_now_ns() + l->halt_poll_ns;

        while (l->halt_poll_ns > 0 && clock_now_ns() < end)
                if (fd_event_take(l->dq->call_fd) > 0)
                        return 0;
        l->n_sleeps++;
        if (poll(&p, 1, STALL_MS) == 0)
                return -ETIMEDOUT;
        (void) fd_event_take(l->dq->call_fd);
        return 0;
}

static int run(struct load *l)
{
        uint64_t end = clock_now_ns() + l->duration_ns;
        int n = 0;

        driver_queue_disarm(l->dq);
        for (unsigned i = 0; i < l->depth && n >= 0; i++)
                n = send_request(l, l->slots[i]);
        while (n >= 0 && clock_now_ns() < end) {
                (void) driver_queue_kick(l->dq);
                n = turn(l);
                if (n > 0) {
                        l->n_done += (unsigned) n;
                        continue;
                }
                if (n == 0 && driver_queue_arm(l->dq)) {
                        l->n_halts++;
                        n = halt(l);
                }
                driver_queue_disarm(l->dq);
        }
        return n < 0 ? n : 0;
}

static void usage(void)
{
        (void) fprintf(stderr, "usage: load-blk --socket PATH [--write] [--packed] [--block BYTES] [--depth N] "
                               "[--ms MILLISECONDS] [--halt-poll-us MICROSECONDS]\n");
        exit(2);
}

static void parse(struct load *l, int argc, char **argv)
{
        static const struct option options[] = {
                { "socket", required_argument, NULL, 's' }, { "write", no_argument, NULL, 'w' },
                { "packed", no_argument, NULL, 'p' },       { "block", required_argument, NULL, 'b' },
                { "depth", required_argument, NULL, 'd' },  { "ms", required_argument, NULL, 'm' },
                { "halt-poll-us", required_argument, NULL, 'h' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 's': l->socket_path = optarg; break;
                case 'w': l->write = true; break;
                case 'p': l->packed = true; break;
                case 'b': l->block_bytes = (uint32_t) strtoul(optarg, NULL, 0); break;
                case 'd': l->depth = (unsigned) strtoul(optarg, NULL, 0); break;
                case 'm': l->duration_ns = strtoull(optarg, NULL, 0) * NSEC_PER_MSEC; break;
                case 'h': l->halt_poll_ns = strtoull(optarg, NULL, 0) * NSEC_PER_USEC; break;
                default: usage();
                }
        }
        if (!l->socket_path || l->depth == 0 || l->depth > DEPTH_MAX || l->block_bytes == 0 ||
            l->block_bytes % 512 != 0 || l->block_bytes > SLOT_BYTES || optind != argc)
                usage();
}

int main(int argc, char **argv)
{
        static struct load l = {
                .block_bytes = 4096, .depth = 1, .duration_ns = NSEC_PER_SEC, .halt_poll_ns = 200 * NSEC_PER_USEC,
                .random = UINT64_C(0x9e3779b97f4a7c15),
        };
        uint64_t begin;
        int r;

        parse(&l, argc, argv);
        r = set_up(&l);
        begin = clock_now_ns();
        if (r == 0)
                r = run(&l);
        if (r < 0) {
                (void) fprintf(stderr, "load-blk: %s\n", strerror(-r));
                return 1;
        }
        (void) printf("{\"requests\": %" PRIu64 ", \"seconds\": %.9f, \"kicks\": %" PRIu64
                      ", \"halts\": %" PRIu64 ", \"sleeps\": %" PRIu64 "}\n",
                      l.n_done, (double) (clock_now_ns() - begin) / (double) NSEC_PER_SEC, l.dq->n_kicks, l.n_halts,
                      l.n_sleeps);
        vhost_driver_stop(&l.driver);
        return 0;
}
