/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: a virtqueue. The bytes are a program of two players on one piece of guest memory: a driver that
 * writes what it likes into ring, tables and in-flight region, and a device that pops, pushes, puts back,
 * notifies, stops and starts. Whatever the driver does, each popped buffer lies in guest memory, the sums
 * are right, no more is in flight than the queue holds, and a reset revives the queue.
 *
 * Memory: [0, 32 KiB), a hole, [64 KiB, 96 KiB), [96 KiB, 128 KiB) from another part of the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "virtio/device.h"
#include "virtio/driver.h"
#include "virtio/features.h"
#include "virtio/inflight.h"

#define PART_BYTES 0x8000U
#define TABLES 0x6000U  /* indirect tables, in the first part */
#define BUFFERS 0x10000U
#define END 0x20000U
#define N_KEPT_MAX 128

#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
        const uint8_t *p;
        size_t n;
};

struct kept {
        struct chain chain;
        struct iovec iov[4];
};

static struct {
        struct device dev; /* first */
        struct queue *q;
        struct loop *loop;
        struct space *space;
        int memory_fd, log_fd;
        char *low;
        struct queue_setup setup;
        struct driver_queue dq;
        struct kept kept[N_KEPT_MAX];
        unsigned n_kept, n_since_push;
} f;

static _Alignas(64) char region[4096];

static uint8_t take_8(struct input *in)
{
        if (in->n == 0)
                return 0;
        in->n--;
        return *in->p++;
}

static uint16_t take_16(struct input *in)
{
        uint16_t low = take_8(in);

        return (uint16_t) (low | take_8(in) << 8);
}

/* ---- the device ---- */

static uint64_t fuzz_features(const struct device *dev)
{
        return 0;
}

static int fuzz_start(struct device *dev, uint64_t negotiated)
{
        return 0;
}

static void check_chain(const struct chain *c)
{
        uint64_t sums[2] = {};

        for (unsigned i = 0; i < (unsigned) c->n_read + c->n_write; i++) {
                const struct iovec *v = &c->iov[i];
                struct iovec pieces[3];
                gpa_t at;

                expect(v->iov_len > 0 && space_from_pointer(f.space, v->iov_base, &at) == 0);
                expect(space_iov(f.space, at, v->iov_len, pieces, ARRAY_SIZE(pieces)) == 1);
                sums[i >= c->n_read] += v->iov_len;
        }
        expect(sums[0] == c->n_read_bytes && sums[1] == c->n_write_bytes && sums[0] + sums[1] <= UINT32_MAX);
        expect(c->n_descriptors >= 1 && c->n_descriptors <= f.setup.size);
}

static int pop(void)
{
        struct chain c;
        int r = queue_pop(f.q, &c);

        if (r <= 0)
                return r;
        check_chain(&c);
        if (f.n_kept == N_KEPT_MAX || f.q->broken) {
                queue_unpop(f.q, 1);
                return 0;
        }
        expect(f.n_kept < f.setup.size); /* held back in order or not, they are in flight */
        expect(chain_keep(&f.kept[f.n_kept].chain, &c, f.kept[f.n_kept].iov, 4) == 0);
        f.n_kept++;
        f.n_since_push++;
        return 1;
}

static void drop(unsigned i)
{
        struct kept *k = &f.kept[i], *last = &f.kept[f.n_kept - 1];

        chain_drop(&k->chain, k->iov);
        if (k != last) {
                bool embedded = last->chain.iov == last->iov;

                *k = *last;
                if (embedded)
                        k->chain.iov = k->iov;
        }
        f.n_kept--;
}

static void push(unsigned i, uint32_t n)
{
        char byte = 0x5a;

        (void) chain_write(&f.kept[i].chain, n, &byte, 1);
        (void) chain_read(&f.kept[i].chain, n, &byte, 1);
        queue_push(f.q, &f.kept[i].chain, n);
        drop(i);
        f.n_since_push = 0;
}

static int fuzz_handle(struct device *dev, struct queue *q)
{
        int r;

        while ((r = pop()) > 0) {
                if (f.n_kept % 3 == 0)
                        push(f.n_kept / 2, f.n_kept);
        }
        return r < 0 ? r : queue_notify(q);
}

static void fuzz_queue_stop(struct device *dev, struct queue *q)
{
        /* Some complete now, the others are given up. */
        while (f.n_kept > 0) {
                if (f.n_kept % 2)
                        queue_push(q, &f.kept[0].chain, 1);
                drop(0);
        }
        f.n_since_push = 0;
}

static void fuzz_reset(struct device *dev)
{
}

static struct device *fuzz_free(struct device *dev)
{
        device_deinit(dev);
        return NULL;
}

