/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Rings and chains that break the rules: the device servers' part, driven through the monitor. Each must end in
 * DEVICE_NEEDS_RESET of that device, and of no other. Spec: VIRTIO 1.4, 2.7 (split rings), 2.1.2 (NEEDS_RESET).
 */
#include "guest.h"
#include "vio.h"

#define WAIT_MS 5000

static void must_stop(struct vio *v)
{
        if (board.peer) /* it does not listen for errors of its servers */
                return;
        check_that(vio_wait_status(v, STATUS_NEEDS_RESET, WAIT_MS), "the device needs a reset", vio_status(v));
}

static void send(struct vio *v, uint16_t head)
{
        vio_put(v, head);
        vio_notify(v, 0);
}

/* One descriptor, writable: what it says is all that is wrong. */
static void send_one(struct vio *v, uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
        v->q->desc[0] = (struct desc){ address, length, flags, next };
        send(v, 0);
        must_stop(v);
}

static void restart(struct vio *v, uint64_t wanted)
{
        check_that(vio_start(v, wanted), "the device starts again between", vio_status(v));
}

static void descriptor_loop(struct vio *v)
{
        uint64_t data = (uintptr_t) v->q->data;

        send_one(v, data, 1, DESC_WRITE | DESC_NEXT, 0);
        restart(v, 0);
        for (unsigned i = 0; i < QUEUE_SIZE; i++)
                v->q->desc[i] = (struct desc){ data, 1, DESC_WRITE | DESC_NEXT, (uint16_t) ((i + 1) % QUEUE_SIZE) };
        send(v, 3);
        must_stop(v);
}

static void index_out_of_range(struct vio *v)
{
        send(v, QUEUE_SIZE);
        must_stop(v);
        restart(v, 0);
        send(v, 0xffff);
        must_stop(v);
        restart(v, 0);
        send_one(v, (uintptr_t) v->q->data, 64, DESC_WRITE | DESC_NEXT, QUEUE_SIZE);
        restart(v, 0);
        send_one(v, (uintptr_t) v->q->data, 64, DESC_WRITE | DESC_NEXT, 0xffff);
}

static void available_index_jumps(struct vio *v)
{
        (void) vio_put_request(v, 0);
        v->q->avail_index = (uint16_t) (v->q->avail_index + QUEUE_SIZE + 1);
        vio_notify(v, 0);
        must_stop(v);
        restart(v, 0);
        v->q->avail_index = 0xffff;
        vio_notify(v, 0);
        must_stop(v);
}

static void buffer_nowhere(struct vio *v)
{
        uint64_t wrong[] = { board.ram_end, board.ram_end - 8,         UINT64_MAX - 7,   UINT64_C(1) << 63,
                             board.ecam,    v->pci ? v->bar : v->mmio, UINT64_C(1) << 52 };

        for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
                send_one(v, wrong[i], 64, DESC_WRITE, 0);
                restart(v, 0);
        }
        send_one(v, board.ram_start, UINT32_MAX, DESC_WRITE, 0);
}

static void lengths_of_4_gib(struct vio *v)
{
        for (uint16_t i = 0; i < 8; i++)
                v->q->desc[i] = (struct desc){ board.ram_start, 0x7fffffff,
                                               (uint16_t) (DESC_WRITE | (i < 7 ? DESC_NEXT : 0)), (uint16_t) (i + 1) };
        send(v, 0);
        must_stop(v);
}

static void empty_buffers(struct vio *v)
{
        send_one(v, (uintptr_t) v->q->data, 0, DESC_WRITE, 0);
        restart(v, 0);
        send_one(v, 0, 0, 0, 0);
}

static void readable_after_writable(struct vio *v)
{
        v->q->desc[0] = (struct desc){ (uintptr_t) v->q->data, 16, DESC_WRITE | DESC_NEXT, 1 };
        v->q->desc[1] = (struct desc){ (uintptr_t) &v->q->header, 16, 0, 0 };
        send(v, 0);
        must_stop(v);
}

static void nothing_writable(struct vio *v) { send_one(v, (uintptr_t) v->q->data, 64, 0, 0); }

