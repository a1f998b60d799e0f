/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Queues: 0 and 1 carry port 0's input and output, 2 and 3 control messages to and from the driver, 4 and 5 port 1's
 * input and output, and so on. All run on the loop of the streams.
 *
 * Messages to the driver are not queued but follow from a port's state: `pending` has a bit for each kind that is due.
 * So a driver that never gives buffers, or asks again and again, makes nothing grow.
 *
 * A driver that was there before this process (the server was restarted under a running guest) says nothing of its
 * ports again. Until it sends DEVICE_READY, input is therefore given to every port that has buffers.
 *
 * Spec: VIRTIO 1.4, 5.3.
 */
#include "device/console.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/device.h"
#include "virtio/features.h"

#define QUEUE_CONTROL_TO_DRIVER 2
#define QUEUE_CONTROL_FROM_DRIVER 3

/* Bytes of output of one wake-up; the rest waits until others on the loop had their turn. */
#define OUTPUT_BUDGET (1U << 20)
#define INPUT_PART 4096

struct console;

struct port {
        struct console *console;
        char name[CONSOLE_NAME_MAX + 1];
        struct stream *stream; /* owned */
        bool is_console;
        uint16_t columns, rows;

        bool ready, open;  /* what the driver said */
        uint32_t pending;  /* bits of enum console_event */
        size_t n_output;   /* bytes of the first output buffer that were written before the budget was spent */
        struct task again; /* for the rest */
};

struct console {
        struct device dev;
        bool driver_ready;
        size_t n_ports;
        struct port ports[]; /* of n_ports */
};

static struct console *to_console(const struct device *dev)
{
        return container_of(dev, struct console, dev);
}

static uint16_t input_queue(size_t port)
{
        return (uint16_t) (port == 0 ? 0 : 2 * port + 2);
}

static bool multiport(const struct console *c)
{
        return c->dev.negotiated & FEATURE(CONSOLE_FEATURE_MULTIPORT);
}

static size_t port_index(const struct port *p)
{
        return (size_t) (p - p->console->ports);
}

/* Fills a control message. Return: its length. */
static size_t make_message(const struct port *p, enum console_event event, uint8_t out[CONSOLE_NAME_MAX + 8])
{
        struct console_control head = { .id = htole32((uint32_t) port_index(p)), .event = htole16(event) };
        uint16_t size[2] = { htole16(p->columns), htole16(p->rows) };
        size_t n = 0;

        if (event == CONSOLE_CONSOLE_PORT || event == CONSOLE_PORT_OPEN)
                head.value = htole16(1);
        if (event == CONSOLE_PORT_NAME) {
                n = strlen(p->name);
                memcpy(out + sizeof(head), p->name, n);
        } else if (event == CONSOLE_RESIZE) {
                n = sizeof(size);
                memcpy(out + sizeof(head), size, n);
        }
        memcpy(out, &head, sizeof(head));
        return sizeof(head) + n;
}

/* The next message that is due: new ports first, then port by port. */
static struct port *next_due(struct console *c, enum console_event *ret)
{
        static const enum console_event order[] = { CONSOLE_CONSOLE_PORT, CONSOLE_PORT_NAME, CONSOLE_RESIZE,
                                                    CONSOLE_PORT_OPEN };

        for (size_t i = 0; i < c->n_ports; i++) {
                if (c->ports[i].pending & 1U << CONSOLE_DEVICE_ADD) {
                        *ret = CONSOLE_DEVICE_ADD;
                        return &c->ports[i];
                }
        }
        for (size_t i = 0; i < c->n_ports; i++) {
                for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
                        if (c->ports[i].pending & 1U << order[k]) {
                                *ret = order[k];
                                return &c->ports[i];
                        }
                }
        }
        return NULL;
}