static const struct device_ops fuzz_ops = {
        .name = "fuzz",
        .features = fuzz_features,
        .start = fuzz_start,
        .handle_queue = fuzz_handle,
        .reset = fuzz_reset,
        .free = fuzz_free,
        .queue_stop = fuzz_queue_stop,
};

static void set_up_once(void)
{
        const struct region_spec specs[] = { { 0, PART_BYTES, 1 << 20, 0 },
                                             { 2 * PART_BYTES, PART_BYTES, 2 << 20, 2 * PART_BYTES },
                                             { 3 * PART_BYTES, PART_BYTES, 3 << 20, PART_BYTES } };

        if (f.space)
                return;
        log_set_level(LOG_LEVEL_ERROR);
        f.memory_fd = fd_memfd_sealed("guest", 3 * PART_BYTES);
        f.log_fd = fd_memfd_sealed("log", 4096);
        expect(f.memory_fd >= 0 && f.log_fd >= 0 && space_new(&f.space) == 0 && loop_new(&f.loop) == 0);
        for (unsigned i = 0; i < ARRAY_SIZE(specs); i++)
                expect(space_add(f.space, &specs[i], f.memory_fd) == 0);
        f.low = space_pointer(f.space, 0, PART_BYTES, 4096);
        expect(device_init(&f.dev, &fuzz_ops, "fuzz", f.loop, 1) == 0);
        f.q = &f.dev.queues[0];
}

/* ---- the driver ---- */

static uint64_t take_address(struct input *in)
{
        uint8_t kind = take_8(in);
        uint16_t n = take_16(in);

        switch (kind % 8) {
        case 0:
        case 1:
                return BUFFERS + n;
        case 2:
                return n; /* the ring itself, and what lies around it */
        case 3:
                return TABLES + n % 0x1000;
        case 4:
                return 3 * PART_BYTES - n % 64; /* across regions */
        case 5:
                return END - n % 64;
        case 6:
                return UINT64_MAX - n % 64;
        default:
                return (uint64_t) n << (kind / 8);
        }
}

static uint32_t take_length(struct input *in)
{
        uint8_t n = take_8(in);

        if (n < 0x80)
                return n;
        if (n < 0xc0)
                return (n & 0x3fU) * sizeof(struct vring_desc);
        return n < 0xe0 ? UINT32_C(1) << (n & 0x1f) : UINT32_MAX - (n & 0x1f);
}

/* One descriptor, of the ring or of a table. Flags of a packed one: the low bits, then available by the lap. */
static void write_descriptor(struct input *in, char *at)
{
        uint64_t address = take_address(in);
        uint32_t len = take_length(in);
        uint8_t flags = take_8(in), next = take_8(in);

        if (f.dq.packed) {
                struct vring_packed_desc d = { address, len, next, flags & 7 };

                d.flags |= (uint16_t) (flags & 0x80 ? 1U << VRING_PACKED_DESC_F_USED : 1U << VRING_PACKED_DESC_F_AVAIL);
                if (flags & 0x40)
                        d.flags ^= 1U << VRING_PACKED_DESC_F_USED;
                memcpy(at, &d, sizeof(d));
        } else {
                struct vring_desc d = { address, len, flags & 7, flags & 0x40 ? (uint16_t) (next << 8) : next };

                memcpy(at, &d, sizeof(d));
        }
}

static void make_available(struct input *in)
{
        struct vring_avail *avail = f.dq.driver_p;
        uint8_t n = take_8(in);

        if (f.dq.packed)
                return;
        for (uint8_t i = 0; i < n % 8; i++)
                avail->ring[avail->idx++ % f.setup.size] = take_8(in);
        if (n >= 0xf0)
                avail->idx = (uint16_t) (avail->idx + take_16(in));
        if (n & 0x80)
                avail->flags = n >> 6 & 1;
}

/* A well-behaved request, so that the rest of the program meets a ring in use. */
static void add_request(struct input *in)
{
        struct driver_buffer buffers[4];
        uint8_t n = take_8(in);

        for (uint8_t i = 0; i <= n % 4; i++)
                buffers[i] = (struct driver_buffer) { BUFFERS + i * 256U, take_8(in), i >= (n >> 2) % 4 };
        (void) driver_queue_add(&f.dq, buffers, 1U + n % 4, NULL);
        if (n & 0x10)
                (void) driver_queue_kick(&f.dq);
        if (n & 0x20)
                (void) driver_queue_arm(&f.dq);
}

static void collect(void)
{
        uint32_t len;
        void *cookie;

        for (unsigned i = 0; i < 2U * f.setup.size && driver_queue_get(&f.dq, &cookie, &len) > 0; i++) {
        }
}

