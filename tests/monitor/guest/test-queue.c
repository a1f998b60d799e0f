/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Queue registers: out of range, out of order, pointing anywhere. Spec: VIRTIO 1.4, 4.1.4.3 (PCI), 4.2.2 (MMIO),
 * 4.1.5.1 (MSI-X).
 */
#include "guest.h"
#include "vio.h"

#define OK (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)
#define NO_VECTOR 0xffff
#define REFUSED_MS 3000

static void queue_size_after_driver_ok(struct vio *v)
{
        vio_select(v, 0);
        vio_set_queue_size(v, 4);
        check(vio_request(v), vio_status(v));
        vio_set_queue_size(v, 0);
        check(vio_request(v), vio_status(v));
        vio_set_queue_size(v, 0xffff);
        check(vio_request(v), vio_status(v));
        if (v->pci)
                check(vio_queue_size(v) == QUEUE_SIZE, vio_queue_size(v));
}

static void queue_addresses_after_driver_ok(struct vio *v)
{
        vio_select(v, 0);
        vio_set_queue_addresses(v, 0, UINT64_MAX, board.ram_end);
        check(vio_request(v), vio_status(v));
        if (v->pci)
                check(load(v->common + 0x20, 4) == (uint32_t) (uintptr_t) v->q->desc, load(v->common + 0x20, 4));
}

static void queue_enabled_twice(struct vio *v)
{
        vio_select(v, 0);
        vio_enable(v, 1);
        check(vio_request(v), vio_status(v));
        vio_enable(v, 0xffff);
        check(vio_enabled(v) == 1, vio_enabled(v));
        check(vio_request(v), vio_status(v));
}

/* PCI has no way to disable a queue but reset; over MMIO 0 stops it. */
static void queue_disabled(struct vio *v)
{
        vio_select(v, 0);
        vio_enable(v, 0);
        if (v->pci)
                check(vio_request(v), vio_status(v));
        else
                check(vio_enabled(v) == 0, vio_enabled(v));
        vio_notify(v, 0);
}

static void second_queue_after_driver_ok(struct vio *v)
{
        vio_select(v, 1);
        vio_set_queue_size(v, QUEUE_SIZE);
        vio_set_queue_addresses(v, 0, 0, 0);
        vio_enable(v, 1);
        vio_notify(v, 1);
        vio_select(v, 0);
        (void) vio_status(v);
}

static void queue_sizes(struct vio *v)
{
        static const uint32_t sizes[] = { 0, 3, 15, 17, 0x7fff, 0x8000, 0x8001, 0xffff, 0x10010, UINT32_MAX };

        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
                check(vio_reset(v), sizes[i]);
                vio_negotiate(v, 0);
                vio_setup_queue(v);
                check(vio_reset(v), sizes[i]);
                vio_negotiate(v, 0);
                vio_set_queue_size(v, sizes[i]);
                vio_set_queue_addresses(v, (uintptr_t) v->q->desc, (uintptr_t) &v->q->avail_flags,
                                        (uintptr_t) &v->q->used_flags);
                vio_enable(v, 1);
                vio_set_status(v, OK | STATUS_DRIVER_OK);
                vio_notify(v, 0);
                (void) vio_status(v);
        }
}

static void queue_select_out_of_range(struct vio *v)
{
        static const uint32_t queues[] = { 64, 1024, 0x7fff, 0xffff };

        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_setup_queue(v);
        for (unsigned i = 0; i < ARRAY_SIZE(queues); i++) {
                vio_select(v, queues[i]);
                check(vio_queue_size(v) == 0, queues[i]);
                vio_set_queue_size(v, QUEUE_SIZE);
                vio_set_queue_addresses(v, 0x1000, 0x2000, 0x3000);
                vio_enable(v, 1);
                check(vio_enabled(v) == 0, queues[i]);
                if (v->pci)
                        store(v->common + 0x1a, 2, 0);
                vio_set_queue_reset(v, 1);
        }
        vio_select(v, 0);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_request(v), vio_status(v));
        vio_select(v, 0xffff);
        check(vio_request(v), vio_status(v));
}

