/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-input-guest.h"

#include <string.h>

int input_guest_init(struct input_guest *g, const struct input_options *options, uint64_t features, uint16_t queue_size)
{
        struct device *dev;
        int r;

        g->n_given = 0;
        r = test_guest_init(&g->vm, features, GUEST_MEMORY_BYTES, GUEST_QUEUES, queue_size);
        if (r == 0)
                r = input_new(g->vm.loop, "test", options, &dev);
        return r < 0 ? r : test_guest_start(&g->vm, dev);
}

unsigned input_guest_give(struct input_guest *g, unsigned n)
{
        unsigned given = 0;

        for (; given < n; given++) {
                struct driver_buffer buffer = { .address = GUEST_DATA + 8U * (g->n_given % 4096), .len_bytes = 8,
                                                .device_writes = true };

                if (driver_queue_add(&g->vm.queues[0], &buffer, 1, g->vm.memory + buffer.address) < 0)
                        break;
                g->n_given++;
        }
        (void) driver_queue_kick(&g->vm.queues[0]);
        test_guest_settle(&g->vm);
        return given;
}

bool input_guest_take(struct input_guest *g, struct virtio_input_event *ret)
{
        void *cookie;
        uint32_t len;

        if (driver_queue_get(&g->vm.queues[0], &cookie, &len) <= 0 || !cookie || len != sizeof(*ret))
                return false;
        memcpy(ret, cookie, sizeof(*ret));
        return true;
}