static void step(struct input *in)
{
        uint8_t op = take_8(in), n;

        switch (op % 16) {
        case 0:
                write_descriptor(in, (char *) f.dq.descriptors_p + take_8(in) % f.setup.size * 16);
                break;
        case 1:
                write_descriptor(in, f.low + TABLES + take_16(in) % 0x1000);
                break;
        case 2:
                make_available(in);
                break;
        case 3:
                n = take_8(in);
                f.low[take_16(in) % PART_BYTES] = (char) n;
                break;
        case 4:
                region[take_16(in) % sizeof(region)] = (char) take_8(in);
                break;
        case 5:
        case 6:
                add_request(in);
                break;
        case 7:
                collect();
                break;
        case 8:
        case 9:
                f.q->budget = 4;
                for (n = op / 16; n > 0 && pop() > 0; n--) {
                }
                break;
        case 10:
                if (f.n_kept > 0)
                        push(take_8(in) % f.n_kept, take_8(in));
                break;
        case 11:
                for (; f.n_since_push > 0 && (op & 0xf0); op = (uint8_t) (op - 16), f.n_since_push--) {
                        queue_unpop(f.q, 1);
                        drop(f.n_kept - 1);
                }
                break;
        case 12:
                (void) queue_notify(f.q);
                break;
        case 13:
                queue_kick(f.q);
                break;
        case 14:
                queue_stop(f.q, &f.setup.base);
                if (queue_start(f.q, &f.setup) < 0)
                        in->n = 0;
                break;
        default:
                queue_set_enabled(f.q, op & 0x10);
                queue_set_log(f.q, op & 0x20);
                break;
        }
}

static void start_over(uint8_t size)
{
        device_reset(&f.dev);
        driver_queue_deinit(&f.dq);
        expect(driver_queue_init(&f.dq, f.space, 0, f.setup.features, size, 2) == 0);
        expect(device_start(&f.dev, f.setup.features) == 0);
        queue_set_enabled(f.q, true);
        f.setup.base = f.dq.packed ? 0x80008000 : 0;
        f.setup.descriptors = f.dq.descriptors;
        f.setup.driver = f.dq.driver;
        f.setup.device = f.dq.device;
        f.setup.size = size;
        memset(region, 0, sizeof(region));
}

/* What a reset must bring back. */
static void check_revived(void)
{
        struct driver_buffer buffers[] = { { BUFFERS, 8, false }, { BUFFERS + 64, 8, true } };
        uint32_t len;
        void *cookie;

        start_over((uint8_t) f.setup.size);
        expect(queue_start(f.q, &f.setup) == 0);
        for (unsigned i = 0; i < 3; i++)
                expect(driver_queue_add(&f.dq, buffers, 1 + i % 2, (void *) 1) == 0 || f.setup.size < 5);
        (void) driver_queue_kick(&f.dq);
        queue_kick(f.q);
        expect(!f.q->broken);
        while (f.n_kept > 0)
                push(0, 0);
        queue_notify(f.q);
        for (unsigned n = f.dq.size; f.dq.n_free < f.dq.size; n--)
                expect(n > 0 && driver_queue_get(&f.dq, &cookie, &len) == 1);
        queue_stop(f.q, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        uint8_t flags = take_8(&in), n_entries = take_8(&in);

        set_up_once();
        memset(f.low + TABLES, 0, PART_BYTES - TABLES);
        f.setup = (struct queue_setup) { .space = f.space,
                                         .features = FEATURE(VIRTIO_FEATURE_VERSION_1),
                                         .kick_fd = -1,
                                         .call_fd = -1,
                                         .log_used_ring = flags & 0x20 };
        if (flags & 0x01)
                f.setup.features |= FEATURE(VIRTIO_FEATURE_RING_PACKED);
        if (flags & 0x02)
                f.setup.features |= FEATURE(VIRTIO_FEATURE_INDIRECT_DESC);
        if (flags & 0x04)
                f.setup.features |= FEATURE(VIRTIO_FEATURE_EVENT_IDX);
        if (flags & 0x08)
                f.setup.features |= FEATURE(VIRTIO_FEATURE_IN_ORDER);
        expect(space_set_log(f.space, flags & 0x20 ? f.log_fd : -1, 0, 4096) == 0);
        n_entries = flags & 0x01 ? (uint8_t) (n_entries % 100 + 1) : (uint8_t) (1U << n_entries % 7);
        start_over(n_entries);
        if (flags & 0x10) {
                f.setup.inflight = region;
                f.setup.inflight_bytes = sizeof(region);
        }
        if (flags & 0x80)
                f.setup.base = take_16(&in) | (f.dq.packed ? (uint32_t) take_16(&in) << 16 : 0);
        if (queue_start(f.q, &f.setup) == 0)
                while (in.n > 0)
                        step(&in);
        check_revived();
        return 0;
}