static int send_control(struct console *c)
{
        struct queue *q = &c->dev.queues[QUEUE_CONTROL_TO_DRIVER];
        uint8_t message[CONSOLE_NAME_MAX + 8];
        enum console_event event;
        struct chain chain;
        struct port *p;
        int r;

        if (!multiport(c))
                return 0;
        while ((p = next_due(c, &event))) {
                r = queue_pop(q, &chain);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (chain.n_read_bytes > 0 || chain.n_write_bytes < sizeof(struct console_control))
                        return -EBADMSG;
                p->pending &= ~(1U << event);
                /* A name that does not fit is cut. */
                queue_push(q, &chain, (uint32_t) chain_write(&chain, 0, message, make_message(p, event, message)));
        }
        return queue_notify(q);
}

/* send_control() outside the handler of its queue. */
static void try_send_control(struct console *c)
{
        int r = send_control(c);

        if (r < 0)
                queue_break(&c->dev.queues[QUEUE_CONTROL_TO_DRIVER], r);
}

static bool takes_input(const struct port *p)
{
        return p->open || !multiport(p->console) || !p->console->driver_ready;
}

/* Moves input to the guest. Return: 1 no more input; 0 no more buffers; or an error of the queue. */
static int move_input(struct port *p, struct queue *q)
{
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                uint8_t buf[INPUT_PART];
                size_t n;

                if (chain.n_read_bytes > 0 || chain.n_write_bytes == 0)
                        return -EBADMSG;
                n = stream_read(p->stream, buf, MIN((size_t) chain.n_write_bytes, sizeof(buf)));
                if (n == 0) {
                        queue_unpop(q, 1);
                        return 1;
                }
                (void) chain_write(&chain, 0, buf, n);
                queue_push(q, &chain, (uint32_t) n);
        }
        return r;
}

/* Without buffers, input waits at its sender; a kick of the queue asks for it again. */
static int pump_input(struct port *p)
{
        struct queue *q = &p->console->dev.queues[input_queue(port_index(p))];
        int r = takes_input(p) ? move_input(p, q) : 0;

        stream_want(p->stream, r > 0);
        return r < 0 ? r : queue_notify(q);
}

static void on_readable(void *data)
{
        struct port *p = data;
        int r = pump_input(p);

        if (r < 0)
                queue_break(&p->console->dev.queues[input_queue(port_index(p))], r);
}

static void on_resized(void *data, uint16_t columns, uint16_t rows)
{
        struct port *p = data;

        console_resize(&p->console->dev, port_index(p), columns, rows);
}

/* Writes the rest of a chain, at most *budget bytes. Return: true if all is written. */
static bool write_chain(struct port *p, const struct chain *chain, size_t *budget)
{
        size_t skip = p->n_output;

        for (size_t i = 0; i < chain->n_read; i++) {
                size_t n = chain->iov[i].iov_len;

                if (skip >= n) {
                        skip -= n;
                        continue;
                }
                n = MIN(n - skip, *budget);
                stream_write(p->stream, (const char *) chain->iov[i].iov_base + skip, n);
                p->n_output += n;
                *budget -= n;
                if (skip + n < chain->iov[i].iov_len)
                        return false;
                skip = 0;
        }
        p->n_output = 0;
        return true;
}

static void on_again(struct task *t)
{
        struct port *p = container_of(t, struct port, again);

        queue_kick(&p->console->dev.queues[input_queue(port_index(p)) + 1]);
}

static int handle_output(struct port *p, struct queue *q)
{
        size_t budget = OUTPUT_BUDGET;
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                if (chain.n_write_bytes > 0 || chain.n_read_bytes == 0)
                        return -EBADMSG;
                if (!write_chain(p, &chain, &budget)) {
                        queue_unpop(q, 1);
                        task_schedule(&p->again, q->loop, on_again);
                        break;
                }
                queue_push(q, &chain, 0);
        }
        return r < 0 ? r : queue_notify(q);
}

