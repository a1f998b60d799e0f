/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Delivery of reports. A report goes out in one piece as soon as the guest has given buffers for all of it; until then
 * it waits in the backlog, and nothing else waits for it. Only where the queue itself is smaller than the report
 * (QEMU's front end has four entries) it goes out piece by piece: a driver acts on SYN_REPORT, and what was begun is
 * always finished.
 *
 *      router ── report ──► now ──► backlog ──► event queue ──► told
 *                            └── difference to told ──┘ after an overflow, and for a driver that is new
 *
 * When the backlog is full, all of it is forgotten. As soon as the driver takes events again it gets the difference
 * between what it was told and what is held down by then.
 *
 * A ring that somebody used before this process began (the server was restarted under a running guest) belongs to
 * a driver of which nothing is known: all keys and fingers that could be down are let go first.
 */
#include "device/input.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "device/input-private.h"
#include "virtio/features.h"

#define PIECES 2 /* of an event's buffer; more are fine but cost an allocation */

struct input {
        struct device dev;
        struct sink sink;
        struct input_options options;
        uint8_t select, subsel;
        struct input_backlog backlog;
        struct input_state now, told;
        bool known;  /* `told` is what the driver knows */
        bool served; /* the driver has got events */
        bool alike;  /* the ring stopped where a new one begins: the next driver may be this one or another */
        bool letting_go; /* the backlog begins with what makes `told` true */
        bool stale; /* `now` went on without reports: the difference is due when the backlog is empty */
};

static struct input *to_input(const struct device *dev)
{
        return container_of(dev, struct input, dev);
}

/* ---- events ---- */

static void append(void *data, const struct sink_event *e)
{
        input_backlog_append(&((struct input *) data)->backlog, e);
}

static void catch_up(struct input *in)
{
        in->stale = false;
        if (in->known) {
                input_state_difference(&in->told, &in->now, append, in);
                return;
        }
        in->known = in->letting_go = true;
        input_state_clear(&in->told);
        input_state_let_go(&in->options, &in->now, append, in);
}

/* Buffers for the events of one report. */
struct buffers {
        struct chain chains[SINK_REPORT_MAX + 1];
        struct iovec iov[SINK_REPORT_MAX + 1][PIECES];
        size_t n;
};

/* Return: 0 with as many as there are, at most @n; or an error of the queue. */
static int take_buffers(struct queue *q, size_t n, struct buffers *ret)
{
        int r = 0;

        ret->n = 0;
        while (ret->n < n) {
                struct chain *c = &ret->chains[ret->n];

                r = queue_pop(q, c);
                if (r <= 0)
                        break;
                if (c->n_read_bytes > 0 || c->n_write_bytes < sizeof(struct virtio_input_event))
                        return -EBADMSG;
                r = chain_own(c, ret->iov[ret->n], PIECES);
                if (r < 0)
                        return r;
                ret->n++;
        }
        return r < 0 ? r : 0;
}

static void drop_buffers(struct buffers *b)
{
        for (size_t i = 0; i < b->n; i++)
                chain_drop(&b->chains[i], b->iov[i]);
}

static void fill_buffers(struct input *in, struct queue *q, const struct buffers *b)
{
        for (size_t i = 0; i < b->n; i++) {
                struct sink_event e = input_backlog_take(&in->backlog);
                struct virtio_input_event event = { .type = htole16(e.type), .code = htole16(e.code),
                                                    .value = htole32((uint32_t) e.value) };

                (void) chain_write(&b->chains[i], 0, &event, sizeof(event));
                queue_push(q, &b->chains[i], sizeof(event));
                in->served = true;
                input_state_apply(&in->told, &e);
        }
}

/* Delivers the first report, or what is left of it. Return: 1; 0: it waits for buffers; or an error of the queue. */
static int deliver_first(struct input *in, struct queue *q, size_t n)
{
        struct buffers b;
        int r = take_buffers(q, n, &b);

        if (r == 0 && b.n < n && n <= queue_size(q))
                queue_unpop(q, (unsigned) b.n);
        else if (r == 0) {
                fill_buffers(in, q, &b);
                r = b.n == n;
        }
        drop_buffers(&b);
        return r;
}

/* Return: 1: the guest has given a buffer; 0: none; or an error of the queue. */
static int has_buffer(struct queue *q)
{
        struct chain c;
        int r = queue_pop(q, &c);

        if (r > 0)
                queue_unpop(q, 1);
        return r;
}

/* The difference is made when it can be delivered, so that it is that to the present. */
static int deliver(struct input *in, struct queue *q)
{
        int r = 1;

        while (r > 0) {
                size_t n = input_backlog_first(&in->backlog);

                if (n == 0)
                        in->letting_go = false;
                if (n == 0 && in->stale) {
                        r = has_buffer(q);
                        if (r <= 0)
                                break;
                        catch_up(in);
                        n = input_backlog_first(&in->backlog);
                }
                if (n == 0)
                        break;
                r = deliver_first(in, q, n);
        }
        return r < 0 ? r : queue_notify(q);
}

/* What waits is given up; the difference will take its place. */
static void give_up_backlog(struct input *in)
{
        input_backlog_drop(&in->backlog);
        in->stale = true;
        if (in->letting_go)
                in->known = in->letting_go = false;
}

static void on_report(struct sink *s, const struct sink_event *events, size_t n)
{
        struct input *in = container_of(s, struct input, sink);
        struct queue *q = &in->dev.queues[INPUT_QUEUE_EVENTS];
        struct sink_event offered[SINK_REPORT_MAX];
        size_t n_offered = 0;
        int r;

        for (size_t i = 0; i < n; i++)
                if (input_offers(&in->options, events[i].type, events[i].code))
                        offered[n_offered++] = events[i];
        if (n_offered == 0)
                return;
        for (size_t i = 0; i < n_offered; i++)
                input_state_apply(&in->now, &offered[i]);
        if (in->stale || !queue_started(q) || q->broken || !input_backlog_add(&in->backlog, offered, n_offered))
                give_up_backlog(in);
        if (!queue_started(q))
                return;
        r = deliver(in, q);
        if (r < 0)
                queue_break(q, r);
}

static const struct sink_ops sink_ops = { .report = on_report };

/* ---- what the guest says ---- */

static void handle_event(struct input *in, uint16_t type)
{
        /* Lamps and repeats are told to every keyboard; ours has none, and the guest repeats by itself. */
        if (type != EV_SYN && type != EV_REP && type != EV_LED)
                device_log_guest(&in->dev, "event of type %u for the device refused", type);
}

static int handle_status(struct input *in, struct queue *q)
{
        struct virtio_input_event event;
        struct chain chain;
        int r;

        while ((r = queue_pop(q, &chain)) > 0) {
                if (chain.n_write_bytes > 0 || chain_read(&chain, 0, &event, sizeof(event)) < sizeof(event))
                        return -EBADMSG;
                handle_event(in, le16toh(event.type));
                queue_push(q, &chain, 0);
        }
        return r < 0 ? r : queue_notify(q);
}

static int input_handle_queue(struct device *dev, struct queue *q)
{
        return q->index == INPUT_QUEUE_EVENTS ? deliver(to_input(dev), q) : handle_status(to_input(dev), q);
}

/* ---- life ---- */

static uint64_t input_features(const struct device *dev) { return 0; }

static int input_start(struct device *dev, uint64_t negotiated) { return 0; }

static int input_queue_start(struct device *dev, struct queue *q)
{
        struct input *in = to_input(dev);

        if (q->index != INPUT_QUEUE_EVENTS)
                return 0;
        if (queue_looks_new(q)) {
                input_backlog_clear(&in->backlog);
                input_state_clear(&in->told);
                in->known = !in->alike;
                in->letting_go = in->served = false;
        }
        in->stale = !in->known || memcmp(&in->told, &in->now, sizeof(in->now)) != 0;
        return 0;
}

static void input_queue_stop(struct device *dev, struct queue *q)
{
        struct input *in = to_input(dev);

        if (q->index == INPUT_QUEUE_EVENTS)
                in->alike = (in->served || in->alike) && queue_looks_new(q);
}

static void input_reset(struct device *dev)
{
        struct input *in = to_input(dev);

        in->select = in->subsel = 0;
}

static struct device *input_free(struct device *dev)
{
        if (!dev)
                return NULL;
        device_deinit(dev);
        free(to_input(dev));
        return NULL;
}

/* ---- configuration ---- */

static size_t input_config_size(const struct device *dev) { return sizeof(struct virtio_input_config); }

static void input_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct input *in = to_input(dev);
        struct virtio_input_config config;

        input_config_fill(&in->options, in->dev.name, in->select, in->subsel, &config);
        memcpy(buf, (const char *) &config + offset, n);
}

