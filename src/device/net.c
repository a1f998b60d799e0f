/* SPDX-License-Identifier: MPL-2.0 */
#include "device/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "device/net-private.h"
#include "virtio/features.h"

static bool has(uint64_t features, unsigned bit) { return features & FEATURE(bit); }

static uint64_t net_features(const struct device *dev)
{
        const struct net *net = container_of(dev, struct net, dev);
        uint64_t f = 0;

        f |= FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM);
        f |= FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN);
        f |= FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN);
        f |= FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | FEATURE(VIRTIO_NET_F_MRG_RXBUF);
        f |= FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE);
        f |= FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA);
        f |= FEATURE(VIRTIO_NET_F_CTRL_VLAN) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);
        if (net->has_mac)
                f |= FEATURE(VIRTIO_NET_F_MAC);
        if (net->mtu > 0)
                f |= FEATURE(VIRTIO_NET_F_MTU);
        if (net->n_pairs > 1)
                f |= FEATURE(VIRTIO_NET_F_MQ);
        return f;
}

void net_start_port(struct net *net)
{
        net->port->ops->start(net->port, &net->takes);
}

static int net_start(struct device *dev, uint64_t negotiated)
{
        struct net *net = net_of(dev);
        bool mq = has(negotiated, VIRTIO_NET_F_MQ), control = has(negotiated, VIRTIO_NET_F_CTRL_VQ);

        net->sends = (struct frame_offloads) {
                .checksum = has(negotiated, VIRTIO_NET_F_CSUM),
                .tso4 = has(negotiated, VIRTIO_NET_F_HOST_TSO4),
                .tso6 = has(negotiated, VIRTIO_NET_F_HOST_TSO6),
                .ecn = has(negotiated, VIRTIO_NET_F_HOST_ECN),
        };
        net->takes_most = (struct frame_offloads) {
                .checksum = has(negotiated, VIRTIO_NET_F_GUEST_CSUM),
                .tso4 = has(negotiated, VIRTIO_NET_F_GUEST_TSO4),
                .tso6 = has(negotiated, VIRTIO_NET_F_GUEST_TSO6),
                .ecn = has(negotiated, VIRTIO_NET_F_GUEST_ECN),
        };
        net->takes = net->takes_most;
        net->mergeable = has(negotiated, VIRTIO_NET_F_MRG_RXBUF);
        net->control = !control ? UINT16_MAX : mq ? (uint16_t) (2 * net->n_pairs) : 2;
        /* With a control queue of ours the driver says how many it uses; one at first (5.1.6.5.5). */
        net->n_active = mq && !control ? net->n_pairs : 1;
        net_filter_reset(&net->filter, net->mac, has(negotiated, VIRTIO_NET_F_CTRL_VLAN));
        net->announce = false;
        net_start_port(net);
        return 0;
}

static int net_handle_queue(struct device *dev, struct queue *q)
{
        struct net *net = net_of(dev);

        if (q->index == net->control)
                return net_handle_control(net, q);
        if (q->index >= 2 * net->n_pairs)
                return 0; /* where a control queue would be, had it been negotiated */
        if (q->index % 2 == 1)
                return net_handle_tx(net, q);

        /* Receive: there may be buffers again. */
        if (net->port->ops->ready)
                net->port->ops->ready(net->port);
        return 0;
}

static void net_queue_stop(struct device *dev, struct queue *q)
{
        struct net *net = net_of(dev);

        /* Nothing is in flight between bursts. */
        if (q->index < 2 * net->n_pairs)
                net->pairs[q->index / 2].tx_blocked = false;
}

static void net_reset(struct device *dev)
{
        struct net *net = net_of(dev);

        net->port->ops->stop(net->port);
        net->n_active = 1;
        net->announce = false;
        if (net->flows)
                memset(net->flows, 0, NET_FLOWS);
}

static struct device *net_free(struct device *dev)
{
        struct net *net = net_of(dev);

        port_free(net->port);
        for (uint16_t i = 0; i < net->n_pairs; i++)
                free(net->pairs[i].window.slots);
        free(net->flows);
        device_deinit(&net->dev);
        free(net);
        return NULL;
}

static size_t net_config_size(const struct device *dev) { return NET_CONFIG_BYTES; }

static void net_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct net *net = container_of(dev, struct net, dev);
        struct virtio_net_config config = {
                .status = (uint16_t) ((net->link_up ? VIRTIO_NET_S_LINK_UP : 0) |
                                      (net->announce ? VIRTIO_NET_S_ANNOUNCE : 0)),
                .max_virtqueue_pairs = net->n_pairs,
                .mtu = net->mtu,
        };

        memcpy(config.mac, net->mac, sizeof(config.mac));
        memcpy(buf, (const uint8_t *) &config + offset, n);
}