static int handle_port_event(struct port *p, uint16_t event, uint16_t value)
{
        switch (event) {
        case CONSOLE_PORT_READY:
                p->ready = value == 1;
                if (!p->ready) {
                        device_log_guest(&p->console->dev, "the driver could not add port %zu", port_index(p));
                        return 0;
                }
                p->pending |= 1U << CONSOLE_PORT_OPEN;
                if (p->is_console)
                        p->pending |= 1U << CONSOLE_CONSOLE_PORT;
                if (p->is_console && p->columns > 0)
                        p->pending |= 1U << CONSOLE_RESIZE;
                if (*p->name)
                        p->pending |= 1U << CONSOLE_PORT_NAME;
                return 0;
        case CONSOLE_PORT_OPEN:
                p->open = value != 0;
                on_readable(p);
                return 0;
        default:
                device_log_guest(&p->console->dev, "control message with unknown event %u", event);
                return 0;
        }
}

static void handle_device_ready(struct console *c, uint16_t value)
{
        if (value != 1) {
                device_log_guest(&c->dev, "the driver could not set up the device");
                return;
        }
        if (c->driver_ready)
                return; /* its ports exist and must not be added twice */
        c->driver_ready = true;
        for (size_t i = 0; i < c->n_ports; i++) {
                c->ports[i].open = false;
                c->ports[i].pending = 1U << CONSOLE_DEVICE_ADD;
        }
}

static int handle_control(struct console *c, struct queue *q)
{
        struct console_control message;
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                uint32_t id;
                uint16_t event;

                if (chain.n_write_bytes > 0 || chain_read(&chain, 0, &message, sizeof(message)) < sizeof(message))
                        return -EBADMSG;
                id = le32toh(message.id);
                event = le16toh(message.event);
                if (event == CONSOLE_DEVICE_READY)
                        handle_device_ready(c, le16toh(message.value));
                else if (id >= c->n_ports)
                        device_log_guest(&c->dev, "control message for port %u, of %zu", id, c->n_ports);
                else
                        (void) handle_port_event(&c->ports[id], event, le16toh(message.value));
                queue_push(q, &chain, 0);
        }
        if (r < 0)
                return r;
        r = queue_notify(q);
        try_send_control(c);
        return r;
}

static int console_handle_queue(struct device *dev, struct queue *q)
{
        struct console *c = to_console(dev);

        if (q->index >= QUEUE_CONTROL_TO_DRIVER && !multiport(c))
                return 0;
        if (q->index == QUEUE_CONTROL_TO_DRIVER)
                return send_control(c);
        if (q->index == QUEUE_CONTROL_FROM_DRIVER)
                return handle_control(c, q);
        if (q->index % 2 == 0)
                return pump_input(&c->ports[q->index == 0 ? 0 : q->index / 2 - 1]);
        return handle_output(&c->ports[q->index == 1 ? 0 : q->index / 2 - 1], q);
}

/* SIZE also while the size is unknown (0 by 0): what is offered must not change under a driver. */
static uint64_t console_features(const struct device *dev)
{
        return FEATURE(CONSOLE_FEATURE_SIZE) | FEATURE(CONSOLE_FEATURE_MULTIPORT) |
               FEATURE(CONSOLE_FEATURE_EMERG_WRITE);
}

static void forget_driver(struct console *c)
{
        c->driver_ready = false;
        for (size_t i = 0; i < c->n_ports; i++) {
                struct port *p = &c->ports[i];

                p->ready = p->open = false;
                p->pending = 0;
                p->n_output = 0;
                task_cancel(&p->again);
                stream_want(p->stream, false);
                stream_set_owner(p->stream, NULL);
        }
}

static int console_start(struct device *dev, uint64_t negotiated)
{
        struct console *c = to_console(dev);

        forget_driver(c);
        for (size_t i = 0; i < c->n_ports; i++) {
                struct stream_owner owner = { .readable = on_readable, .resized = on_resized, .data = &c->ports[i] };

                stream_set_owner(c->ports[i].stream, &owner);
        }
        return 0;
}