static void notify_out_of_range(struct vio *v)
{
        static const uint32_t values[] = { 1, 2, 64, 1023, 0xffff, 0x10000, 0x80000000, UINT32_MAX };

        for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
                if (v->pci) {
                        store(v->notify, 2, values[i]);
                        store(v->notify, 4, values[i]);
                        store(v->notify, 1, values[i]);
                        store(v->notify + 4 * (values[i] & 0xff), 2, values[i]);
                } else
                        store(v->mmio + 0x50, 4, values[i]);
        check(vio_request(v), vio_status(v));
}

static void notify_with_nothing_there(struct vio *v)
{
        for (unsigned i = 0; i < 200; i++)
                vio_notify(v, 0);
        check(vio_request(v), vio_status(v));
}

static void notify_before_driver_ok(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_notify(v, 0);
        vio_negotiate(v, 0);
        vio_notify(v, 0);
        vio_setup_queue(v);
        vio_put(v, (uint16_t) vio_put_request(v, 0));
        vio_notify(v, 0);
        check(!vio_wait_used(v, 1, 20), v->q->used_index);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
        check(vio_wait_used(v, 1, 10000), v->q->used_index);
        check(vio_request(v), vio_status(v));
}

static void vector_out_of_range(struct vio *v)
{
        uint32_t wrong[] = { v->n_vectors, v->n_vectors + 1, 0x7ff, 0x800, 0xfffe };

        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_select(v, 0);
        store(v->function + v->msix_cap + 2, 2, 0x8000);
        for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
                store(v->common + 0x10, 2, wrong[i]);
                check(load(v->common + 0x10, 2) == NO_VECTOR, wrong[i]);
                store(v->common + 0x1a, 2, wrong[i]);
                check(load(v->common + 0x1a, 2) == NO_VECTOR, wrong[i]);
        }
        store(v->common + 0x1a, 2, v->n_vectors - 1);
        check(load(v->common + 0x1a, 2) == v->n_vectors - 1, load(v->common + 0x1a, 2));
        vio_setup_queue(v);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_request(v), vio_status(v));
        store(v->common + 0x1a, 2, 0xfffe);
        store(v->common + 0x10, 2, 0x1234);
        check(vio_request(v), vio_status(v));
        store(v->function + v->msix_cap + 2, 2, 0);
}

/* Messages that go nowhere: into memory, to devices, to no CPU. */
static void vector_garbage(struct vio *v)
{
        uint64_t addresses[] = {
                0, 4, 0x1000, board.ram_end - 4, board.ecam, v->bar, 0xfeeff000, 0xffffffff00000000, 0xfffffffffffffffc
        };

        store(v->function + v->msix_cap + 2, 2, 0x8000);
        store(v->common + 0x1a, 2, 0);
        store(v->common + 0x10, 2, 0);
        for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
                for (unsigned k = 0; k < v->n_vectors && k < 4; k++) {
                        uint64_t entry = v->msix_table + 16 * k;

                        store(entry, 4, (uint32_t) addresses[i]);
                        store(entry + 4, 4, (uint32_t) (addresses[i] >> 32));
                        store(entry + 8, 4, random_number() & 0xff);
                        store(entry + 12, 4, 0);
                        check(vio_request(v), addresses[i]);
                        store(entry + 12, 4, UINT32_MAX);
                }
        store(v->function + v->msix_cap + 2, 2, 0xffff);
        check(vio_request(v), 0);
        store(v->function + v->msix_cap + 2, 2, 0x4000);
        check(vio_request(v), 0);
        store(v->function + v->msix_cap + 2, 2, 0);
}

/* Whatever a route costs the host, it is given back. */
static void vectors_again_and_again(struct vio *v)
{
        store(v->common + 0x10, 2, 0);
        vio_select(v, 0);
        store(v->common + 0x1a, 2, v->n_vectors - 1);
        for (unsigned i = 0; i < 1500; i++) {
                uint64_t entry = v->msix_table + 16 * (i % v->n_vectors);

                store(v->function + v->msix_cap + 2, 2, i % 5 == 0 ? 0 : i % 7 == 0 ? 0xc000 : 0x8000);
                store(entry, 4, 0xfeeff000); /* a CPU that is not there */
                store(entry + 8, 4, i);
                store(entry + 12, 4, i % 3 == 0);
        }
        check(vio_request(v), vio_status(v));
        for (unsigned i = 0; i < v->n_vectors; i++)
                store(v->msix_table + 16 * i + 12, 4, 1);
        store(v->function + v->msix_cap + 2, 2, 0);
}

