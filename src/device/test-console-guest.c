/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-console-guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

static void spy_write(struct stream *s, const void *buf, size_t n)
{
        struct spy *spy = container_of(s, struct spy, stream);
        char *longer = n > 0 ? realloc(spy->output, spy->n_output + n) : NULL;

        if (!longer)
                return;
        spy->output = longer;
        memcpy(spy->output + spy->n_output, buf, n);
        spy->n_output += n;
}

static ssize_t spy_read(struct stream *s, void *buf, size_t n)
{
        struct spy *spy = container_of(s, struct spy, stream);

        n = MIN(n, spy->n_input);
        if (n == 0)
                return 0;
        memcpy(buf, spy->input, n);
        spy->input += n;
        spy->n_input -= n;
        return (ssize_t) n;
}

static void spy_want(struct stream *s, bool on) { container_of(s, struct spy, stream)->wanted = on; }

static struct stream *spy_free(struct stream *s)
{
        struct spy *spy = container_of(s, struct spy, stream);

        free(spy->output);
        free(spy);
        return NULL;
}

static const struct stream_ops spy_ops = {
        .name = "spy",
        .write = spy_write,
        .free = spy_free,
        .read = spy_read,
        .want = spy_want,
};

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct console_guest *) data)->n_needs_reset++;
}

static void config_changed(struct device *dev, void *data) { ((struct console_guest *) data)->n_config_changed++; }

static const struct transport_ops transport = { .config_changed = config_changed, .needs_reset = needs_reset };

static int make_device(struct console_guest *g)
{
        struct console_port_options ports[GUEST_PORTS] = {
                { .name = "org.busbar.console", .console = true, .columns = 80, .rows = 25 },
                { .name = "channel" },
        };
        int r;

        for (size_t i = 0; i < GUEST_PORTS; i++) {
                g->spies[i] = calloc(1, sizeof(*g->spies[i]));
                if (!g->spies[i])
                        return -ENOMEM;
                g->spies[i]->stream.ops = &spy_ops;
                ports[i].stream = &g->spies[i]->stream;
        }
        r = console_new(g->loop, "test", ports, GUEST_PORTS, &g->dev);
        if (r < 0)
                return r;
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        return 0;
}

static int start_queue(struct console_guest *g, uint16_t i)
{
        struct driver_queue *dq = &g->queues[i];
        struct queue_setup setup;
        int r;

        g->kick_fds[i] = fd_event();
        g->call_fds[i] = fd_event();
        r = driver_queue_init(dq, g->space, 4096 + i * 0x10000U, g->features, GUEST_QUEUE_SIZE, 16);
        if (r < 0)
                return r;
        dq->kick_fd = g->kick_fds[i];
        dq->call_fd = g->call_fds[i];
        setup = (struct queue_setup) {
                .space = g->space,
                .features = g->features,
                .size = GUEST_QUEUE_SIZE,
                .descriptors = dq->descriptors,
                .driver = dq->driver,
                .device = dq->device,
                .base = driver_queue_base(dq),
                .kick_fd = g->kick_fds[i],
                .call_fd = g->call_fds[i],
        };
        return queue_start(&g->dev->queues[i], &setup);
}

void console_guest_settle(struct console_guest *g)
{
        for (int i = 0; i < 8; i++)
                (void) loop_step(g->loop, 0);
}

int console_guest_init(struct console_guest *g, uint64_t features)
{
        struct region_spec region = { .size_bytes = GUEST_MEMORY_BYTES };
        auto_cleanup(closep) int memory_fd = -1;
        int r;

        *g = (struct console_guest) { .features = features | FEATURE(VIRTIO_FEATURE_VERSION_1) };
        for (size_t i = 0; i < GUEST_QUEUES; i++)
                g->kick_fds[i] = g->call_fds[i] = -1;
        r = loop_new(&g->loop);
        if (r < 0)
                return r;
        memory_fd = fd_memfd_sealed("guest", GUEST_MEMORY_BYTES);
        if (memory_fd < 0)
                return memory_fd;
        r = space_new(&g->space);
        if (r == 0)
                r = space_add(g->space, &region, memory_fd);
        if (r == 0)
                r = make_device(g);
        if (r == 0)
                r = device_start(g->dev, g->features);
        if (r < 0)
                return r;
        g->memory = space_pointer(g->space, 0, GUEST_MEMORY_BYTES, 1);
        for (uint16_t i = 0; i < GUEST_QUEUES && r == 0; i++)
                r = start_queue(g, i);
        console_guest_settle(g);
        return r;
}

void console_guest_deinit(struct console_guest *g)
{
        g->dev = device_free(g->dev);
        for (size_t i = 0; i < GUEST_QUEUES; i++) {
                driver_queue_deinit(&g->queues[i]);
                closep(&g->kick_fds[i]);
                closep(&g->call_fds[i]);
        }
        space_free(g->space);
        loop_free(g->loop);
}

int console_guest_send(struct console_guest *g, unsigned queue, const struct driver_buffer *buffers, unsigned n)
{
        int r = driver_queue_add(&g->queues[queue], buffers, n, NULL);

        if (r < 0)
                return r;
        (void) driver_queue_kick(&g->queues[queue]);
        console_guest_settle(g);
        return 0;
}