/*
 * The guest moved here. Its driver tells the network if it can be asked to (5.1.6.5.4); for one that cannot, a RARP
 * request does, which switches learn from.
 */
static int net_announce(struct device *dev, const uint8_t mac[6])
{
        static const uint8_t start[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x80, 0x35,
                                         0, 1, 8, 0, 6, 4, 0, 3 };
        struct net *net = net_of(dev);
        uint8_t bytes[60] = { 0 };
        struct iovec rest;
        struct frame f;
        int r;

        if (net->control != UINT16_MAX && has(dev->negotiated, VIRTIO_NET_F_GUEST_ANNOUNCE)) {
                net->announce = true;
                device_config_changed(dev);
                return 0;
        }
        memcpy(bytes, start, sizeof(start));
        memcpy(bytes + 6, mac, 6);  /* from */
        memcpy(bytes + 22, mac, 6); /* sender hardware address */
        memcpy(bytes + 32, mac, 6); /* target hardware address */
        f = frame_of_buffer(bytes, sizeof(bytes), (struct frame_header) { 0 }, &rest);
        r = net->port->ops->send(net->port, &f);
        if (net->port->ops->send_flush)
                net->port->ops->send_flush(net->port);
        return r;
}

static int net_set_mtu(struct device *dev, uint16_t mtu)
{
        if (mtu < NET_MTU_MIN)
                return -EINVAL;
        net_of(dev)->mtu = mtu;
        return 0;
}

static const struct device_ops net_ops = {
        .name = "net",
        .virtio_id = VIRTIO_ID_NET_DEVICE,
        .features = net_features,
        .start = net_start,
        .handle_queue = net_handle_queue,
        .reset = net_reset,
        .free = net_free,
        .config_size = net_config_size,
        .config_read = net_config_read,
        .queue_stop = net_queue_stop,
        .announce = net_announce,
        .set_mtu = net_set_mtu,
};

static void on_writable(void *data)
{
        struct net *net = data;

        for (uint16_t i = 0; i < net->n_pairs; i++)
                if (net->pairs[i].tx_blocked) {
                        net->pairs[i].tx_blocked = false;
                        queue_kick(net->pairs[i].tx);
                }
}

static void on_link_changed(void *data, bool up)
{
        struct net *net = data;

        net_set_link(&net->dev, up);
}

void net_set_link(struct device *dev, bool up)
{
        struct net *net = net_of(dev);

        if (net->link_up == up)
                return;
        net->link_up = up;
        if (dev->started && has(dev->negotiated, VIRTIO_NET_F_STATUS))
                device_config_changed(dev);
}

bool net_get_link(const struct device *dev) { return container_of(dev, struct net, dev)->link_up; }

const struct net_counters *net_get_counters(const struct device *dev)
{
        return &container_of(dev, struct net, dev)->counters;
}

int net_new(struct loop *loop, const struct net_options *options, struct port *port, struct device **ret)
{
        uint16_t n = options->n_pairs;
        struct net *net;
        int r;

        if (n < 1 || n > NET_PAIRS_MAX || (options->mtu > 0 && options->mtu < NET_MTU_MIN))
                return -EINVAL;
        net = calloc(1, sizeof(*net) + n * sizeof(net->pairs[0]));
        if (!net)
                return -ENOMEM;
        if (n > 1) {
                net->flows = calloc(NET_FLOWS, 1);
                if (!net->flows) {
                        free(net);
                        return -ENOMEM;
                }
        }
        r = device_init(&net->dev, &net_ops, options->name, loop, (uint16_t) (2 * n + 1));
        if (r < 0) {
                free(net->flows);
                free(net);
                return r;
        }
        net->port = port;
        net->n_pairs = n;
        net->n_active = 1;
        net->mtu = options->mtu;
        net->link_up = true;
        net->control = UINT16_MAX;
        net->has_mac = options->mac != NULL;
        if (options->mac)
                memcpy(net->mac, options->mac, sizeof(net->mac));
        for (uint16_t i = 0; i < n; i++) {
                net->pairs[i].rx = &net->dev.queues[2 * i];
                net->pairs[i].tx = &net->dev.queues[2 * i + 1];
        }
        net->owner = (struct port_owner) { .deliver = net_deliver, .flush = net_flush, .writable = on_writable,
                                           .reserve = net_reserve, .commit = net_commit,
                                           .link_changed = on_link_changed, .data = net };
        port->owner = &net->owner;
        *ret = &net->dev;
        return 0;
}