/* The rings of queue 0 where no rings can be. */
static void start_with_rings(struct vio *v, uint64_t desc, uint64_t avail, uint64_t used)
{
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_setup_queue(v);
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_select(v, 0);
        vio_set_queue_size(v, QUEUE_SIZE);
        vio_set_queue_addresses(v, desc, avail, used);
        vio_enable(v, 1);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
}

static void ring_addresses(struct vio *v)
{
        uint64_t good = (uintptr_t) v->q->desc, avail = (uintptr_t) &v->q->avail_flags,
                 used = (uintptr_t) &v->q->used_flags;
        /* Another monitor may touch rings itself, and so its own registers. */
        uint64_t wrong[] = { board.peer ? board.ram_end : board.ecam,
                             v->pci ? v->bar : v->mmio,
                             board.pci_window + board.pci_window_bytes - 4096,
                             board.ram_end,
                             board.ram_end - 16,
                             UINT64_C(1) << 40,
                             UINT64_C(1) << 63,
                             UINT64_MAX - 4095,
                             UINT64_MAX - 15 };

        for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
                for (unsigned which = 0; which < 3; which++) {
                        start_with_rings(v, which == QUEUE_DESC ? wrong[i] : good,
                                         which == QUEUE_AVAIL ? wrong[i] : avail,
                                         which == QUEUE_USED ? wrong[i] : used);
                        check(board.peer || vio_wait_status(v, STATUS_NEEDS_RESET, REFUSED_MS) || !vio_enabled(v),
                              wrong[i] + which);
                }
}

static void ring_addresses_unaligned(struct vio *v)
{
        uint64_t good = (uintptr_t) v->q->desc, avail = (uintptr_t) &v->q->avail_flags,
                 used = (uintptr_t) &v->q->used_flags;

        start_with_rings(v, good + 1, avail, used);
        start_with_rings(v, good, avail + 1, used);
        start_with_rings(v, good, avail, used + 2);
}

static void rings_on_each_other(struct vio *v)
{
        uint64_t good = (uintptr_t) v->q->desc;

        start_with_rings(v, good, good, good);
        for (unsigned i = 0; i < 64; i++) {
                for (unsigned k = 0; k < QUEUE_SIZE; k++)
                        v->q->desc[k] =
                                (struct desc){ good + random_number() % 256, random_number() % 256,
                                               (uint16_t) (random_number() % 4), (uint16_t) (random_number() % 16) };
                vio_notify(v, 0);
        }
}

const struct test queue_tests[] = {
        { "queue-size-after-driver-ok", queue_size_after_driver_ok, ANY, "QEMU takes a size at any time" },
        { "queue-addresses-after-driver-ok", queue_addresses_after_driver_ok, ANY, "QEMU takes addresses at any time" },
        { "queue-enabled-twice", queue_enabled_twice, ANY, "QEMU starts the queue at its addresses again" },
        { "queue-disabled", queue_disabled, ANY, "QEMU takes any value of queue_enable" },
        { "second-queue-after-driver-ok", second_queue_after_driver_ok, ANY, NULL },
        { "queue-sizes", queue_sizes, ANY, NULL },
        { "queue-select-out-of-range", queue_select_out_of_range, ANY, "QEMU has 1024 queues in every device" },
        { "notify-out-of-range", notify_out_of_range, ANY, NULL },
        { "notify-with-nothing-there", notify_with_nothing_there, ANY, NULL },
        { "notify-before-driver-ok", notify_before_driver_ok, ANY, NULL },
        { "vector-out-of-range", vector_out_of_range, PCI_ONLY, NULL },
        { "vector-garbage", vector_garbage, PCI_ONLY, NULL },
        { "vectors-again-and-again", vectors_again_and_again, PCI_ONLY, NULL },
        { "ring-addresses", ring_addresses, ANY, NULL },
        { "ring-addresses-unaligned", ring_addresses_unaligned, ANY, NULL },
        { "rings-on-each-other", rings_on_each_other, ANY, NULL },
};
const size_t n_queue_tests = ARRAY_SIZE(queue_tests);