static void indirect(struct vio *v)
{
        uint64_t table = (uintptr_t) v->q->indirect;
        static const struct {
                uint32_t length;
                uint16_t flags, table_flags;
                int64_t off;
        } wrong[] = {
                { 0, DESC_INDIRECT, DESC_WRITE, 0 },
                { 15, DESC_INDIRECT, DESC_WRITE, 0 },
                { 17, DESC_INDIRECT, DESC_WRITE, 0 },
                { 16, DESC_INDIRECT | DESC_NEXT, DESC_WRITE, 0 },
                { 16, DESC_INDIRECT, DESC_INDIRECT, 0 },
                { 0xfffffff0, DESC_INDIRECT, DESC_WRITE, 0 },
                { 16, DESC_INDIRECT, DESC_WRITE | DESC_NEXT, 0 },
                { 16, DESC_INDIRECT, DESC_WRITE, INT64_MIN },
        };

        for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
                restart(v, F_INDIRECT);
                if (!(v->features & F_INDIRECT))
                        return;
                v->q->indirect[0] = (struct desc){ (uintptr_t) v->q->data, 64, wrong[i].table_flags, 1 };
                send_one(v, table + (uint64_t) wrong[i].off, wrong[i].length, wrong[i].flags, 1);
        }
}

static void indirect_not_negotiated(struct vio *v)
{
        v->q->indirect[0] = (struct desc){ (uintptr_t) v->q->data, 64, DESC_WRITE, 0 };
        send_one(v, (uintptr_t) v->q->indirect, 16, DESC_INDIRECT, 0);
}

/* Nobody forbids it; what happens to the ring is the guest's own affair, as long as it is only its own. */
static void buffer_is_the_ring(struct vio *v)
{
        v->q->desc[0] = (struct desc){ (uintptr_t) v->q->desc, sizeof(v->q->desc), DESC_WRITE, 0 };
        v->q->desc[1] = (struct desc){ (uintptr_t) &v->q->used_flags, 64, DESC_WRITE, 0 };
        v->q->desc[2] = (struct desc){ (uintptr_t) &v->q->avail_flags, 36, DESC_WRITE, 0 };
        for (uint16_t i = 0; i < 3; i++)
                send(v, i);
        (void) vio_wait_status(v, STATUS_NEEDS_RESET, 100);
}

static void buffers_overlap(struct vio *v)
{
        (void) vio_put_request(v, 0);
        for (unsigned i = 0; i < QUEUE_SIZE; i++)
                vio_put(v, 0);
        vio_notify(v, 0);
        (void) vio_wait_used(v, QUEUE_SIZE, 1000);
}

/* Descriptors change while the device looks at them. */
static void chain_is_rewritten(struct vio *v)
{
        struct queue_memory *q = v->q;
        volatile struct desc *d = q->desc;

        for (unsigned round = 0; round < 40 && !(vio_status(v) & STATUS_NEEDS_RESET); round++) {
                (void) vio_put_request(v, 0);
                vio_put(v, 0);
                vio_notify(v, 0);
                for (unsigned i = 0; i < 200; i++) {
                        /* within the buffer or past all memory: the guest is to outlive it */
                        d[0].length = i & 2 ? UINT32_MAX - random_number() % 512 : random_number() % 512;
                        d[0].address = i & 1 ? (uintptr_t) q->data : UINT64_MAX - random_number() % 64;
                        d[0].flags = (uint16_t) (random_number() % 8);
                        d[0].next = (uint16_t) random_number();
                        q->avail[round % QUEUE_SIZE] = (uint16_t) (random_number() % 32);
                }
        }
}

const struct test ring_tests[] = {
        { "descriptor-loop", descriptor_loop, ANY, NULL },
        { "index-out-of-range", index_out_of_range, ANY, NULL },
        { "available-index-jumps", available_index_jumps, ANY, NULL },
        { "buffer-nowhere", buffer_nowhere, ANY, NULL },
        { "lengths-of-4-gib", lengths_of_4_gib, ANY, NULL },
        { "empty-buffers", empty_buffers, ANY, NULL },
        { "readable-after-writable", readable_after_writable, ANY, NULL },
        { "nothing-writable", nothing_writable, ANY, NULL },
        { "indirect", indirect, ANY, NULL },
        { "indirect-not-negotiated", indirect_not_negotiated, ANY, NULL },
        { "buffer-is-the-ring", buffer_is_the_ring, ANY, NULL },
        { "buffers-overlap", buffers_overlap, ANY, NULL },
        { "chain-is-rewritten", chain_is_rewritten, ANY, NULL },
};
const size_t n_ring_tests = ARRAY_SIZE(ring_tests);
