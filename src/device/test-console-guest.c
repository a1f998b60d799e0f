/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-console-guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

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

static int start_device(struct console_guest *g)
{
        struct console_port_options ports[GUEST_PORTS] = {
                { .name = "org.busbar.console", .console = true, .columns = 80, .rows = 25 },
                { .name = "channel" },
        };
        struct device *dev;
        int r;

        for (size_t i = 0; i < GUEST_PORTS; i++) {
                g->spies[i] = calloc(1, sizeof(*g->spies[i]));
                if (!g->spies[i])
                        return -ENOMEM;
                g->spies[i]->stream.ops = &spy_ops;
                ports[i].stream = &g->spies[i]->stream;
        }
        r = console_new(g->vm.loop, "test", ports, GUEST_PORTS, &dev);
        return r < 0 ? r : test_guest_start(&g->vm, dev);
}

int console_guest_init(struct console_guest *g, uint64_t features)
{
        int r;

        *g = (struct console_guest){ 0 };
        r = test_guest_init(&g->vm, features, GUEST_MEMORY_BYTES, GUEST_QUEUES, GUEST_QUEUE_SIZE);
        return r < 0 ? r : start_device(g);
}
