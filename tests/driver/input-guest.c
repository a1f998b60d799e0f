/* SPDX-License-Identifier: MPL-2.0 */
#include "input-guest.h"

#include <endian.h>
#include <errno.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "need.h"
#include "virtio/features.h"

void input_driver_start(struct vhost_driver *d, const char *socket_path, bool packed)
{
        const struct vhost_driver_options options = {
                .features_wanted = RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED)),
                .memory_bytes = 4 << 20,
                .n_queues = 2,
                .queue_size = INPUT_QUEUE_SIZE,
                .inflight = true,
        };

        need(vhost_driver_start(d, socket_path, &options) == 0);
}

static void add_event_buffer(struct vhost_driver *d, gpa_t at)
{
        struct driver_buffer buffer = { .address = at, .len_bytes = 8, .device_writes = true };

        need(driver_queue_add(&d->queues[INPUT_EVENTS], &buffer, 1, vhost_driver_pointer(d, at)) == 0);
}

void input_give(struct vhost_driver *d, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                add_event_buffer(d, vhost_driver_alloc(d, 8, 8));
        (void) driver_queue_kick(&d->queues[INPUT_EVENTS]);
}

/* The next event; its buffer is given again. Return: false if none comes within @ms. */
static bool next_event(struct vhost_driver *d, unsigned ms, struct virtio_input_event *ret)
{
        struct virtio_input_event e;
        void *cookie;
        uint32_t len;

        if (vhost_driver_wait(d, INPUT_EVENTS, ms, &cookie, &len) != 1)
                return false;
        need(len == sizeof(e));
        memcpy(&e, cookie, sizeof(e));
        *ret = (struct virtio_input_event) { le16toh(e.type), le16toh(e.code), le32toh(e.value) };
        add_event_buffer(d, (gpa_t) ((char *) cookie - d->memory));
        (void) driver_queue_kick(&d->queues[INPUT_EVENTS]);
        return true;
}

const char *input_report(struct vhost_driver *d, unsigned ms)
{
        static char text[8192];
        struct virtio_input_event e;
        size_t at = 0;

        *text = 0;
        while (next_event(d, ms, &e)) {
                if (e.type == EV_SYN)
                        return text;
                at += (size_t) snprintf(text + at, sizeof(text) - at, "%u:%u=%d ", e.type, e.code, (int32_t) e.value);
                need(at < sizeof(text) - 64);
                ms = INPUT_WAIT_MS; /* what was begun is finished */
        }
        return NULL;
}

void input_say(struct seat_sender *s, const struct seat_message *m)
{
        int r;

        while ((r = seat_send(s, m)) == -EAGAIN)
                (void) usleep(1000);
        need(r == 0);
}