/* QEMU's front end writes all of the space back when a driver writes one byte: what follows subsel is read-only,
   ignored. */
static int input_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        struct input *in = to_input(dev);
        const uint8_t *bytes = buf;

        for (size_t i = 0; i < n; i++) {
                if (offset + i == offsetof(struct virtio_input_config, select))
                        in->select = bytes[i];
                else if (offset + i == offsetof(struct virtio_input_config, subsel))
                        in->subsel = bytes[i];
        }
        return offset <= offsetof(struct virtio_input_config, subsel) ? 0 : -EINVAL;
}

static const struct device_ops input_ops = {
        .name = "input",
        .virtio_id = VIRTIO_ID_INPUT_DEVICE,
        .features = input_features,
        .start = input_start,
        .handle_queue = input_handle_queue,
        .reset = input_reset,
        .free = input_free,
        .config_size = input_config_size,
        .config_read = input_config_read,
        .config_write = input_config_write,
        .queue_start = input_queue_start,
        .queue_stop = input_queue_stop,
};

int input_new(struct loop *loop, const char *name, const struct input_options *options, struct device **ret)
{
        auto_cleanup(freep) struct input *in = NULL;
        bool has_axes = options->kind == SINK_TOUCH || options->kind == SINK_POINTER;
        int r;

        if (has_axes && (options->width == 0 || options->width > INT32_MAX || options->height == 0 ||
                         options->height > INT32_MAX))
                return -EINVAL;
        in = calloc(1, sizeof(*in));
        if (!in)
                return -ENOMEM;
        in->options = *options;
        sink_init(&in->sink, options->kind, &sink_ops);
        input_state_clear(&in->now);
        input_state_clear(&in->told);
        r = device_init(&in->dev, &input_ops, name, loop, 2);
        if (r < 0)
                return r;
        *ret = &take_ptr(&in)->dev;
        return 0;
}

struct sink *input_sink(struct device *dev) { return &to_input(dev)->sink; }