static void console_queue_stop(struct device *dev, struct queue *q)
{
        struct console *c = to_console(dev);
        struct port *p;

        if (q->index == QUEUE_CONTROL_TO_DRIVER || q->index == QUEUE_CONTROL_FROM_DRIVER)
                return;
        p = &c->ports[q->index < 2 ? 0 : q->index / 2 - 1];
        if (q->index % 2 == 0) {
                stream_want(p->stream, false);
                return;
        }
        p->n_output = 0;
        task_cancel(&p->again);
}

static void console_reset(struct device *dev) { forget_driver(to_console(dev)); }

static size_t console_config_size(const struct device *dev) { return sizeof(struct console_config); }

static void console_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct console *c = to_console(dev);
        struct console_config config = {
                .columns = htole16(c->ports[0].columns),
                .rows = htole16(c->ports[0].rows),
                .max_nr_ports = htole32((uint32_t) c->n_ports),
        };

        memcpy(buf, (const char *) &config + offset, n);
}

/* 5.3.5.1: a character at any time, also before the queues are set up. */
static int console_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        if (offset != offsetof(struct console_config, emerg_wr) || n == 0)
                return -EINVAL;
        stream_write(to_console(dev)->ports[0].stream, buf, 1);
        return 0;
}

static struct device *console_free(struct device *dev)
{
        struct console *c = dev ? to_console(dev) : NULL;

        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_ports; i++)
                stream_free(c->ports[i].stream);
        device_deinit(&c->dev);
        free(c);
        return NULL;
}

static const struct device_ops console_ops = {
        .name = "console",
        .virtio_id = VIRTIO_ID_CONSOLE_DEVICE,
        .features = console_features,
        .start = console_start,
        .handle_queue = console_handle_queue,
        .reset = console_reset,
        .free = console_free,
        .config_size = console_config_size,
        .config_read = console_config_read,
        .config_write = console_config_write,
        .queue_stop = console_queue_stop,
};

int console_new(struct loop *loop, const char *name, const struct console_port_options *ports, size_t n_ports,
                struct device **ret)
{
        auto_cleanup(freep) struct console *c = NULL;
        int r;

        if (n_ports == 0 || n_ports > CONSOLE_PORTS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n_ports; i++)
                if (ports[i].name && strlen(ports[i].name) > CONSOLE_NAME_MAX)
                        return -EINVAL;
        c = calloc(1, sizeof(*c) + n_ports * sizeof(c->ports[0]));
        if (!c)
                return -ENOMEM;
        r = device_init(&c->dev, &console_ops, name, loop, (uint16_t) (2 * n_ports + 2));
        if (r < 0)
                return r;
        c->n_ports = n_ports;
        for (size_t i = 0; i < n_ports; i++) {
                c->ports[i] = (struct port) {
                        .console = c,
                        .stream = ports[i].stream,
                        .is_console = ports[i].console,
                        .columns = ports[i].columns,
                        .rows = ports[i].rows,
                };
                if (ports[i].name)
                        strcpy(c->ports[i].name, ports[i].name);
        }
        *ret = &take_ptr(&c)->dev;
        return 0;
}

void console_resize(struct device *dev, size_t port, uint16_t columns, uint16_t rows)
{
        struct console *c = to_console(dev);
        struct port *p = &c->ports[port];

        assert(port < c->n_ports);
        if (p->columns == columns && p->rows == rows)
                return;
        p->columns = columns;
        p->rows = rows;
        if (p->ready && p->is_console) {
                p->pending |= 1U << CONSOLE_RESIZE;
                try_send_control(c);
        }
        if (port == 0 && dev->negotiated & FEATURE(CONSOLE_FEATURE_SIZE))
                device_config_changed(dev);
}

struct stream *console_stream(struct device *dev, size_t port)
{
        struct console *c = to_console(dev);

        assert(port < c->n_ports);
        return c->ports[port].stream;
}
